//! Stored runs, folded: what the server and a command that opened the state itself have in common.

use std::ops::ControlFlow;

use flowctl_state::LogError;
use flowctl_state::event::{Event, RunOutcome};
use flowctl_state::log::{EventLog, RunSummaryRow};
use flowctl_state::run_state::{IllegalEvent, RunState};
use flowctl_workflows::{RunId, StepId};

use crate::engine::pending_undos;
use crate::view::RunRow;

/// Why a stored run cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its events cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its events do not fit together.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
}

/// Folds a stored run without holding all of its events at once.
///
/// # Errors
/// [`Unreadable`].
pub fn replay(log: &dyn EventLog, run: &RunId) -> Result<RunState, Unreadable> {
    let mut state: Option<RunState> = None;
    let mut illegal = None;
    log.replay(run, 0, &mut |envelope| {
        let folded = match &mut state {
            None => RunState::start(&envelope).map(|first| state = Some(first)),
            Some(state) => state.apply(&envelope),
        };
        match folded {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                illegal = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match (illegal, state) {
        (Some(error), _) => Err(error.into()),
        (None, Some(state)) => Ok(state),
        (None, None) => Err(LogError::UnknownRun { run: run.clone() }.into()),
    }
}

/// The newest run of this workflow on this target that has left something changed, with the steps whose undo
/// is pending. A run that succeeded has left nothing, so only its last event is read; a run that cannot be read
/// is passed over, because nothing can be said of it.
///
/// # Errors
/// What the log says.
pub fn left_changed(
    log: &dyn EventLog,
    workflow: &str,
    target: Option<&str>,
) -> Result<Option<(RunId, Vec<StepId>)>, LogError> {
    for row in log.runs()? {
        if !row.run.as_str().starts_with(workflow) || succeeded(log, &row) {
            continue;
        }
        let Ok(state) = replay(log, &row.run) else {
            continue;
        };
        let there = state.plan.target.as_ref().map(|target| &*target.name) == target;
        if state.plan.workflow.as_str() != workflow || !there {
            continue;
        }
        let pending: Vec<StepId> = pending_undos(&state).map(|step| step.id.clone()).collect();
        if !pending.is_empty() {
            return Ok(Some((row.run, pending)));
        }
    }
    Ok(None)
}

fn succeeded(log: &dyn EventLog, row: &RunSummaryRow) -> bool {
    let mut succeeded = false;
    let read = log.replay(&row.run, row.last, &mut |envelope| {
        succeeded = matches!(
            envelope.event,
            Event::RunFinished {
                outcome: RunOutcome::Succeeded
            }
        );
        ControlFlow::Continue(())
    });
    read.is_ok() && succeeded
}

/// The stored runs, the newest first.
///
/// # Errors
/// What the log says.
pub fn newest_first(log: &dyn EventLog) -> Result<Vec<RunId>, LogError> {
    Ok(log.runs()?.into_iter().map(|row| row.run).collect())
}

/// The newest `limit` runs as lines of a list; `live` is the run that a living process works on. A run
/// whose events cannot be read is listed with the reason.
///
/// # Errors
/// What the log says of the list itself.
pub fn list(
    log: &dyn EventLog,
    live: Option<&RunId>,
    limit: usize,
) -> Result<Vec<RunRow>, LogError> {
    let rows = log.runs()?.into_iter().take(limit);
    Ok(rows
        .map(|row| match replay(log, &row.run) {
            Ok(state) => RunRow::of(&state, live == Some(&row.run)),
            Err(error) => RunRow::unreadable(row.run.as_str(), row.started, error.to_string()),
        })
        .collect())
}
