//! The loop in the wrong order, for the crash suite alone: there is none of it in the program otherwise.

use std::sync::Arc;

use flowctl_state::crash::{self, Mutant};
use flowctl_state::event::Event;

use super::begin::imagined;
use super::{Error, Executor, Reporter};

impl Executor {
    /// Acts on what is not stored yet, or shows it, if this is to be caught.
    pub(super) fn too_early(
        &mut self,
        events: &[Event],
        reporter: &mut dyn Reporter,
    ) -> Result<(), Error> {
        let act = crash::is(Mutant::ActBeforePersist);
        let show = crash::is(Mutant::ShowBeforePersist);
        if !act && !show {
            return Ok(());
        }
        let before = self.state.clone();
        let mut envelopes = Vec::new();
        for event in events {
            let envelope = imagined(&self.environment, &self.state, event.clone());
            self.state.apply(&envelope)?;
            envelopes.push(Arc::new(envelope));
        }
        if show {
            for envelope in &envelopes {
                reporter.on(envelope, &self.state, &self.live);
            }
        }
        if act {
            self.act_on(&envelopes);
        }
        self.state = before;
        Ok(())
    }
}
