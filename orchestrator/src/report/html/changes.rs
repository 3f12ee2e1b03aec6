//! What the run may have changed, what was put back, and what was not.

use flowctl_state::run_state::{StepRecord, UndoState};
use flowctl_workflows::plan::PlanStep;
use maud::{Markup, html};
use serde_json::Value;

use super::words::step;
use super::{Page, nothing, part};

pub(super) fn section(page: &Page<'_>) -> Markup {
    let kinds = crate::kinds::registry();
    let writes = |plan: &PlanStep| {
        let kind = plan.role.kind().and_then(|kind| kinds.get(kind));
        kind.is_some_and(|kind| kind.info.writes)
    };
    let (mut touched, mut left) = (Vec::new(), Vec::new());
    for (plan, record) in page.state.steps() {
        if record.undo != UndoState::None {
            touched.push((plan, record));
        } else if record.attempts > 0 && writes(plan) && !only_read(record) {
            left.push(plan);
        }
    }
    let content = html! {
        @if touched.is_empty() && left.is_empty() {
            (nothing("No step that can change anything was started."))
        }
        @if !touched.is_empty() { (undone(&touched)) }
        @if !left.is_empty() {
            h3 { "Left as the run made it" }
            p {
                "These steps are of kinds that can change something, and were not undone: "
                @for (number, plan) in left.iter().enumerate() {
                    @if number > 0 { ", " }
                    (step(plan.id.as_str()))
                }
                "."
            }
        }
    };
    part("changes", "What was changed and put back", &content)
}

/// Whether a statement says itself that it changed nothing: Trino gives every other one a type.
fn only_read(record: &StepRecord) -> bool {
    let output = record.came_to().map(|result| &result.output);
    output.and_then(|output| output.get("update_type")) == Some(&Value::Null)
}

fn undone(touched: &[(&PlanStep, &StepRecord)]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Undone steps" {
            table {
                thead { tr { th { "step" } th { "undo" } th { "what was seen" } } }
                tbody {
                    @for (plan, record) in touched {
                        tr {
                            td { (step(plan.id.as_str())) }
                            @match &record.undo {
                                UndoState::Done { detail } => { td { "put back" } td { (detail) } }
                                UndoState::Failed { attempt, failure } => {
                                    td { strong { "not put back" } ", " (attempt) " tries" }
                                    td { (failure.message) " (" (failure.code) ")" }
                                }
                                UndoState::Running { attempt } => { td { strong { "begun, not ended" } } td { "try " (attempt) } }
                                UndoState::Requested => { td { strong { "asked for, not begun" } } td {} }
                                UndoState::None => {}
                            }
                        }
                    }
                }
            }
        }
    }
}
