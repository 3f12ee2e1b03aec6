//! What ends the loop before the run is over.

use flowctl_state::error::LogError;
use flowctl_state::run_state::IllegalEvent;
use flowctl_workflows::RunId;

/// What ends the loop before the run is over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be read or appended to. Nothing was acted on that is not stored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The stored events do not fit together.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The log acknowledged an append without giving an event back.
    #[error("the log gave no event back")]
    Empty,
    /// The run succeeded; nothing is left to do.
    #[error("run {run} has succeeded, so nothing is left to resume")]
    Complete {
        /// Which run.
        run: RunId,
    },
}
