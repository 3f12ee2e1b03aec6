//! What a resume means for each step, in words.

use flowctl_state::event::{Envelope, Event, ReopenReason};
use flowctl_state::run_state::{RunState, StepRecord, StepState, UndoState};
use flowctl_workflows::StepId;
use flowctl_workflows::plan::PlanStep;

/// What is to be said of each step, before the event is folded.
pub(super) fn resumed(state: &RunState, envelope: &Envelope) -> Vec<(StepId, String)> {
    let Event::RunResumed {
        reopened,
        because,
        trusted,
        only,
        teardown,
        ..
    } = &envelope.event
    else {
        return Vec::new();
    };
    let how = How {
        trusted: *trusted,
        only: only.is_some(),
    };
    let said = state.steps().filter_map(|(step, record)| {
        let opened = reopened.iter().position(|other| *other == step.id);
        let text = match opened.and_then(|at| because.get(at)) {
            Some(reason) => reopen_reason(reason),
            None if *teardown => in_teardown(record)?,
            None => how.of_step(step, record, opened.is_some())?,
        };
        Some((step.id.clone(), format!("the run was resumed: {text}")))
    });
    said.collect()
}

/// How it was resumed.
struct How {
    trusted: bool,
    only: bool,
}

impl How {
    /// What becomes of a step of which the event gives no reason. Runs of before reasons were kept have none at all.
    fn of_step(&self, step: &PlanStep, record: &StepRecord, opened: bool) -> Option<String> {
        let text = match &record.state {
            StepState::Succeeded if opened => {
                "what it was built on runs again, or it stands in `finally:`, so it runs again"
            }
            StepState::Succeeded => {
                let how = match (step.verify.is_some(), self.trusted, self.only) {
                    (true, false, false) => "its postcondition was probed and still holds",
                    (true, true, _) => "it is trusted without a probe, as asked for with --trust",
                    (true, false, true) => "it is taken as done without a probe, as `--only` asks",
                    (false, ..) => "it had succeeded, and has no `verify:` to probe it by",
                };
                return Some(format!("{how}, so it is reused and does not run again"));
            }
            StepState::Failed if opened => "it had failed, so it is tried again",
            StepState::Cancelled if opened => "it had been cancelled, so it is tried again",
            StepState::Skipped(_) if opened => "it had been skipped, so that is decided anew",
            StepState::Waiting if matches!(record.undo, UndoState::Done { .. }) => {
                "what it did was put back, so it runs again"
            }
            other => return under_way(other),
        };
        Some(text.to_owned())
    }
}

/// What becomes of it where all main steps had succeeded and only the rest of the teardown goes on.
fn in_teardown(record: &StepRecord) -> Option<String> {
    let text = match (&record.state, &record.undo) {
        (_, UndoState::Running { .. }) => {
            "putting back what it did was under way, and is taken up again"
        }
        (StepState::Waiting, UndoState::Done { .. }) => {
            "what it did was put back when all steps had succeeded, so it does not run again"
        }
        (StepState::Succeeded, _) => {
            "it had succeeded, and only the teardown goes on, so it does not run again"
        }
        (other, _) => return under_way(other),
    };
    Some(text.to_owned())
}

fn under_way(state: &StepState) -> Option<String> {
    match state {
        StepState::Running { attempt, .. } => Some(format!(
            "attempt {attempt} was under way when its process ended, and is taken up again"
        )),
        StepState::Backoff { .. } => Some("it still waits for its next attempt".to_owned()),
        StepState::Waiting
        | StepState::Succeeded
        | StepState::Failed
        | StepState::Cancelled
        | StepState::Skipped(_) => None,
    }
}

/// Why a resume opened a step, in words.
fn reopen_reason(reason: &ReopenReason) -> String {
    match reason {
        ReopenReason::Failed => "it had failed, so it is tried again".to_owned(),
        ReopenReason::Cancelled => "it had been cancelled, so it is tried again".to_owned(),
        ReopenReason::Skipped => "it had been skipped, so that is decided anew".to_owned(),
        ReopenReason::Teardown => "teardown runs again at its end".to_owned(),
        ReopenReason::Named => "`--from` or `--only` named it, so it runs again".to_owned(),
        ReopenReason::Changed { what } => {
            format!(
                "it is not what it ran as ({}), so it runs again",
                what.join(", ")
            )
        }
        ReopenReason::After { step } => {
            format!("it was built on {step}, which runs again, so it does too")
        }
    }
}
