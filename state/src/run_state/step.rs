//! One step of a run: where it stands, what it came to, and which event may follow which.

use flowctl_workflows::result::{Evidence, Failure, Finding, Outcome};
use jiff::Timestamp;
use serde_json::Value;

use crate::crash::{self, Mutant};
use crate::event::{Event, SkipReason};

/// What is known of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepRecord {
    /// Where it stands.
    pub state: StepState,
    /// Attempts begun in all.
    pub attempts: u32,
    /// Attempts begun since it was last reopened: what the retry policy counts.
    pub tries: u32,
    /// When the first of `tries` began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What an attempt wrote down last, as long as it was not undone: the undo goes by it.
    pub handle: Option<Box<Value>>,
    /// What its last successful attempt came to.
    pub result: Option<Box<StepResult>>,
    /// What it had come to before its effect was taken back, until it begins again.
    pub before_undo: Option<Box<StepResult>>,
    /// Every attempt that failed or was stopped, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// Whether its effect was taken back.
    pub undo: UndoState,
    /// What the last probe of its postcondition saw.
    pub recheck: Option<Box<Recheck>>,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum StepState {
    /// Not started yet.
    #[default]
    Waiting,
    /// An attempt is under way, or was when its process died.
    Running {
        /// Which try.
        attempt: u32,
        /// What the attempt wrote down to be found again.
        handle: Option<Box<Value>>,
    },
    /// An attempt failed and the next one is due.
    Backoff {
        /// The try that failed.
        attempt: u32,
        /// How long to wait, in milliseconds.
        retry_in: u64,
    },
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Not started, and why.
    Skipped(Box<SkipReason>),
    /// Stopped on request.
    Cancelled,
}

/// What a successful attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// What later steps may refer to.
    pub output: Value,
    /// What it found out.
    pub findings: Vec<Finding>,
    /// The raw records that it kept.
    pub evidence: Vec<Evidence>,
}

/// An attempt that failed or was stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedAttempt {
    /// Which try.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Why.
    pub failure: Failure,
    /// The raw records that it kept.
    pub evidence: Vec<Evidence>,
}

/// Whether a step's effect was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UndoState {
    /// Nothing was begun.
    #[default]
    None,
    /// Someone asked for it; it is not begun.
    Requested,
    /// Begun, and not ended as far as is known.
    Running {
        /// Which try.
        attempt: u32,
    },
    /// Taken back.
    Done {
        /// What was put back.
        detail: String,
    },
    /// Could not be taken back.
    Failed {
        /// Which try.
        attempt: u32,
        /// Why.
        failure: Box<Failure>,
    },
}

/// What a probe of a postcondition saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recheck {
    /// Whether it still holds.
    pub holds: bool,
    /// What was seen.
    pub reason: String,
}

impl StepState {
    /// How the step ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            StepState::Succeeded => Some(Outcome::Succeeded),
            StepState::Failed => Some(Outcome::Failed),
            StepState::Skipped(_) => Some(Outcome::Skipped),
            StepState::Cancelled => Some(Outcome::Cancelled),
            StepState::Waiting | StepState::Running { .. } | StepState::Backoff { .. } => None,
        }
    }
}

impl StepRecord {
    /// What its last successful attempt came to, also when its effect was taken back since.
    #[must_use]
    pub fn came_to(&self) -> Option<&StepResult> {
        self.result.as_deref().or(self.before_undo.as_deref())
    }

    pub(super) fn reopen(&mut self) {
        self.state = StepState::Waiting;
        self.tries = 0;
        self.started = None;
        self.finished = None;
        self.result = None;
        self.recheck = None;
    }

    /// The table: which event is legal in which state, and what it leads to.
    pub(super) fn transition(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        match (event, &mut self.state) {
            (
                Event::StepStarted { attempt, .. },
                StepState::Waiting | StepState::Backoff { .. },
            ) if *attempt == self.attempts + 1 => {
                self.state = StepState::Running {
                    attempt: *attempt,
                    handle: None,
                };
                self.undo = UndoState::None;
                self.before_undo = None;
                self.attempts += 1;
                self.tries += 1 + u32::from(crash::is(Mutant::CountTriesTwice));
                self.started.get_or_insert(at);
                self.finished = None;
            }
            (
                Event::StepCheckpointed {
                    attempt, handle, ..
                },
                StepState::Running {
                    attempt: running,
                    handle: slot,
                },
            ) if attempt == running => {
                *slot = Some(Box::new(handle.clone()));
                self.handle.clone_from(slot);
            }
            (
                Event::StepSucceeded {
                    attempt,
                    output,
                    findings,
                    evidence,
                    ..
                },
                StepState::Running {
                    attempt: running, ..
                },
            ) if attempt == running => {
                self.state = StepState::Succeeded;
                self.finished = Some(at);
                self.undo = UndoState::None;
                let empty = output.is_null() && findings.is_empty() && evidence.is_empty();
                self.result = (!empty).then(|| {
                    Box::new(StepResult {
                        output: output.clone(),
                        findings: findings.clone(),
                        evidence: evidence.clone(),
                    })
                });
            }
            (
                Event::StepFailed {
                    attempt,
                    failure,
                    retry_in,
                    evidence,
                    ..
                },
                StepState::Running {
                    attempt: running, ..
                },
            ) if attempt == running => {
                self.failures.push(FailedAttempt {
                    attempt: *attempt,
                    at,
                    failure: failure.clone(),
                    evidence: evidence.clone(),
                });
                match retry_in {
                    Some(retry_in) => {
                        self.state = StepState::Backoff {
                            attempt: *attempt,
                            retry_in: *retry_in,
                        }
                    }
                    None => {
                        self.state = StepState::Failed;
                        self.finished = Some(at);
                    }
                }
            }
            (Event::StepSkipped { reason, .. }, StepState::Waiting) => {
                self.state = StepState::Skipped(Box::new(reason.clone()));
                self.finished = Some(at);
            }
            (
                Event::StepCancelled {
                    failure, evidence, ..
                },
                StepState::Waiting | StepState::Running { .. } | StepState::Backoff { .. },
            ) => {
                self.failures
                    .extend(failure.clone().map(|failure| FailedAttempt {
                        attempt: self.attempts,
                        at,
                        failure,
                        evidence: evidence.clone(),
                    }));
                self.state = StepState::Cancelled;
                self.finished = Some(at);
            }
            (Event::StepRechecked { holds, reason, .. }, StepState::Succeeded) => {
                if !holds {
                    self.reopen();
                }
                self.recheck = Some(Box::new(Recheck {
                    holds: *holds,
                    reason: reason.clone(),
                }));
            }
            (Event::ApprovalGranted { .. }, StepState::Running { .. }) => {}
            (Event::UndoStarted { attempt, .. }, _) => {
                self.undo = UndoState::Running { attempt: *attempt }
            }
            (
                Event::StepUndone {
                    detail, nothing, ..
                },
                _,
            ) if matches!(self.undo, UndoState::Running { .. }) => {
                // Where nothing was taken back, what was done still stands.
                if self.state == StepState::Succeeded && !nothing {
                    self.before_undo = self.result.take();
                    self.reopen();
                }
                self.handle = None;
                self.undo = UndoState::Done {
                    detail: detail.clone(),
                };
            }
            (
                Event::UndoFailed {
                    attempt, failure, ..
                },
                _,
            ) if matches!(self.undo, UndoState::Running { .. }) => {
                self.undo = UndoState::Failed {
                    attempt: *attempt,
                    failure: Box::new(failure.clone()),
                };
            }
            (event, state) => return Err(format!("{event:?} in state {state:?}")),
        }
        Ok(())
    }
}
