//! All steps in the plan's order, each with its raw records: where the links of the page lead.

use maud::{Markup, html};

use super::words::{evidence, seconds, span};
use super::{Page, part};
use crate::report::model::StepReport;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let content = html! {
        div.scroll tabindex="0" role="group" aria-label="Steps" {
            table.wide {
                thead {
                    tr { th { "step" } th { "kind" } th { "state" } th.number { "attempts" } th.number { "time" } th { "proves" } th { "raw records" } }
                }
                tbody { @for step in &page.report.steps { (row(step)) } }
            }
        }
    };
    part("steps", "Steps", &content)
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
