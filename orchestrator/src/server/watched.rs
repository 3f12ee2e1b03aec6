//! What a run's reporter sees, passed on to whoever watches over the socket.

use flowctl_state::event::Envelope;
use flowctl_state::run_state::RunState;
use flowctl_workflows::StepId;
use tokio::sync::broadcast;

use crate::executor::{Live, Reporter};

/// How many lines a slow watcher may lag behind.
const BUFFER: usize = 1024;

/// A reporter that passes on what children print. Events go to watchers by the run's own handle.
#[derive(Clone)]
pub struct Broadcast {
    lines: broadcast::Sender<(StepId, String)>,
}

impl Broadcast {
    /// With no watcher yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: broadcast::channel(BUFFER).0,
        }
    }

    /// The lines that are printed from now on.
    #[must_use]
    pub fn lines(&self) -> broadcast::Receiver<(StepId, String)> {
        self.lines.subscribe()
    }
}

impl Default for Broadcast {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter for Broadcast {
    fn on(&mut self, _: &Envelope, _: &RunState, _: &Live) {}
    fn tick(&mut self, _: &RunState, _: &Live) {}

    fn line(&mut self, step: &StepId, line: &str) {
        if self.lines.receiver_count() > 0 {
            // The last watcher may just have gone.
            let _ = self.lines.send((step.clone(), line.to_owned()));
        }
    }
}
