//! From something that happened to the events that record it and what follows from it.

mod settle;
mod undo;

use flowctl_state::event::Event;
use flowctl_state::run_state::{Phase, RunState, StepState};
use flowctl_workflows::StepId;
use flowctl_workflows::plan::Role;
use flowctl_workflows::result::{ErrorClass, Evidence, Failure, Outcome};

use super::frontier::{Frontier, Status, shuts};
use super::input::Input;
use super::retry::retry_in;
use crate::dag::Dag;

/// Answers whether a step's `when:` holds in a state. Pure.
pub trait Conditions {
    /// Whether the step shall run.
    ///
    /// # Errors
    /// When the expression cannot be evaluated; the step fails then.
    fn holds(&self, state: &RunState, place: u32) -> Result<bool, Failure>;
}

/// What has now happened. `frontier` moves on with the events; an input that no longer fits the state
/// (an attempt that ended after its step was cancelled) leads to none.
pub fn decide(
    dag: &Dag,
    state: &RunState,
    frontier: &mut Frontier,
    conditions: &dyn Conditions,
    input: Input,
) -> Vec<Event> {
    let folded = matches!(input, Input::Proceed);
    let mut draft = Draft {
        dag,
        state,
        frontier,
        events: Vec::new(),
    };
    draft.react(input);
    draft.settle(folded.then_some(conditions));
    draft.events
}

struct Draft<'a> {
    dag: &'a Dag,
    state: &'a RunState,
    frontier: &'a mut Frontier,
    events: Vec<Event>,
}

impl Draft<'_> {
    fn id(&self, place: u32) -> StepId {
        self.dag.step(place).id.clone()
    }

    /// The attempt under way, if one is.
    fn running(&self, place: u32) -> Option<u32> {
        match self.state.step(place).state {
            StepState::Running { attempt, .. }
                if self.frontier.status[place as usize] == Status::Running =>
            {
                Some(attempt)
            }
            _ => None,
        }
    }

    fn react(&mut self, input: Input) {
        match input {
            Input::Proceed => {}
            Input::Checkpointed { step, handle } => {
                if let Some(attempt) = self.running(step) {
                    self.events.push(Event::StepCheckpointed {
                        step: self.id(step),
                        attempt,
                        handle,
                    });
                }
            }
            Input::AttemptSucceeded {
                step,
                output,
                findings,
                evidence,
            } => {
                if let Some(attempt) = self.running(step) {
                    let shut = shuts(self.dag.step(step), &findings);
                    self.events.push(Event::StepSucceeded {
                        step: self.id(step),
                        attempt,
                        output,
                        findings,
                        evidence,
                    });
                    self.frontier.end(self.dag, step, Outcome::Succeeded, shut);
                }
            }
            Input::AttemptFailed {
                step,
                failure,
                evidence,
                now,
                chance,
            } => {
                if let Some(attempt) = self.running(step) {
                    let cancelled = self.frontier.cancelled && !self.dag.step(step).teardown;
                    if cancelled && failure.class == ErrorClass::Cancelled {
                        self.cancel_step(step, Some(failure), evidence);
                        return;
                    }
                    let policy = self.dag.step(step).retry.as_deref();
                    let over = cancelled || self.frontier.out_of_time;
                    let wait = policy.filter(|_| !over).and_then(|policy| {
                        retry_in(policy, self.state.step(step), failure.class, now, chance)
                    });
                    self.events.push(Event::StepFailed {
                        step: self.id(step),
                        attempt,
                        failure,
                        retry_in: wait,
                        evidence,
                    });
                    match wait {
                        Some(_) => self.frontier.back_off(step, self.dag.step(step)),
                        None => self.frontier.end(self.dag, step, Outcome::Failed, false),
                    }
                }
            }
            Input::RetryDue { step } => {
                if self.frontier.status[step as usize] == Status::Backoff {
                    self.frontier.ready.insert(step);
                }
            }
            Input::Approved { step, by } => {
                if matches!(self.dag.step(step).role, Role::Approval { .. })
                    && let Some(attempt) = self.running(step)
                {
                    let output = serde_json::json!({"by": by});
                    self.events.push(Event::ApprovalGranted {
                        step: self.id(step),
                        by,
                    });
                    self.events.push(Event::StepSucceeded {
                        step: self.id(step),
                        attempt,
                        output,
                        findings: Vec::new(),
                        evidence: Vec::new(),
                    });
                    self.frontier.end(self.dag, step, Outcome::Succeeded, false);
                }
            }
            Input::Cancel { by } => self.cancel(by),
            Input::UndoSucceeded { step, detail } => self.undone(step, detail, false),
            Input::UndoNeedless { step, detail } => self.undone(step, detail, true),
            Input::UndoFailed { step, failure } => self.undo_failed(step, failure),
            Input::TeardownTimedOut { failure } => self.give_up_teardown(failure),
        }
    }

    fn cancel_step(&mut self, place: u32, failure: Option<Failure>, evidence: Vec<Evidence>) {
        self.events.push(Event::StepCancelled {
            step: self.id(place),
            failure,
            evidence,
        });
        self.frontier
            .end(self.dag, place, Outcome::Cancelled, false);
    }

    /// Nothing of the main part starts any more; attempts under way are asked to stop by the executor.
    fn cancel(&mut self, by: String) {
        if self.frontier.cancelled || matches!(self.frontier.phase, Phase::Finished { .. }) {
            return;
        }
        self.frontier.cancelled = true;
        self.events.push(Event::CancelRequested { by });
        for (place, step) in (0u32..).zip(&self.dag.plan().steps) {
            if step.teardown {
                continue;
            }
            if self.frontier.awaits_undo(self.state, place) {
                self.frontier.trust(self.dag, self.state, place);
            } else if self.is_idle(place) {
                self.cancel_step(place, None, Vec::new());
            }
        }
    }

    /// Whether nothing is under way for a step that has not ended.
    fn is_idle(&self, place: u32) -> bool {
        match self.frontier.status[place as usize] {
            Status::Waiting | Status::Backoff => true,
            Status::Running => self.dag.step(place).role.kind().is_none(),
            Status::Ended { .. } => false,
        }
    }
}
