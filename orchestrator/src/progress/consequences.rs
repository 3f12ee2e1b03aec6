//! Steps that are skipped because one that they need was. A failure early in a workflow has a hundred of these, and a line
//! for each would push the failure out of sight.

use flowctl_state::event::{Envelope, Event, SkipReason};
use flowctl_state::run_state::RunState;
use flowctl_workflows::StepId;
use flowctl_workflows::result::Outcome;

use super::narrative::{Mood, Told, tell};

/// So many are named.
const NAMED: usize = 3;

/// What was skipped since the last time that something else was told.
#[derive(Default)]
pub(super) struct Consequences {
    first: Option<Told>,
    names: Vec<StepId>,
    count: usize,
}

impl Consequences {
    /// Takes an event that says no more than that; `false`: it says more.
    pub(super) fn take(&mut self, envelope: &Envelope, state: &RunState) -> bool {
        let Event::StepSkipped {
            step,
            reason:
                SkipReason::Need {
                    outcome: Outcome::Skipped,
                    ..
                },
        } = &envelope.event
        else {
            return false;
        };
        if self.count == 0 {
            self.first = tell(envelope, state);
        }
        if self.names.len() < NAMED {
            self.names.push(step.clone());
        }
        self.count += 1;
        true
    }

    /// What is said of those that were taken; one alone as of any step.
    pub(super) fn told(&mut self) -> Option<Told> {
        let Self {
            first,
            names,
            count,
        } = std::mem::take(self);
        if count < 2 {
            return first;
        }
        let mut about: Vec<&str> = names.iter().map(StepId::as_str).collect();
        let more = format!("{} more", count - names.len());
        if count > names.len() {
            about.push(&more);
        }
        let last = about.pop()?;
        Some(Told {
            mood: Mood::Plain,
            mark: '○',
            about: format!("{} and {last}", about.join(", ")),
            text: "skipped: they need what was skipped".to_owned(),
            more: Vec::new(),
        })
    }
}
