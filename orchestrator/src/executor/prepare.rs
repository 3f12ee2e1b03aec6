//! From a step of the plan to something that can run: templates rendered, parameters checked,
//! expectations compiled. Pure but for the texts that it renders.

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_state::run_state::RunState;
use flowctl_steps::context::Files;
use flowctl_steps::registry::{KindEntry, Registry};
use flowctl_steps::{Output, Step, StepError};
use flowctl_workflows::context::Context;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::plan::{PlanStep, Probe};
use flowctl_workflows::result::{Failure, Finding, Verdict};
use flowctl_workflows::template;
use serde_json::{Map, Value};

use super::again::Texts;
use super::environment::Environment;
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

/// What a step's output is held against.
pub(super) struct Expectation {
    expressions: Vec<Expression>,
    inapplicable: Option<Expression>,
    context: Context,
    proves: bool,
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

impl Expectation {
    /// What a step of the plan expects.
    pub(super) fn of(spec: &PlanStep, context: &Context) -> Result<Self, Failure> {
        Self::compile(&spec.expect, context, !spec.proves.is_empty())?
            .unless(spec.inapplicable.as_deref())
    }

    fn compile(texts: &[String], context: &Context, proves: bool) -> Result<Self, Failure> {
        let expressions = texts
            .iter()
            .map(|text| compiled(text))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            expressions,
            inapplicable: None,
            context: context.clone(),
            proves,
        })
    }

    /// The same, but for an output of which `text` is true: then the criteria are INAPPLICABLE.
    fn unless(self, text: Option<&str>) -> Result<Self, Failure> {
        let inapplicable = text.map(compiled).transpose()?;
        Ok(Self {
            inapplicable,
            ..self
        })
    }

    /// The first expression that is false, in words; `None` when all are true.
    pub(super) fn first_refusal(&self, output: &Value) -> Result<Option<String>, Failure> {
        if self.expressions.is_empty() {
            return Ok(None);
        }
        let context = self.context.clone().with_output(output.clone());
        for expression in &self.expressions {
            let holds = expression.evaluate_bool(&context).map_err(|error| {
                Failure::from(StepError::permanent("expect.error", error.to_string()))
            })?;
            if !holds {
                return Ok(Some(self.describe(expression, &context)));
            }
        }
        Ok(None)
    }

    /// `rows[0][0] == 5 is false (rows[0][0] is 4)`.
    fn describe(&self, expression: &Expression, context: &Context) -> String {
        let mut seen = Vec::new();
        for reference in expression.references() {
            if let Ok(value) = context.lookup(&reference.path) {
                let text = value.to_string();
                let short: String = text.chars().take(120).collect();
                let more = if short.len() < text.len() { "…" } else { "" };
                let path = flowctl_workflows::context::display_path(&reference.path);
                // Of a list that is cut it must be seen that it was not empty but for what is shown.
                let line = match value.as_array() {
                    Some(entries) if !more.is_empty() => {
                        format!("{path} has {} entries, from {short}{more}", entries.len())
                    }
                    _ => format!("{path} is {short}{more}"),
                };
                if !seen.contains(&line) {
                    seen.push(line);
                }
            }
        }
        let seen = if seen.is_empty() {
            String::new()
        } else {
            format!(" ({})", seen.join(", "))
        };
        format!("`{}` is false{seen}", expression.text())
    }

    /// Judges an output: a step that proves something gets a finding, one that proves nothing fails. So does one
    /// whose kind found something amiss that no criterion takes up: it would be green for nothing.
    pub(super) fn judge(&self, output: &mut Output) -> Result<(), Failure> {
        self.judge_expressions(output)?;
        let amiss = output.findings.iter().find(|finding| {
            finding.proves.is_empty()
                && !self.proves
                && matches!(finding.verdict, Verdict::Fail | Verdict::Inconclusive)
        });
        match amiss {
            Some(finding) => {
                let code = if finding.verdict == Verdict::Fail {
                    "finding.fail"
                } else {
                    "finding.inconclusive"
                };
                let message = format!("{}: {}", finding.about, finding.reason);
                Err(StepError::permanent(code, message)
                    .help("the step proves no criterion, so what it found decides whether it succeeds")
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Whether the platform has said that it cannot do what is asked for. Then that is all that was found out:
    /// how it looks otherwise is no proof of anything.
    fn is_inapplicable(&self, output: &mut Output) -> Result<bool, Failure> {
        let Some(expression) = &self.inapplicable else {
            return Ok(false);
        };
        // An answer that the kind itself takes exception to (too few rows) says nothing of what applies.
        let amiss =
            |finding: &Finding| matches!(finding.verdict, Verdict::Fail | Verdict::Inconclusive);
        if output.findings.iter().any(amiss) {
            return Ok(false);
        }
        let context = self.context.clone().with_output(output.value.clone());
        let (verdict, reason) = match expression.evaluate_bool(&context) {
            Ok(false) => {
                // That the question was answered is no proof of what it was about.
                if self.expressions.is_empty() {
                    output.findings.retain(|finding| !finding.proves.is_empty());
                }
                return Ok(false);
            }
            Ok(true) => (
                Verdict::Inapplicable,
                holds(self.describe(expression, &context)),
            ),
            // Whether it applies is not known, so nothing was measured.
            Err(error) => (Verdict::Inconclusive, error.to_string()),
        };
        let (proves, numbers, evidence) = (vec![], vec![], vec![]);
        output.findings.retain(|finding| !finding.proves.is_empty());
        output.findings.push(Finding {
            about: expression.text().to_owned(),
            proves,
            verdict,
            reason,
            numbers,
            evidence,
        });
        Ok(true)
    }

    fn judge_expressions(&self, output: &mut Output) -> Result<(), Failure> {
        if self.is_inapplicable(output)? || self.expressions.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = self.expressions.iter().map(Expression::text).collect();
        let about = texts.join(" and ");
        let (verdict, reason) = match self.first_refusal(&output.value) {
            Ok(None) => (Verdict::Pass, self.confirm(&output.value)),
            Ok(Some(reason)) if self.proves => (Verdict::Fail, reason),
            Ok(Some(reason)) => {
                return Err(StepError::permanent(
                    "expect.false",
                    format!("not as expected: {reason}"),
                )
                .into());
            }
            // What cannot be evaluated was not measured: an empty list has no first row.
            Err(failure) if self.proves => (Verdict::Inconclusive, failure.message),
            Err(failure) => return Err(failure),
        };
        if self.proves {
            let (proves, numbers, evidence) = (vec![], vec![], vec![]);
            output.findings.push(Finding {
                about,
                proves,
                verdict,
                reason,
                numbers,
                evidence,
            });
        }
        Ok(())
    }

    /// What was seen when everything held.
    fn confirm(&self, output: &Value) -> String {
        let context = self.context.clone().with_output(output.clone());
        let lines: Vec<String> = self
            .expressions
            .iter()
            .map(|expression| holds(self.describe(expression, &context)))
            .collect();
        lines.join("; ")
    }
}

fn compiled(text: &str) -> Result<Expression, Failure> {
    Expression::compile(text).map_err(|error| {
        StepError::permanent("expect.syntax", format!("in `{text}`: {error}")).into()
    })
}

/// What [`Expectation::describe`] says, of an expression that is true.
fn holds(description: String) -> String {
    description.replacen("is false", "holds", 1)
}

/// The workflow's files with this step's context for their templates.
struct RenderedFiles {
    texts: HashMap<String, Arc<str>>,
    context: Context,
}

impl Files for RenderedFiles {
    fn text(&self, path: &str) -> Result<String, StepError> {
        let text = self.texts.get(path).ok_or_else(|| {
            StepError::permanent("file.missing", format!("the workflow has no file `{path}`")).help(
                "paths are relative to the workflow's directory and are read when the run starts",
            )
        })?;
        template::render_text(text, &self.context)
            .map_err(|error| StepError::permanent("template.error", format!("in {path}: {error}")))
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let mut paths: Vec<String> = self
            .texts
            .keys()
            .filter(|path| path.starts_with(&prefix))
            .cloned()
            .collect();
        paths.sort();
        paths
    }
}

/// The files that a prepared step sees.
pub(super) fn files(
    environment: &Environment,
    prepared: &Result<Prepared, Failure>,
) -> Arc<dyn Files> {
    let context = match prepared {
        Ok(prepared) => prepared.expectation.context.clone(),
        Err(_) => Context::default(),
    };
    // A clone of the map copies paths and counts references to the texts.
    Arc::new(RenderedFiles {
        texts: environment.files.clone(),
        context,
    })
}
