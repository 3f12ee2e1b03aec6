//! All steps in the plan's order, each with its raw records: where the links of the page lead.

use std::io::{self, Write};

use maud::{Markup, html};

use super::words::{evidence, seconds, span};
use super::{CONTENT, Page, framed, part};
use crate::report::model::StepReport;

/// Row by row: this is the one part that has as many as the workflow has steps.
pub(super) fn write_section(page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
    let table = html! {
        div.scroll tabindex="0" role="group" aria-label="Steps" {
            table.wide {
                thead {
                    tr { th { "step" } th { "kind" } th { "state" } th.number { "attempts" } th.number { "time" } th { "proves" } th { "raw records" } }
                }
                tbody { (CONTENT) }
            }
        }
    };
    framed(part("steps", "Steps", &table), out, |out| {
        for step in &page.report.steps {
            out.write_all(row(step).into_string().as_bytes())?;
        }
        Ok(())
    })
}

fn row(step: &StepReport) -> Markup {
    html! {
        tr id=(format!("step-{}", step.id)) {
            td {
                code { (step.id) }
                @if let Some(title) = &step.title { br; (title) }
            }
            td { (step.kind) }
            td {
                (step.state)
                @if let Some(failure) = step.failures.last().filter(|_| step.state == "failed") {
                    br; (failure.message) " (" (failure.code) ")"
                    @if let Some(help) = &failure.help { br; "What helps: " (help) }
                }
            }
            td.number { (step.attempts) }
            td.number { @if let (Some(started), Some(finished)) = (step.started, step.finished) { (span(seconds(started, finished))) } }
            td { @if step.proves.is_empty() { "nothing" } @else { (step.proves.join(", ")) } }
            td.evidence {
                @for (number, kept) in step.evidence.iter().enumerate() {
                    @if number > 0 { br; }
                    (evidence(&kept.sha256, Some(&kept.name)))
                }
            }
        }
    }
}
