//! From a message to an input for the engine, and the time limits of the run itself.

use flowctl_state::run_state::Phase;
use flowctl_steps::StepError;
use flowctl_workflows::policy::Span;

use super::message::{Message, Request};
use super::{Executor, Reporter};
use crate::engine::Input;

impl Executor {
    /// The run's own time limits: one for the main steps, one for undos and `finally:`.
    pub(super) fn limit_phase(&self) {
        let limit: Option<(Span, &str)> = match self.state.phase {
            Phase::Running => self
                .dag
                .plan()
                .timeout
                .map(|span| (span, "the run's timeout")),
            Phase::TearingDown { .. } => {
                Some((self.dag.plan().teardown_timeout, "the teardown's timeout"))
            }
            Phase::Finished { .. } => None,
        };
        if let Some((span, what)) = limit {
            let by = format!("{what} of {span}");
            let phase = self.state.phase;
            let sender = self.sender.clone();
            tokio::spawn(async move {
                tokio::time::sleep(span.duration()).await;
                // The loop may be over by then.
                let _ = sender.send(Message::PhaseTimedOut { phase, by });
            });
        }
    }

    /// Turns a message into an input for the engine, if it is one.
    pub(super) fn receive(
        &mut self,
        message: Message,
        reporter: &mut dyn Reporter,
    ) -> Option<Input> {
        match message {
            Message::AttemptEnded { step, input } | Message::UndoEnded { step, input } => {
                self.in_flight.remove(&step);
                self.live.forget(step);
                Some(input)
            }
            Message::RetryDue { step } => {
                self.in_flight.remove(&step);
                Some(Input::RetryDue { step })
            }
            Message::Checkpoint {
                step,
                handle,
                stored,
            } => {
                // Answered when the batch that holds it is durable.
                self.checkpoints.push(stored);
                Some(Input::Checkpointed { step, handle })
            }
            Message::Progress { step, what } => {
                self.live.progress(step, what);
                reporter.tick(&self.state, &self.live);
                None
            }
            Message::Line { step, line } => {
                let id = &self.dag.step(step).id;
                reporter.line(id, &line);
                self.live.line(step, line);
                None
            }
            Message::Tick => {
                reporter.tick(&self.state, &self.live);
                None
            }
            Message::PhaseTimedOut { phase, by } => self.phase_timed_out(phase, by),
            Message::Request(request) => self.answer(request),
        }
    }

    fn phase_timed_out(&mut self, phase: Phase, by: String) -> Option<Input> {
        if self.state.phase != phase {
            return None;
        }
        if matches!(phase, Phase::TearingDown { .. }) {
            for in_flight in self.in_flight.values() {
                in_flight.cancel.cancel();
            }
            let why = format!("was not begun within {by}");
            let failure = StepError::timed_out("undo.teardown_timeout", why)
                .help("`flowctl undo` puts back what is pending");
            return Some(Input::TeardownTimedOut {
                failure: failure.into(),
            });
        }
        Some(Input::Cancel { by })
    }

    fn answer(&mut self, request: Request) -> Option<Input> {
        match request {
            Request::Inspect(look) => {
                look(&self.state, &self.live);
                None
            }
            Request::Cancel { by } => {
                if self.state.cancelled_by.is_some() {
                    self.abandoned = true;
                    return None;
                }
                Some(Input::Cancel { by })
            }
            Request::Leave { why } => {
                self.left.get_or_insert(why);
                None
            }
            Request::Approve { step, by, answer } => {
                let waiting = self.state.awaits_approval(&step);
                // Whoever asked may be gone; the approval counts all the same.
                let _ = answer.send(waiting.is_some());
                waiting.map(|step| Input::Approved { step, by })
            }
        }
    }
}
