//! The only thing that persists: past-tense facts about one run.
//!
//! An event never holds a client, a secret or a path of flowctl's own. Its form on disk is fixed by
//! `FORMAT.md`; new fields are optional, and a change of meaning is a new format number.

use std::sync::Arc;

use flowctl_workflows::plan::Plan;
use flowctl_workflows::result::{Evidence, Failure, Finding, Outcome};
use flowctl_workflows::{RunId, StepId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The place of an event in its run, from 0.
pub type Seq = u64;
/// Counts the holders of a state: each process that opens it for writing gets the next number.
pub type Epoch = u64;

/// The format that this program writes.
pub const FORMAT: u16 = 1;

/// An event with what all events share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The format number of this record.
    pub format: u16,
    /// Which run.
    pub run: RunId,
    /// Which place in the run; this is the order of events.
    pub seq: Seq,
    /// Who held the state.
    pub epoch: Epoch,
    /// When, for people; RFC 3339 in UTC. Never used for order.
    pub at: jiff::Timestamp,
    /// SHA-256 (hexadecimal) of the run's previous record as stored; empty for the first.
    pub prev: String,
    /// What happened.
    pub event: Event,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The run exists. Its first event.
    RunStarted {
        /// The compiled workflow.
        plan: Arc<Plan>,
        /// How many steps may run at once.
        jobs: u32,
        /// Step ids named by `--only`; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<StepId>,
        /// Version of flowctl.
        flowctl: String,
    },
    /// Another process took the run up. Nothing is in flight then; a step that was running is started
    /// again under the same attempt and attaches to what that attempt left.
    RunResumed {
        /// How many steps may run at once from now on.
        jobs: u32,
        /// Steps that ended badly or not at all and shall be tried again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reopened: Vec<StepId>,
        /// Why each of them is, in the same order; empty in records of before it was kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        because: Vec<ReopenReason>,
        /// Finished checkpoints were taken as they were left, without a probe.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        trusted: bool,
        /// Step ids named by `--only` of the resume; `None`: as the run was started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<Vec<StepId>>,
        /// The main steps had succeeded and stand; what is left of the teardown goes on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        teardown: bool,
    },
    /// The run goes on with the workflow as it is now. What is known of a step stays with its id; a step of a new id
    /// has not run. `RunResumed` follows.
    PlanReplaced {
        /// The workflow, compiled anew.
        plan: Arc<Plan>,
    },
    /// An attempt may touch the world from now on.
    StepStarted {
        /// Which step.
        step: StepId,
        /// Which try, from 1; it goes on counting over resumes.
        attempt: u32,
    },
    /// An attempt learnt a name that the service picked, by which it can be found again.
    StepCheckpointed {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: u32,
        /// What the step kind needs in order to attach.
        handle: Value,
    },
    /// An attempt did what it was asked to.
    StepSucceeded {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: u32,
        /// What later steps may refer to.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        output: Value,
        /// What it found out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        findings: Vec<Finding>,
        /// The raw records that it kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// An attempt failed.
    StepFailed {
        /// Which step.
        step: StepId,
        /// Which try.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// Milliseconds until the next attempt; `None`: there is none, and the step has failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in: Option<u64>,
        /// The raw records that it kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// A step was not started.
    StepSkipped {
        /// Which step.
        step: StepId,
        /// Why.
        reason: SkipReason,
    },
    /// A step was stopped on request, or not started because the run was being stopped.
    StepCancelled {
        /// Which step.
        step: StepId,
        /// How the attempt that was under way ended; `None`: there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// The raw records that it kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// A finished step's postcondition was probed again.
    StepRechecked {
        /// Which step.
        step: StepId,
        /// Whether it still holds; if not, the step and its dependents run again.
        holds: bool,
        /// What was seen.
        reason: String,
    },
    /// A person approved a step.
    ApprovalGranted {
        /// The approval step.
        step: StepId,
        /// Who, as the operating system names them.
        by: String,
    },
    /// Someone asked for effects of a run that is over, or is being stopped, to be taken back.
    UndoRequested {
        /// Who.
        by: String,
        /// Of which steps.
        steps: Vec<StepId>,
    },
    /// Taking a step's effect back was begun.
    UndoStarted {
        /// Which step.
        step: StepId,
        /// Which try at undoing, from 1.
        attempt: u32,
    },
    /// A step's effect was taken back, so the step is unfinished again; or there was nothing to take back.
    StepUndone {
        /// Which step.
        step: StepId,
        /// What was put back, for the report.
        detail: String,
        /// There was nothing to put back, so the step stays as it is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        nothing: bool,
    },
    /// A step's effect could not be taken back.
    UndoFailed {
        /// Which step.
        step: StepId,
        /// Which try at undoing.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// Someone, or the run's time limit, asked the run to stop.
    CancelRequested {
        /// Who or what.
        by: String,
    },
    /// The main steps are over; undos and `finally:` come next.
    TeardownStarted {
        /// How the main steps ended.
        outcome: RunOutcome,
    },
    /// The run is over.
    RunFinished {
        /// How.
        outcome: RunOutcome,
    },
}

impl Event {
    /// The step that it is about, if it is about one.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Event::StepStarted { step, .. }
            | Event::StepCheckpointed { step, .. }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StepCancelled { step, .. }
            | Event::StepRechecked { step, .. }
            | Event::ApprovalGranted { step, .. }
            | Event::UndoStarted { step, .. }
            | Event::StepUndone { step, .. }
            | Event::UndoFailed { step, .. } => Some(step),
            Event::RunStarted { .. }
            | Event::RunResumed { .. }
            | Event::PlanReplaced { .. }
            | Event::UndoRequested { .. }
            | Event::CancelRequested { .. }
            | Event::TeardownStarted { .. }
            | Event::RunFinished { .. } => None,
        }
    }
}

/// Why a resume opened a step again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum ReopenReason {
    /// It had failed.
    Failed,
    /// It had been cancelled.
    Cancelled,
    /// It had been skipped.
    Skipped,
    /// It stands in `finally:`, which runs at the end of every resume.
    Teardown,
    /// `--from` or `--only` named it.
    Named,
    /// Its definition, or what goes into it, is not what it ran with.
    Changed {
        /// What differs, for people: `with`, `params.rows`, `sql/seed.sql`.
        what: Vec<String>,
    },
    /// It was built on a step that runs again.
    After {
        /// That step.
        step: StepId,
    },
}

/// Why a step was not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `when:` was false.
    Condition,
    /// A step that it needs ended in another way than asked for.
    Need {
        /// The step that it needs.
        step: StepId,
        /// How that step ended.
        outcome: Outcome,
    },
    /// A step that it needs is a gate, and a criterion of that step is FAIL.
    Gate {
        /// The gate.
        step: StepId,
    },
    /// A failed step stopped the run.
    RunStopped {
        /// The failed step.
        step: StepId,
    },
    /// `--only` named other steps.
    NotSelected,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every step succeeded, or was skipped as intended.
    Succeeded,
    /// A step failed.
    Failed,
    /// It was stopped on request.
    Cancelled,
}
