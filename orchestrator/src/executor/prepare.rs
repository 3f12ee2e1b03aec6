//! From a step of the plan to something that can run: templates rendered, parameters checked,
//! expectations compiled. Pure but for the texts that it renders.

use std::sync::Arc;

use flowctl_state::run_state::RunState;
use flowctl_steps::registry::{KindEntry, Registry};
use flowctl_steps::{Step, StepError};
use flowctl_workflows::context::Context;
use flowctl_workflows::plan::{PlanStep, Probe};
use flowctl_workflows::result::Failure;
use flowctl_workflows::template;
use serde_json::{Map, Value};

use super::environment::Environment;
use super::expectation::Expectation;
use super::files::Texts;
use super::scope::Scope;

/// A step that can run.
pub(super) struct Prepared {
    pub(super) step: Box<dyn Step>,
    /// What it was asked, to be kept beside what it found out; `None`: it measures nothing by itself.
    pub(super) asked: Option<(&'static str, Value)>,
    pub(super) expectation: Expectation,
    pub(super) probe: Option<PreparedProbe>,
    /// For an undo: it is another use of a step kind, not the kind's own undo.
    pub(super) undo_by_other: bool,
}

/// The probe of a step's postcondition.
pub(super) struct PreparedProbe {
    pub(super) step: Box<dyn Step>,
    pub(super) expectation: Expectation,
}

impl Prepared {
    pub(super) fn new(
        environment: &Environment,
        state: &RunState,
        place: u32,
    ) -> Result<Self, Failure> {
        let spec = &state.plan.steps[place as usize];
        let kind = spec.role.kind().unwrap_or_default();
        let context = context(&environment.files, &environment.facts, state, spec);
        let probe = spec.verify.as_ref().map(|probe| {
            Ok::<_, Failure>(PreparedProbe {
                step: build(&environment.registry, &probe.kind, &probe.with, &context)?,
                expectation: Expectation::compile(&probe.expect, &context, false)?,
            })
        });
        let (entry, with) = rendered(&environment.registry, kind, &spec.with, &context)?;
        Ok(Self {
            step: built(entry, &with)?,
            asked: entry.info.measures.then_some((entry.info.name, with)),
            probe: probe.transpose()?,
            expectation: Expectation::of(spec, &context)?,
            undo_by_other: false,
        })
    }

    pub(super) fn undo(
        environment: &Environment,
        state: &RunState,
        place: u32,
    ) -> Result<Self, Failure> {
        let spec = &state.plan.steps[place as usize];
        let context = context(&environment.files, &environment.facts, state, spec);
        let by = spec.undo.as_ref().and_then(|undo| undo.by.as_ref());
        let own = Probe {
            kind: spec.role.kind().unwrap_or_default().to_owned(),
            with: spec.with.clone(),
            expect: vec![],
        };
        let used = by.unwrap_or(&own);
        Ok(Self {
            step: build(&environment.registry, &used.kind, &used.with, &context)?,
            expectation: Expectation::compile(&used.expect, &context, false)?,
            asked: None,
            probe: None,
            undo_by_other: by.is_some(),
        })
    }
}

/// What a step's texts see.
pub(super) fn context(
    files: &Texts,
    facts: &Map<String, Value>,
    state: &RunState,
    spec: &PlanStep,
) -> Context {
    let parameters = |value: &Value| {
        if value.is_null() {
            String::new()
        } else {
            value.to_string()
        }
    };
    let mut texts = vec![parameters(&spec.with)];
    if let Some(probe) = &spec.verify {
        texts.push(parameters(&probe.with));
        texts.extend(probe.expect.iter().cloned());
    }
    if let Some(probe) = spec.undo.as_ref().and_then(|undo| undo.by.as_ref()) {
        texts.push(parameters(&probe.with));
        texts.extend(probe.expect.iter().cloned());
    }
    texts.extend(spec.expect.iter().chain(&spec.inapplicable).cloned());
    // Without a word there is nobody who could ask.
    if texts.iter().all(String::is_empty) {
        return Context::default();
    }
    // The files that a parameter names may mention outputs too.
    let named: Vec<&Arc<str>> = files
        .iter()
        .filter(|(path, _)| texts.iter().any(|text| text.contains(path.as_str())))
        .map(|(_, text)| text)
        .collect();
    let mut all: Vec<&str> = texts.iter().map(String::as_str).collect();
    all.extend(named.iter().map(|text| &***text));
    Scope { state, facts }.context(spec, &all)
}

fn build(
    registry: &Registry,
    kind: &str,
    with: &Value,
    context: &Context,
) -> Result<Box<dyn Step>, Failure> {
    let (entry, with) = rendered(registry, kind, with, context)?;
    built(entry, &with)
}

/// The kind and its parameters, templates rendered.
fn rendered<'a>(
    registry: &'a Registry,
    kind: &str,
    with: &Value,
    context: &Context,
) -> Result<(&'a KindEntry, Value), Failure> {
    let entry = registry.get(kind).ok_or_else(|| {
        StepError::permanent(
            "kind.unknown",
            format!("this flowctl has no step kind `{kind}`"),
        )
        .help("`flowctl kinds` lists them; the run may have been started by a newer flowctl")
    })?;
    let mut with = template::render(with, context)
        .map_err(|error| StepError::permanent("template.error", error.to_string()))?;
    // A kind without parameters costs no look at its schema.
    if !with.is_null()
        && let Some(schema) = registry.params_schema(kind)
    {
        super::fit::fit(&schema, &mut with);
    }
    Ok((entry, with))
}

fn built(entry: &KindEntry, with: &Value) -> Result<Box<dyn Step>, Failure> {
    entry
        .build(with)
        .map_err(|error| StepError::permanent("kind.params", error.to_string()).into())
}
