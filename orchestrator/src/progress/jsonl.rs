//! The stored events, one a line, exactly as they are stored.

use std::io::Write;

use flowctl_state::codec;
use flowctl_state::event::Envelope;
use flowctl_state::run_state::RunState;
use flowctl_workflows::StepId;

use crate::executor::{Live, Reporter};

/// Writes stored events.
pub struct Jsonl {
    out: Box<dyn Write + Send>,
}

impl Jsonl {
    /// Writes to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Reporter for Jsonl {
    fn on(&mut self, envelope: &Envelope, _: &RunState, _: &Live) {
        match codec::encode(envelope) {
            // A reader that went away does not stop the run.
            Ok(mut line) => {
                line.push(b'\n');
                drop(self.out.write_all(&line).and_then(|()| self.out.flush()));
            }
            Err(error) => tracing::warn!(%error, seq = envelope.seq, "an event cannot be shown"),
        }
    }

    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}
