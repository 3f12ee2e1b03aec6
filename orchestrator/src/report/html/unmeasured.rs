//! What this run does not show, and why: criteria without a PASS or a FAIL, steps that were skipped, steps that prove
//! nothing, and failures that a later attempt hid.

use std::io::{self, Write};

use flowctl_workflows::result::Verdict;
use maud::html;

use super::words::{badge, step};
use super::{CONTENT, Page, framed, nothing, part};
use crate::report::model::{CriterionReport, StepReport};

/// Step by step where it names steps: that may be all.
pub(super) fn write_section(page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
    let report = page.report;
    let open: Vec<&CriterionReport> = report
        .criteria
        .iter()
        .filter(|criterion| !matches!(criterion.verdict, Verdict::Pass | Verdict::Fail))
        .collect();
    let skipped: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|step| step.state == "skipped")
        .collect();
    let hidden: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|step| step.state == "succeeded" && !step.failures.is_empty())
        .collect();
    let content = html! {
        @if open.is_empty() {
            (nothing(if report.criteria.is_empty() { "The workflow declares no criterion." } else { "Every criterion was measured." }))
        } @else {
            ul { @for criterion in &open { li { (badge(criterion.verdict)) " " (criterion.text) ": " span.reason { (criterion.reason) } } } }
        }
        @if !skipped.is_empty() {
            h3 { "Steps that were skipped" }
            ul { @for one in &skipped { li { (step(&one.id)) ": " (one.reason.as_deref().unwrap_or("no reason is noted")) } } }
        }
        @if !hidden.is_empty() {
            h3 { "Failures that a retry hid" }
            ul {
                @for one in &hidden {
                    @for failure in &one.failures {
                        li { (step(&one.id)) " attempt " (failure.attempt) ": " (failure.message) " (" (failure.code) ")" }
                    }
                }
            }
        }
        @if !report.proving_nothing.is_empty() {
            h3 { "Steps that prove no criterion" }
            p { (CONTENT) "." }
        }
    };
    let frame = part("unmeasured", "What was not measured, and why", &content);
    framed(frame, out, |out| {
        for (number, id) in report.proving_nothing.iter().enumerate() {
            let after = if number > 0 { ", " } else { "" };
            out.write_all(html! { (after) (step(id)) }.into_string().as_bytes())?;
        }
        Ok(())
    })
}
