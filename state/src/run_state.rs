//! One run, folded from its events: the transition table and nothing else.
//!
//! [`RunState::apply`] is the only writer. An event that does not fit the state it meets is an
//! [`IllegalEvent`], never a panic and never ignored.

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_workflows::plan::{Plan, PlanStep, Role};
use flowctl_workflows::result::{Evidence, Failure, Finding, Outcome};
use flowctl_workflows::{RunId, StepId};
use jiff::Timestamp;
use serde_json::Value;

use crate::crash::{self, Mutant};
use crate::event::{Envelope, Epoch, Event, RunOutcome, Seq, SkipReason};

/// An event that does not fit what went before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of run {run} does not fit what went before: {reason}")]
pub struct IllegalEvent {
    /// Which run.
    pub run: RunId,
    /// Which event.
    pub seq: Seq,
    /// What does not fit.
    pub reason: String,
}

/// A run as its events tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Which run.
    pub run: RunId,
    /// What it runs.
    pub plan: Arc<Plan>,
    /// How many steps may run at once.
    pub jobs: u32,
    /// The steps that `--only` named, of the run or of its last resume; empty: all.
    pub only: Vec<StepId>,
    /// The steps that `--only` of the run named: what a resume without one goes back to.
    only_at_start: Vec<StepId>,
    /// Version of flowctl that started it.
    pub flowctl: String,
    /// Where it stands.
    pub phase: Phase,
    /// Who or what asked it to stop.
    pub cancelled_by: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When its newest event happened.
    pub updated: Timestamp,
    /// How often it was taken up again.
    pub resumes: u32,
    /// Who held the state at the newest event.
    pub epoch: Epoch,
    /// The seq that the next event gets.
    pub next_seq: Seq,
    steps: Vec<StepRecord>,
    index: HashMap<StepId, u32>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The main steps are under way.
    Running,
    /// Undos and `finally:` are under way.
    TearingDown {
        /// How the main steps ended.
        outcome: RunOutcome,
    },
    /// It is over.
    Finished {
        /// How.
        outcome: RunOutcome,
    },
}

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

impl RunState {
    /// The state after a run's first event.
    ///
    /// # Errors
    /// [`IllegalEvent`] unless it is `RunStarted` with seq 0.
    pub fn start(first: &Envelope) -> Result<Self, IllegalEvent> {
        let illegal = |reason: &str| IllegalEvent {
            run: first.run.clone(),
            seq: first.seq,
            reason: reason.to_owned(),
        };
        if first.seq != 0 {
            return Err(illegal("a run begins with event 0"));
        }
        let Event::RunStarted {
            plan,
            jobs,
            only,
            flowctl,
        } = &first.event
        else {
            return Err(illegal("a run begins with `run_started`"));
        };
        let index = index(plan).map_err(illegal)?;
        Ok(Self {
            run: first.run.clone(),
            jobs: *jobs,
            only: only.clone(),
            only_at_start: only.clone(),
            flowctl: flowctl.clone(),
            phase: Phase::Running,
            cancelled_by: None,
            started: first.at,
            updated: first.at,
            resumes: 0,
            epoch: first.epoch,
            next_seq: 1,
            steps: vec![StepRecord::default(); plan.steps.len()],
            index,
            plan: Arc::clone(plan),
        })
    }

