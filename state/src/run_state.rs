//! One run, folded from its events: the transition table and nothing else.
//!
//! [`RunState::apply`] is the only writer. An event that does not fit the state it meets is an
//! [`IllegalEvent`], never a panic and never ignored.

mod step;

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_workflows::plan::{Plan, PlanStep, Role};
use flowctl_workflows::{RunId, StepId};
use jiff::Timestamp;

use crate::crash::{self, Mutant};
use crate::event::{Envelope, Epoch, Event, RunOutcome, Seq};

pub use step::{FailedAttempt, Recheck, StepRecord, StepResult, StepState, UndoState};

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

#[cfg(test)]
mod tests;
