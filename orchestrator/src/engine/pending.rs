//! What a run that is no longer under way has left changed.

use flowctl_state::run_state::{Phase, RunState, StepRecord, UndoState};
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::Outcome;

/// The steps whose effect shall be taken back and was not: the run was left before its undos, or one failed.
pub fn pending_undos(state: &RunState) -> impl Iterator<Item = &PlanStep> {
    let over = matches!(state.phase, Phase::Finished { .. });
    state
        .steps()
        .filter(move |(step, record)| {
            matches!(step.role, Role::Kind(_)) && record.attempts > 0 && pending(step, record, over)
        })
        .map(|(step, _)| step)
}

fn pending(step: &PlanStep, record: &StepRecord, over: bool) -> bool {
    match (&record.undo, step.undo.as_ref().map(|undo| undo.on)) {
        (UndoState::Done { .. }, _) => false,
        (UndoState::Running { .. } | UndoState::Failed { .. }, _) => true,
        // Whether the run has failed is not decided, but a step that has succeeded is not in the way of a
        // `failure` undo that may never come.
        (UndoState::None, Some(UndoWhen::Failure)) => {
            !over && record.state.outcome() != Some(Outcome::Succeeded)
        }
        (UndoState::None, Some(UndoWhen::Always)) => !over,
        (UndoState::None, Some(UndoWhen::Never) | None) => false,
    }
}
