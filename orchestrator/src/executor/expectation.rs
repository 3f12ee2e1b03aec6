//! What a step's output is held against, and what is found when it is.

use flowctl_steps::{Output, StepError};
use flowctl_workflows::context::{Context, display_path};
use flowctl_workflows::expr::Expression;
use flowctl_workflows::plan::PlanStep;
use flowctl_workflows::result::{Failure, Finding, Verdict};
use serde_json::Value;

/// What a step's output is held against.
pub(super) struct Expectation {
    expressions: Vec<Expression>,
    inapplicable: Option<Expression>,
    context: Context,
    proves: bool,
}

impl Expectation {
    /// What a step of the plan expects.
    pub(super) fn of(spec: &PlanStep, context: &Context) -> Result<Self, Failure> {
        Self::compile(&spec.expect, context, !spec.proves.is_empty())?
            .unless(spec.inapplicable.as_deref())
    }

    /// These expressions. `proves`: what is false is a finding, not a failure.
    pub(super) fn compile(
        texts: &[String],
        context: &Context,
        proves: bool,
    ) -> Result<Self, Failure> {
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

    /// What its expressions see beside the output.
    pub(super) fn context(&self) -> &Context {
        &self.context
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
                let path = display_path(&reference.path);
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
