//! What a step's expressions and templates see, taken from the run's state. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowctl_state::run_state::RunState;
use flowctl_workflows::context::Context;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::result::{ErrorClass, Failure};
use serde_json::{Map, Value, json};

use super::environment::Environment;
use crate::engine::Conditions;

/// Builds contexts for the steps of one run.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The run.
    pub state: &'a RunState,
    /// What is under `flowctl.`.
    pub facts: &'a Map<String, Value>,
}

impl Scope<'_> {
    /// What this step's expressions and templates see. `texts` are all that belong to the step; only outputs of
    /// steps that they mention are taken in, since outputs can be large.
    #[must_use]
    pub fn context(&self, step: &PlanStep, texts: &[&str]) -> Context {
        let plan = &self.state.plan;
        let mut context = Context::new(plan.params.clone())
            .with("run", json!({"id": self.state.run.as_str()}))
            .with(
                "workflow",
                json!({"name": plan.workflow.as_str(), "dir": plan.directory}),
            )
            .with("flowctl", Value::Object(self.facts.clone()));
        if let Some(target) = &plan.target {
            context = context.with("target", target.view.clone());
        }
        if let Some((name, item)) = step.item.as_deref() {
            context = context.with(name.clone(), item.clone());
        }
        for id in mentioned_steps(texts) {
            if let Some(output) = self.output(&id) {
                context = context.with_step(id, Arc::new(output));
            }
        }
        context
    }

    /// A step's output; that of a `foreach` is an object with the output of each instance by its key.
    fn output(&self, id: &str) -> Option<Value> {
        let place = self.state.place(id)?;
        let step = &self.state.plan.steps[place as usize];
        if step.role != Role::FanIn {
            return self
                .state
                .step(place)
                .result
                .as_ref()
                .map(|result| result.output.clone());
        }
        let outputs = step.needs.iter().filter_map(|need| {
            let instance = self.state.plan.steps[need.step as usize].id.as_str();
            let key = instance
                .strip_prefix(id)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            let output = self.state.step(need.step).result.as_ref()?.output.clone();
            Some((key.to_owned(), output))
        });
        Some(Value::Object(outputs.collect()))
    }
}

/// The ids that follow `steps.` in these texts.
fn mentioned_steps(texts: &[&str]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for text in texts {
        for (at, _) in text.match_indices("steps.") {
            let rest = &text[at + "steps.".len()..];
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            if end > 0 {
                ids.insert(rest[..end].to_owned());
            }
        }
    }
    ids
}

/// Asks `when:` of a run's state.
pub(super) struct WhenConditions<'a> {
    pub(super) environment: &'a Environment,
}

impl Conditions for WhenConditions<'_> {
    fn holds(&self, state: &RunState, place: u32) -> Result<bool, Failure> {
        let step = &state.plan.steps[place as usize];
        let Some(when) = &step.when else {
            return Ok(true);
        };
        let failure = |message: String| Failure {
            class: ErrorClass::Permanent,
            code: "when.error".to_owned(),
            message,
            help: Some(
                "`when:` must be true or false; ask with has(…) for what may not be there"
                    .to_owned(),
            ),
        };
        let expression = Expression::compile(when).map_err(|error| failure(error.to_string()))?;
        let context = Scope {
            state,
            facts: &self.environment.facts,
        }
        .context(step, &[when]);
        expression
            .evaluate_bool(&context)
            .map_err(|error| failure(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentioned_steps_are_found_in_any_text() {
        let ids = mentioned_steps(&[
            "a {{ steps.seed.output.n }}",
            "steps.b_2.output.rows[0] == steps.seed.output.n",
            "steps.",
        ]);
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["b_2", "seed"]);
    }
}
