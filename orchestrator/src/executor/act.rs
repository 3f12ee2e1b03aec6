//! From what was stored to what is started or stopped: attempts, undos, timers.

use std::sync::Arc;
use std::time::Duration;

use flowctl_state::event::{Envelope, Event};
use flowctl_state::run_state::StepState;
use tokio_util::sync::CancellationToken;

use super::message::Message;
use super::{Executor, InFlight};
use crate::engine::{Command, todo, todo_for};

impl Executor {
    pub(super) fn act_on(&mut self, envelopes: &[Arc<Envelope>]) {
        let mut everything = false;
        let mut touched = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            match envelope.event.step() {
                Some(step) => {
                    let first = matches!(envelope.event, Event::StepStarted { attempt: 1, .. });
                    let place = self.state.place(step.as_str());
                    touched.extend(place.map(|place| (place, first)));
                }
                None => everything |= matches!(envelope.event, Event::CancelRequested { .. }),
            }
        }
        if everything {
            for command in todo(&self.dag, &self.state) {
                self.act(command, false);
            }
            return;
        }
        for (place, first) in touched {
            if let Some(command) = todo_for(&self.dag, &self.state, place) {
                self.act(command, first);
            }
        }
    }

    /// Starts what is missing; what is in flight already is left alone. `first`: it is a step's first attempt, and its
    /// start was stored by this process just now.
    pub(super) fn act(&mut self, command: Command, first: bool) {
        let step = match &command {
            Command::Stop { step } => {
                if let Some(in_flight) = self.in_flight.get(step) {
                    in_flight.cancel.cancel();
                    return;
                }
                *step
            }
            Command::Run { step, .. } | Command::Wait { step, .. } | Command::Undo { step, .. } => {
                *step
            }
        };
        if self.in_flight.contains_key(&step) {
            return;
        }
        let cancel = CancellationToken::new();
        self.in_flight.insert(
            step,
            InFlight {
                cancel: cancel.clone(),
            },
        );
        match command {
            Command::Run {
                attempt, handle, ..
            } => self.spawn_attempt(step, attempt, handle, first, cancel),
            Command::Stop { .. } => {
                // A process before this one ran it, and it was cancelled since: start it only to stop it.
                cancel.cancel();
                if let StepState::Running { attempt, handle } = &self.state.step(step).state {
                    let (attempt, handle) = (*attempt, handle.as_deref().cloned());
                    self.spawn_attempt(step, attempt, handle, false, cancel);
                }
            }
            Command::Wait { millis, .. } => self.spawn_timer(step, Duration::from_millis(millis)),
            Command::Undo { attempt, wait, .. } => {
                self.spawn_undo(step, attempt, Duration::from_millis(wait), cancel);
            }
        }
    }

    fn spawn_timer(&self, step: u32, wait: Duration) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // The loop may be over by then.
            let _ = sender.send(Message::RetryDue { step });
        });
    }
}
