//! Running a step inside an experiment: built from its kind, under a name of its own.

use std::sync::Arc;

use flowctl_steps::context::{AttemptName, Sink};
use flowctl_steps::registry::Registry;
use flowctl_steps::{Output, Step, StepContext, StepError};
use flowctl_workflows::StepId;
use flowctl_workflows::result::Evidence;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::journal::{InnerSink, Journal, Slot};
use super::params::Use;
use crate::executor::fit;

/// What the steps inside of one experiment share.
#[derive(Clone)]
pub(super) struct Inside {
    pub(super) registry: Arc<Registry>,
    pub(super) cx: StepContext,
    pub(super) journal: Arc<Journal>,
}

/// A step inside, ready to run.
pub(super) struct Inner {
    pub(super) step: Box<dyn Step>,
    pub(super) cx: StepContext,
    sink: Arc<InnerSink>,
}

/// What a step inside came to, with the raw records that it kept.
pub(super) struct Ran {
    pub(super) result: Result<Output, StepError>,
    pub(super) evidence: Vec<Evidence>,
}

impl Inside {
    /// The same, but not to be stopped: for putting things back.
    pub(super) fn unstoppable(&self) -> Self {
        let mut inside = self.clone();
        inside.cx.cancel = CancellationToken::new();
        inside
    }

    /// A name for a step inside that no earlier attempt of the experiment has used, so that what one left is not taken
    /// for another's.
    pub(super) fn name(&self, name: &str) -> String {
        match self.cx.attempt.attempt {
            1 => name.to_owned(),
            attempt => format!("try{attempt}.{name}"),
        }
    }

    /// A step inside. `what` is said before its progress texts.
    ///
    /// # Errors
    /// Permanent, when its kind does not take its parameters.
    pub(super) fn step(
        &self,
        used: &Use,
        name: &str,
        slot: Slot,
        handle: Option<Value>,
        what: &str,
    ) -> Result<Inner, StepError> {
        let step = build(&self.registry, used)?;
        let sink = Arc::new(InnerSink::new(
            Arc::clone(&self.journal),
            slot,
            name.to_owned(),
            what.to_owned(),
        ));
        let cx = StepContext {
            attempt: AttemptName {
                run: self.cx.attempt.run.clone(),
                step: inner_id(&self.cx.attempt.step, name)?,
                attempt: 1,
            },
            handle,
            left: None,
            first: false,
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
            ..self.cx.clone()
        };
        Ok(Inner { step, cx, sink })
    }
}

impl Inner {
    /// Runs it.
    pub(super) async fn run(&self) -> Ran {
        let result = self.step.run(&self.cx).await;
        Ran {
            result,
            evidence: self.sink.take_evidence(),
        }
    }
}

/// The step of a use.
///
/// # Errors
/// Permanent, when there is no such kind or it does not take these parameters.
pub(super) fn build(registry: &Registry, used: &Use) -> Result<Box<dyn Step>, StepError> {
    let entry = registry.get(&used.uses).ok_or_else(|| {
        StepError::permanent(
            "kind.unknown",
            format!("this flowctl has no step kind `{}`", used.uses),
        )
        .help("`flowctl kinds` lists them")
    })?;
    // A template that is one name keeps its value's type, also where the kind wants text.
    let mut with = used.with.clone();
    if !with.is_null() {
        fit(&(entry.params_schema)(), &mut with);
    }
    entry
        .build(&with)
        .map_err(|error| StepError::permanent("kind.params", error.to_string()))
}

/// `ID[name]`; for an instance of a `foreach` `ID[key.name]`.
fn inner_id(outer: &StepId, name: &str) -> Result<StepId, StepError> {
    let text = match outer.as_str().strip_suffix(']') {
        Some(instance) => format!("{instance}.{name}]"),
        None => format!("{outer}[{name}]"),
    };
    StepId::new(text).map_err(|error| StepError::permanent("experiment.name", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_inside_are_names_of_steps() {
        let id = |outer: &str| {
            let outer = StepId::new(outer).unwrap();
            inner_id(&outer, "turn2.settle0").unwrap().to_string()
        };
        assert_eq!(id("pushdown"), "pushdown[turn2.settle0]");
        assert_eq!(id("pushdown[orders]"), "pushdown[orders.turn2.settle0]");
    }
}
