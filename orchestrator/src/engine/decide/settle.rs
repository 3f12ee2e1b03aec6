//! What follows by itself: which steps start, are skipped, are over, and when the phase ends.

use flowctl_state::event::{Event, RunOutcome, SkipReason};
use flowctl_state::run_state::Phase;
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::result::{ErrorClass, Failure, Outcome};

use super::{Conditions, Draft};

impl Draft<'_> {
    /// Starts, skips and ends until nothing more follows. Conditions are asked only when everything
    /// decided so far is folded into the state.
    pub(super) fn settle(&mut self, mut conditions: Option<&dyn Conditions>) {
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
