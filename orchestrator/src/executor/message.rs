//! What reaches the loop from attempts, timers and people.

use flowctl_state::run_state::{Phase, RunState};
use serde_json::Value;
use tokio::sync::oneshot;

use super::live::Live;
use crate::engine::Input;

/// Looks at a run between two events.
pub type Look = Box<dyn FnOnce(&RunState, &Live) + Send>;

pub(super) enum Message {
    AttemptEnded {
        step: u32,
        input: Input,
    },
    UndoEnded {
        step: u32,
        input: Input,
    },
    RetryDue {
        step: u32,
    },
    Checkpoint {
        step: u32,
        handle: Value,
        stored: oneshot::Sender<()>,
    },
    Progress {
        step: u32,
        what: String,
    },
    Line {
        step: u32,
        line: String,
    },
    PhaseTimedOut {
        phase: Phase,
        by: String,
    },
    Tick,
    Request(Request),
}

pub(super) enum Request {
    Inspect(Look),
    Cancel {
        by: String,
    },
    /// The run is left as it is, at once.
    Leave {
        why: String,
    },
    Approve {
        step: String,
        by: String,
        answer: oneshot::Sender<bool>,
    },
}
