//! What must be in flight, from the state alone.
//!
//! The executor starts what is missing and knows what is there already, so asking again is harmless.
//! After a restart nothing is there, and the same question restores everything.

use flowctl_state::crash::{self, Mutant};
use flowctl_state::run_state::{Phase, RunState, StepState, UndoState};
use flowctl_workflows::plan::Role;
use serde_json::Value;

use crate::dag::Dag;

/// Something that must be in flight.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// An attempt: start it, or attach to what it left.
    Run {
        /// Which step.
        step: u32,
        /// Which try.
        attempt: u32,
        /// What the attempt wrote down, if a process before this one ran it.
        handle: Option<Value>,
    },
    /// The same, and it must be asked to stop.
    Stop {
        /// Which step.
        step: u32,
    },
    /// The wait before the next attempt.
    Wait {
        /// Which step.
        step: u32,
        /// How long, in milliseconds.
        millis: u64,
    },
    /// Taking an effect back.
    Undo {
        /// Which step.
        step: u32,
        /// Which try at undoing.
        attempt: u32,
        /// How long to wait first, in milliseconds: the platform may need a moment.
        wait: u64,
    },
}

/// The wait before each further try at undoing, in milliseconds.
const UNDO_WAITS: [u64; 3] = [1_000, 5_000, 15_000];

/// Everything that must be in flight.
#[must_use]
pub fn todo(dag: &Dag, state: &RunState) -> Vec<Command> {
    (0u32..)
        .take(dag.len())
        .filter_map(|place| todo_for(dag, state, place))
        .collect()
}

/// What must be in flight for one step.
#[must_use]
pub fn todo_for(dag: &Dag, state: &RunState, place: u32) -> Option<Command> {
    let record = state.step(place);
    if let UndoState::Running { attempt } = record.undo {
        let tries = usize::try_from(attempt).unwrap_or(usize::MAX);
        let wait = tries
            .checked_sub(2)
            .map_or(0, |last| UNDO_WAITS[last.min(UNDO_WAITS.len() - 1)]);
        return Some(Command::Undo {
            step: place,
            attempt,
            wait,
        });
    }
    if matches!(state.phase, Phase::Finished { .. }) {
        return None;
    }
    let step = dag.step(place);
    match (&record.state, &step.role) {
        (StepState::Running { .. }, Role::Kind(_))
            if state.cancelled_by.is_some() && !step.teardown =>
        {
            Some(Command::Stop { step: place })
        }
        (StepState::Running { attempt, handle }, Role::Kind(_)) => Some(Command::Run {
            step: place,
            attempt: *attempt,
            handle: match crash::is(Mutant::ForgetHandle) {
                true => None,
                false => handle.as_deref().cloned(),
            },
        }),
        (StepState::Backoff { retry_in, .. }, _) => Some(Command::Wait {
            step: place,
            millis: *retry_in,
        }),
        // An approval waits for a person; a fan-in is completed by the engine.
        (StepState::Running { .. }, Role::Approval { .. } | Role::FanIn)
        | (
            StepState::Waiting
            | StepState::Succeeded
            | StepState::Failed
            | StepState::Skipped(_)
            | StepState::Cancelled,
            _,
        ) => None,
    }
}
