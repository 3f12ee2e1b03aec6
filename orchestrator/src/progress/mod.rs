//! What people see while a run is under way. `run`, `resume` and `watch` draw the same picture,
//! because reporters take the stored events.
//!
//! A reporter is a view: what it cannot write is lost, and the run goes on. None of them decides
//! anything or keeps a run waiting.

mod consequences;
mod human;
mod jsonl;
mod narrative;
mod paint;
mod plain;

#[cfg(test)]
mod tests;

use std::io::Write;

use flowctl_state::event::Envelope;
use flowctl_state::run_state::RunState;
use flowctl_workflows::StepId;

use crate::executor::{Live, Reporter};

pub use human::Human;
pub use jsonl::Jsonl;
pub use narrative::{Mood, Told, failure, skip_reason, tell};
pub use paint::Paint;
pub use plain::Plain;

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Reporter for Quiet {
    fn on(&mut self, _: &Envelope, _: &RunState, _: &Live) {}
    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}

/// Shows the same to several reporters.
#[derive(Default)]
pub struct Several(pub Vec<Box<dyn Reporter>>);

impl Reporter for Several {
    fn on(&mut self, envelope: &Envelope, state: &RunState, live: &Live) {
        self.0
            .iter_mut()
            .for_each(|reporter| reporter.on(envelope, state, live));
    }

    fn tick(&mut self, state: &RunState, live: &Live) {
        self.0
            .iter_mut()
            .for_each(|reporter| reporter.tick(state, live));
    }

    fn line(&mut self, step: &StepId, line: &str) {
        self.0
            .iter_mut()
            .for_each(|reporter| reporter.line(step, line));
    }
}

/// How progress shall look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A picture that is drawn again and again; for terminals.
    Drawn,
    /// Plain lines; for logs.
    Lines,
    /// The stored events, one a line.
    Events,
    /// Nothing.
    Nothing,
}

/// The reporter for a look. Lines and events go to `out`; a picture goes to standard error.
pub fn reporter(look: Look, paint: Paint, out: Box<dyn Write + Send>) -> Box<dyn Reporter> {
    match look {
        Look::Drawn => Box::new(Human::new(paint)),
        Look::Lines => Box::new(Plain::new(paint, out)),
        Look::Events => Box::new(Jsonl::new(out)),
        Look::Nothing => Box::new(Quiet),
    }
}