    /// The state after these events.
    ///
    /// # Errors
    /// [`IllegalEvent`] at the first that does not fit; also when there is none.
    pub fn replay<'a>(
        run: &RunId,
        events: impl IntoIterator<Item = &'a Envelope>,
    ) -> Result<Self, IllegalEvent> {
        let mut events = events.into_iter();
        let first = events.next().ok_or_else(|| IllegalEvent {
            run: run.clone(),
            seq: 0,
            reason: "the run has no events".to_owned(),
        })?;
        let mut state = Self::start(first)?;
        for envelope in events {
            state.apply(envelope)?;
        }
        Ok(state)
    }

    /// All steps with what is known of them, in the plan's order.
    pub fn steps(&self) -> impl Iterator<Item = (&PlanStep, &StepRecord)> {
        self.plan.steps.iter().zip(&self.steps)
    }

    /// What is known of the step at this place in the plan.
    #[must_use]
    pub fn step(&self, place: u32) -> &StepRecord {
        &self.steps[place as usize]
    }

    /// The place of a step in the plan.
    #[must_use]
    pub fn place(&self, step: &str) -> Option<u32> {
        self.index.get(step).copied()
    }

    /// What is known of the step of this id.
    #[must_use]
    pub fn record(&self, step: &str) -> Option<&StepRecord> {
        self.place(step).map(|place| self.step(place))
    }

    /// The place of an approval step that waits for a person.
    #[must_use]
    pub fn awaits_approval(&self, step: &str) -> Option<u32> {
        let place = self.place(step)?;
        let waits = matches!(self.plan.steps[place as usize].role, Role::Approval { .. })
            && matches!(self.step(place).state, StepState::Running { .. });
        waits.then_some(place)
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the state is unchanged then.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<(), IllegalEvent> {
        if envelope.seq != self.next_seq {
            return Err(self.illegal(envelope, format!("expected event {}", self.next_seq)));
        }
        if let Phase::Finished { .. } = self.phase
            && !matches!(
                envelope.event,
                Event::RunResumed { .. }
                    | Event::PlanReplaced { .. }
                    | Event::UndoRequested { .. }
                    | Event::StepRechecked { .. }
                    | Event::UndoStarted { .. }
                    | Event::StepUndone { .. }
                    | Event::UndoFailed { .. }
            )
        {
            return Err(self.illegal(envelope, "the run is over".to_owned()));
        }
        self.transition(envelope)?;
        self.updated = envelope.at;
        self.epoch = envelope.epoch;
        self.next_seq += 1;
        Ok(())
    }

    fn illegal(&self, envelope: &Envelope, reason: String) -> IllegalEvent {
        IllegalEvent {
            run: self.run.clone(),
            seq: envelope.seq,
            reason,
        }
    }

    fn transition(&mut self, envelope: &Envelope) -> Result<(), IllegalEvent> {
        let at = envelope.at;
        match &envelope.event {
            Event::RunStarted { .. } => {
                Err(self.illegal(envelope, "the run has started already".to_owned()))
            }
            Event::RunResumed {
                jobs,
                reopened,
                only,
                teardown,
                ..
            } => {
                if *teardown && !matches!(self.phase, Phase::TearingDown { .. }) {
                    let reason = "a run goes on with its teardown only when that was under way";
                    return Err(self.illegal(envelope, reason.to_owned()));
                }
                for place in self.find_all(envelope, reopened)? {
                    self.steps[place].reopen();
                }
                if crash::is(Mutant::ForgetTries) {
                    self.steps.iter_mut().for_each(|step| step.tries = 0);
                }
                if crash::is(Mutant::ForgetUndo) {
                    let undos = self.steps.iter_mut().map(|step| &mut step.undo);
                    undos.for_each(|undo| *undo = UndoState::None);
                }
                self.jobs = *jobs;
                self.only
                    .clone_from(only.as_ref().unwrap_or(&self.only_at_start));
                if !teardown {
                    self.phase = Phase::Running;
                }
                self.cancelled_by = None;
                self.resumes += 1;
                Ok(())
            }
            Event::PlanReplaced { plan } => {
                let index =
                    index(plan).map_err(|reason| self.illegal(envelope, reason.to_owned()))?;
                let mut former = std::mem::take(&mut self.steps);
                self.steps = plan
                    .steps
                    .iter()
                    .map(|step| {
                        let place = self.place(step.id.as_str());
                        place.map_or_else(StepRecord::default, |place| {
                            std::mem::take(&mut former[place as usize])
                        })
                    })
                    .collect();
                self.index = index;
                self.plan = Arc::clone(plan);
                Ok(())
            }
            Event::UndoRequested { steps, .. } => {
                for place in self.find_all(envelope, steps)? {
                    self.steps[place].undo = UndoState::Requested;
                }
                if let Phase::Finished { outcome } = self.phase {
                    self.phase = Phase::TearingDown { outcome };
                }
                Ok(())
            }
            Event::CancelRequested { by } => {
                self.cancelled_by = Some(by.clone());
                Ok(())
            }
            Event::TeardownStarted { outcome } => {
                self.phase = Phase::TearingDown { outcome: *outcome };
                Ok(())
            }
            Event::RunFinished { outcome } => {
                self.phase = Phase::Finished { outcome: *outcome };
                Ok(())
            }
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
            | Event::UndoFailed { step, .. } => {
                let place = self.find(envelope, step)?;
                self.steps[place]
                    .transition(&envelope.event, at)
                    .map_err(|reason| self.illegal(envelope, reason))
            }
        }
    }

    fn find_all(&self, envelope: &Envelope, steps: &[StepId]) -> Result<Vec<usize>, IllegalEvent> {
        steps.iter().map(|step| self.find(envelope, step)).collect()
    }

    fn find(&self, envelope: &Envelope, step: &StepId) -> Result<usize, IllegalEvent> {
        self.place(step.as_str())
            .map(|place| place as usize)
            .ok_or_else(|| self.illegal(envelope, format!("the plan has no step `{step}`")))
    }
}

/// The place of each step; refuses a plan that is none.
fn index(plan: &Plan) -> Result<HashMap<StepId, u32>, &'static str> {
    let mut index = HashMap::with_capacity(plan.steps.len());
    for (place, step) in (0u32..).zip(&plan.steps) {
        if index.insert(step.id.clone(), place).is_some() {
            return Err("two steps of the plan have the same id");
        }
        if step.needs.iter().any(|need| need.step >= place) {
            return Err("the plan is not in topological order");
        }
    }
    Ok(index)
}

impl StepRecord {
    /// What its last successful attempt came to, also when its effect was taken back since.
    #[must_use]
    pub fn came_to(&self) -> Option<&StepResult> {
        self.result.as_deref().or(self.before_undo.as_deref())
    }

    fn reopen(&mut self) {
        self.state = StepState::Waiting;
        self.tries = 0;
        self.started = None;
        self.finished = None;
        self.result = None;
        self.recheck = None;
    }

    /// The table: which event is legal in which state, and what it leads to.
    fn transition(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
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

#[cfg(test)]
mod tests;
