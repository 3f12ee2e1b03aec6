//! What can happen to a running workflow from outside the engine.

use flowctl_workflows::result::{Evidence, Failure, Finding};
use jiff::Timestamp;
use serde_json::Value;

/// Something happened. Steps are named by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The run was started or taken up again, or a condition can now be evaluated: go on.
    Proceed,
    /// An attempt wrote down how it can be found again.
    Checkpointed {
        /// Which step.
        step: u32,
        /// What it wrote.
        handle: Value,
    },
    /// An attempt did what it was asked to.
    AttemptSucceeded {
        /// Which step.
        step: u32,
        /// What later steps may refer to.
        output: Value,
        /// What it found out.
        findings: Vec<Finding>,
        /// The raw records that it kept.
        evidence: Vec<Evidence>,
    },
    /// An attempt failed.
    AttemptFailed {
        /// Which step.
        step: u32,
        /// Why.
        failure: Failure,
        /// The raw records that it kept.
        evidence: Vec<Evidence>,
        /// When it failed, for the retry budget.
        now: Timestamp,
        /// A random number from 0 to 1 for the jitter.
        chance: f64,
    },
    /// The wait before the next attempt is over.
    RetryDue {
        /// Which step.
        step: u32,
    },
    /// A person approved a step.
    Approved {
        /// Which step.
        step: u32,
        /// Who.
        by: String,
    },
    /// The run shall stop.
    Cancel {
        /// Who or what asks.
        by: String,
    },
    /// A step's effect was taken back.
    UndoSucceeded {
        /// Which step.
        step: u32,
        /// What was put back.
        detail: String,
    },
    /// There was no effect of a step to be taken back.
    UndoNeedless {
        /// Which step.
        step: u32,
        /// Why not.
        detail: String,
    },
    /// A step's effect could not be taken back.
    UndoFailed {
        /// Which step.
        step: u32,
        /// Why.
        failure: Failure,
    },
    /// The time for undos and `finally:` is used up. What is under way was asked to stop.
    TeardownTimedOut {
        /// In words, for the undos that cannot be begun any more.
        failure: Failure,
    },
}
