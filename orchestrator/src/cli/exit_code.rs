//! What the exit status of flowctl means. The one place where it is written down.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | all criteria PASS or INAPPLICABLE, or there are none and all steps succeeded; for other commands: done |
//! | 1 | a step failed, or a criterion FAILs |
//! | 2 | wrong usage, or an invalid workflow or target |
//! | 3 | nothing failed, but a criterion is INCONCLUSIVE or NOT RUN |
//! | 4 | the run was cancelled |
//! | 5 | the state, or the workflow on its target, is held by another process; or the state is damaged or cannot be written |
//! | 70 | a bug in flowctl |

use flowctl_state::run_state::RunState;

use crate::report;

/// How flowctl ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done; all is well.
    Success = 0,
    /// A step failed or a criterion FAILs.
    Failed = 1,
    /// Wrong usage, or an invalid workflow or target.
    Usage = 2,
    /// A criterion is INCONCLUSIVE or NOT RUN.
    Inconclusive = 3,
    /// Cancelled.
    Cancelled = 4,
    /// The state cannot be used.
    State = 5,
    /// A bug in flowctl.
    Bug = 70,
}

impl ExitCode {
    /// How a run ends flowctl: the outcome of its steps and the verdicts of its criteria together.
    #[must_use]
    pub fn of_run(state: &RunState) -> Self {
        match report::exit_code(state) {
            0 => ExitCode::Success,
            3 => ExitCode::Inconclusive,
            4 => ExitCode::Cancelled,
            _ => ExitCode::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
