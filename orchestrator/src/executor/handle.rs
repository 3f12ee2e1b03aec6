//! A cheap handle on a run that is under way: look, watch, cancel, approve.

use std::sync::Arc;

use flowctl_state::event::Envelope;
use flowctl_state::run_state::RunState;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::live::Live;
use super::message::{Message, Request};

/// A handle on a run that is under way; clones share it.
#[derive(Clone)]
pub struct Handle {
    sender: mpsc::UnboundedSender<Message>,
    envelopes: broadcast::Sender<Arc<Envelope>>,
}

impl Handle {
    pub(super) fn new(
        sender: mpsc::UnboundedSender<Message>,
        envelopes: broadcast::Sender<Arc<Envelope>>,
    ) -> Self {
        Self { sender, envelopes }
    }

    /// Looks at the run between two events. `None`: the run is over.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&RunState, &Live) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, seen) = oneshot::channel();
        let look: super::message::Look = Box::new(move |state, live| {
            // Whoever asked may be gone.
            let _ = answer.send(look(state, live));
        });
        self.sender
            .send(Message::Request(Request::Inspect(look)))
            .ok()?;
        seen.await.ok()
    }

    /// Asks the run to stop: nothing more starts, what runs is cancelled, undos and `finally:` run. Asked a
    /// second time, the run is left as it is, to be resumed.
    pub fn cancel(&self, by: impl Into<String>) {
        // A run that is over needs no cancelling.
        let _ = self
            .sender
            .send(Message::Request(Request::Cancel { by: by.into() }));
    }

    /// Leaves the run as it is, at once: nothing more is recorded, started or stopped. For a process that has lost the
    /// right to go on; another may be at work on the same already.
    pub fn leave(&self, why: impl Into<String>) {
        // A run that is over has nothing to leave.
        let _ = self
            .sender
            .send(Message::Request(Request::Leave { why: why.into() }));
    }

    /// Approves a step. Returns false when no such step waits for a person.
    pub async fn approve(&self, step: impl Into<String>, by: impl Into<String>) -> bool {
        let (answer, answered) = oneshot::channel();
        let request = Request::Approve {
            step: step.into(),
            by: by.into(),
            answer,
        };
        self.sender.send(Message::Request(request)).is_ok() && answered.await.unwrap_or(false)
    }

    /// The events that are stored from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Envelope>> {
        self.envelopes.subscribe()
    }

    /// Lets reporters draw the time that went by.
    pub fn tick(&self) {
        // A run that is over draws nothing.
        let _ = self.sender.send(Message::Tick);
    }
}
