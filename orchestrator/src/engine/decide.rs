//! From something that happened to the events that record it and what follows from it.

use flowctl_state::crash::{self, Mutant};
use flowctl_state::event::{Event, RunOutcome, SkipReason};
use flowctl_state::run_state::{Phase, RunState, StepState};
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::result::{ErrorClass, Evidence, Failure, Outcome};

use super::frontier::{Frontier, Status, shuts};
use super::input::Input;
use super::retry::retry_in;
use crate::dag::Dag;

/// How often an undo is tried before it is left to a person. `todo` says how long it waits in between.
const UNDO_ATTEMPTS: u32 = 4;

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

    fn undone(&mut self, step: u32, detail: String, nothing: bool) {
        let undoing = &mut self.frontier.undoing;
        if undoing.take_if(|(undoing, _)| *undoing == step).is_some() {
            self.events.push(Event::StepUndone {
                step: self.id(step),
                detail,
                nothing,
            });
            if nothing {
                self.frontier.trust(self.dag, self.state, step);
            }
            self.frontier.note_undo(step);
            self.next_undo();
        }
    }

    fn undo_failed(&mut self, step: u32, failure: Failure) {
        let Some((_, attempt)) = self
            .frontier
            .undoing
            .take_if(|(undoing, _)| *undoing == step)
        else {
            return;
        };
        // One that was asked to stop has run out of the teardown's time; `flowctl undo` takes it up.
        let again = attempt < UNDO_ATTEMPTS
            && !self.frontier.out_of_time
            && !matches!(failure.class, ErrorClass::Permanent | ErrorClass::Cancelled);
        self.events.push(Event::UndoFailed {
            step: self.id(step),
            attempt,
            failure,
        });
        if again {
            self.start_undo(step, attempt + 1);
        } else {
            self.frontier.failed = true;
            if self.frontier.phase == Phase::Running {
                // A resume found it under way. Nothing can be built on what is neither there nor put back.
                self.frontier.trust(self.dag, self.state, step);
                self.cancel(format!("the undo of `{}`, which failed", self.id(step)));
            }
            self.frontier.note_undo(step);
            self.next_undo();
        }
    }

    /// The undos that have not begun are not begun any more, and the log says so: they stay pending. Nor is what waits in
    /// `finally:`.
    fn give_up_teardown(&mut self, failure: Failure) {
        self.frontier.out_of_time = true;
        for (place, step) in (0u32..).zip(&self.dag.plan().steps) {
            if step.teardown && self.is_idle(place) {
                self.frontier.failed = true;
                self.cancel_step(place, Some(failure.clone()), Vec::new());
            }
        }
        while let Some(step) = self.frontier.undos.pop() {
            self.events.push(Event::UndoStarted {
                step: self.id(step),
                attempt: 1,
            });
            self.events.push(Event::UndoFailed {
                step: self.id(step),
                attempt: 1,
                failure: failure.clone(),
            });
            self.frontier.note_undo(step);
            self.frontier.failed = true;
        }
    }

    fn start_undo(&mut self, step: u32, attempt: u32) {
        self.frontier.undoing = Some((step, attempt));
        self.events.push(Event::UndoStarted {
            step: self.id(step),
            attempt,
        });
    }

    /// One undo after the other, in reverse order; then `finally:`, or what runs again after an undo that a resume found
    /// under way.
    fn next_undo(&mut self) {
        if crash::is(Mutant::UndoForwards) {
            self.frontier.undos.sort_unstable_by(|a, b| b.cmp(a));
        }
        match self.frontier.undos.pop() {
            Some(step) => self.start_undo(step, 1),
            None => self.frontier.release(self.dag),
        }
    }

    /// Starts, skips and ends until nothing more follows. Conditions are asked only when everything
    /// decided so far is folded into the state.
    fn settle(&mut self, mut conditions: Option<&dyn Conditions>) {
        loop {
            while let Some(place) = self.frontier.arrived.pop_first() {
                self.judge(place);
            }
            if let Some(conditions) = conditions.take() {
                self.ask(conditions);
                continue;
            }
            self.start_ready();
            if self.frontier.arrived.is_empty() && !self.end_phase() {
                return;
            }
        }
    }

    /// A step whose needs have all ended is skipped, cancelled, completed, or goes on to its condition.
    fn judge(&mut self, place: u32) {
        let step = self.dag.step(place);
        if !step.teardown {
            if self.frontier.cancelled {
                return self.cancel_step(place, None, Vec::new());
            }
            if !self.selected(step) {
                return self.skip(place, SkipReason::NotSelected);
            }
        }
        if step.role == Role::FanIn {
            return self.fan_in(place);
        }
        if let Some(reason) = self.obstacle(step) {
            return self.skip(place, reason);
        }
        if step.when.is_some() {
            self.frontier.conditional.insert(place);
        } else {
            self.frontier.ready.insert(place);
        }
    }

    fn selected(&self, step: &PlanStep) -> bool {
        let only = &self.state.only;
        only.is_empty() || only.iter().any(|name| step.id.is_meant_by(name))
    }

    fn obstacle(&self, step: &PlanStep) -> Option<SkipReason> {
        if let Some(stopper) = self.frontier.stopped_by
            && !step.teardown
        {
            return Some(SkipReason::RunStopped {
                step: self.id(stopper),
            });
        }
        step.needs.iter().find_map(|need| {
            let needed = self.dag.step(need.step);
            if !step.teardown && !self.selected(needed) {
                return None;
            }
            let (outcome, shut) = self.frontier.ending(need.step)?;
            if shut && need.is.is_empty() {
                Some(SkipReason::Gate {
                    step: needed.id.clone(),
                })
            } else if self.dag.satisfied(need, outcome) {
                None
            } else {
                Some(SkipReason::Need {
                    step: needed.id.clone(),
                    outcome,
                })
            }
        })
    }

    fn skip(&mut self, place: u32, reason: SkipReason) {
        self.events.push(Event::StepSkipped {
            step: self.id(place),
            reason,
        });
        self.frontier.end(self.dag, place, Outcome::Skipped, false);
    }

    /// A `foreach` succeeds when all its instances did; skipped when all were skipped.
    fn fan_in(&mut self, place: u32) {
        let step = self.dag.step(place);
        let outcomes: Vec<(u32, Outcome)> = step
            .needs
            .iter()
            .filter_map(|need| Some((need.step, self.frontier.ending(need.step)?.0)))
            .collect();
        let of = |wanted: Outcome| {
            outcomes
                .iter()
                .filter(|(_, outcome)| *outcome == wanted)
                .count()
        };
        if of(Outcome::Cancelled) > 0 {
            return self.cancel_step(place, None, Vec::new());
        }
        if let Some((first, _)) = outcomes.first()
            && of(Outcome::Skipped) == outcomes.len()
        {
            let reason = SkipReason::Need {
                step: self.id(*first),
                outcome: Outcome::Skipped,
            };
            return self.skip(place, reason);
        }
        let attempt = self.begin(place);
        let failed: Vec<String> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Failed)
            .map(|(instance, _)| self.id(*instance).to_string())
            .collect();
        if failed.is_empty() {
            self.events.push(Event::StepSucceeded {
                step: self.id(place),
                attempt,
                output: serde_json::Value::Null,
                findings: Vec::new(),
                evidence: Vec::new(),
            });
            self.frontier
                .end(self.dag, place, Outcome::Succeeded, false);
        } else {
            let message = format!(
                "{} of {} instances failed: {}",
                failed.len(),
                outcomes.len(),
                failed.join(", ")
            );
            self.fail(place, attempt, "foreach.instance_failed", message);
        }
    }

    fn fail(&mut self, place: u32, attempt: u32, code: &str, message: String) {
        let failure = Failure {
            class: ErrorClass::Permanent,
            code: code.to_owned(),
            message,
            help: None,
        };
        self.events.push(Event::StepFailed {
            step: self.id(place),
            attempt,
            failure,
            retry_in: None,
            evidence: Vec::new(),
        });
        self.frontier.end(self.dag, place, Outcome::Failed, false);
    }

    fn begin(&mut self, place: u32) -> u32 {
        let attempt = self.state.step(place).attempts + 1;
        self.events.push(Event::StepStarted {
            step: self.id(place),
            attempt,
        });
        self.frontier.start(place, self.dag.step(place));
        attempt
    }

    fn ask(&mut self, conditions: &dyn Conditions) {
        for place in std::mem::take(&mut self.frontier.conditional) {
            match conditions.holds(self.state, place) {
                Ok(true) => {
                    self.frontier.ready.insert(place);
                }
                Ok(false) => self.skip(place, SkipReason::Condition),
                Err(failure) => {
                    let attempt = self.begin(place);
                    self.fail(place, attempt, &failure.code, failure.message);
                }
            }
        }
    }

    fn start_ready(&mut self) {
        let mut after = 0;
        // Steps that wait for a lock stay behind; those after them in the plan may overtake.
        while self.frontier.active < self.state.jobs.max(1) || !self.frontier.ready.is_empty() {
            let Some(&place) = self.frontier.ready.range(after..).next() else {
                break;
            };
            after = place + 1;
            if self
                .frontier
                .admits(self.dag, self.state.jobs, self.dag.step(place))
            {
                self.frontier.ready.remove(&place);
                self.begin(place);
            } else if self.frontier.active >= self.state.jobs.max(1) {
                break;
            }
        }
    }

    /// Moves on to teardown or to the end when all is done. Returns whether it did.
    fn end_phase(&mut self) -> bool {
        match self.frontier.phase {
            Phase::Running if self.frontier.open_main == 0 && self.frontier.undoing.is_none() => {
                let outcome = if self.frontier.cancelled {
                    RunOutcome::Cancelled
                } else if self.frontier.failed {
                    RunOutcome::Failed
                } else {
                    RunOutcome::Succeeded
                };
                // The state does not know yet of attempts that started in this very batch, but a step
                // that can be undone has started in an earlier one: its end came in as an input.
                let undos = self.frontier.due_undos(self.state, outcome);
                if undos.is_empty() && self.frontier.open_teardown == 0 {
                    self.finish(outcome);
                } else {
                    self.events.push(Event::TeardownStarted { outcome });
                    self.frontier.begin_teardown(self.dag, outcome, undos);
                    if !self.frontier.undos.is_empty() {
                        self.next_undo();
                    }
                }
                true
            }
            // Asked for when the run was over, or when a process died before it could begin them.
            Phase::TearingDown { .. }
                if self.frontier.undoing.is_none() && !self.frontier.undos.is_empty() =>
            {
                self.next_undo();
                true
            }
            Phase::TearingDown { outcome }
                if self.frontier.open_teardown == 0
                    && self.frontier.undos.is_empty()
                    && self.frontier.undoing.is_none() =>
            {
                let failed = self.frontier.failed && outcome == RunOutcome::Succeeded;
                self.finish(if failed { RunOutcome::Failed } else { outcome });
                true
            }
            Phase::Running | Phase::TearingDown { .. } | Phase::Finished { .. } => false,
        }
    }

    fn finish(&mut self, outcome: RunOutcome) {
        self.events.push(Event::RunFinished { outcome });
        self.frontier.phase = Phase::Finished { outcome };
    }
}
