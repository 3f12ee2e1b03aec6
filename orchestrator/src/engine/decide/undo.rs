//! What follows from the end of an undo, and from the end of their time.

use flowctl_state::crash::{self, Mutant};
use flowctl_state::event::Event;
use flowctl_state::run_state::Phase;
use flowctl_workflows::result::{ErrorClass, Failure};

use super::Draft;

/// How often an undo is tried before it is left to a person. `todo` says how long it waits in between.
const UNDO_ATTEMPTS: u32 = 4;

impl Draft<'_> {
    pub(super) fn undone(&mut self, step: u32, detail: String, nothing: bool) {
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

    pub(super) fn undo_failed(&mut self, step: u32, failure: Failure) {
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
    pub(super) fn give_up_teardown(&mut self, failure: Failure) {
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

    pub(super) fn start_undo(&mut self, step: u32, attempt: u32) {
        self.frontier.undoing = Some((step, attempt));
        self.events.push(Event::UndoStarted {
            step: self.id(step),
            attempt,
        });
    }

    /// One undo after the other, in reverse order; then `finally:`, or what runs again after an undo that a resume found
    /// under way.
    pub(super) fn next_undo(&mut self) {
        if crash::is(Mutant::UndoForwards) {
            self.frontier.undos.sort_unstable_by(|a, b| b.cmp(a));
        }
        match self.frontier.undos.pop() {
            Some(step) => self.start_undo(step, 1),
            None => self.frontier.release(self.dag),
        }
    }
}
