//! What a run that is no longer under way has left changed.

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, RunState, StepRecord, UndoState};
use flowctl_workflows::StepId;
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

/// What `flowctl undo` takes back: what is pending, and, in a run that was left in the middle before all had succeeded,
/// also what a step that has succeeded would put back if the run failed, since it will not go on. `named` steps are added
/// whatever their `undo:` says, unless they never ran or were put back already.
#[must_use]
pub fn to_undo(state: &RunState, named: &[StepId]) -> Vec<StepId> {
    let over = matches!(state.phase, Phase::Finished { .. });
    let succeeded = Phase::TearingDown {
        outcome: RunOutcome::Succeeded,
    };
    let given_up = !over && state.phase != succeeded;
    let wanted = |step: &PlanStep, record: &StepRecord| {
        let asked = named.contains(&step.id);
        let done = matches!(record.undo, UndoState::Done { .. });
        let on = step.undo.as_ref().map(|undo| undo.on);
        let left = given_up && !step.teardown && on == Some(UndoWhen::Failure);
        (asked || named.is_empty() && (left || pending(step, record, over))) && !done
    };
    state
        .steps()
        .filter(|(step, record)| {
            matches!(step.role, Role::Kind(_)) && record.attempts > 0 && wanted(step, record)
        })
        .map(|(step, _)| step.id.clone())
        .collect()
}

fn pending(step: &PlanStep, record: &StepRecord, over: bool) -> bool {
    match (&record.undo, step.undo.as_ref().map(|undo| undo.on)) {
        (UndoState::Done { .. }, _) => false,
        (UndoState::Requested | UndoState::Running { .. } | UndoState::Failed { .. }, _) => true,
        // Whether the run has failed is not decided, but a step that has succeeded is not in the way of a
        // `failure` undo that may never come.
        (UndoState::None, Some(UndoWhen::Failure)) => {
            !over && record.state.outcome() != Some(Outcome::Succeeded)
        }
        (UndoState::None, Some(UndoWhen::Always)) => !over,
        (UndoState::None, Some(UndoWhen::Never) | None) => false,
    }
}
