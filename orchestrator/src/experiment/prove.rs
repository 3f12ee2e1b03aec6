//! The proof that a variant's setting is active: by a step that looks, or by each sample's own output.

use flowctl_steps::StepError;
use flowctl_workflows::context::{Context, display_path};
use flowctl_workflows::expr::Expression;
use serde_json::{Value, json};

use super::inner::Inside;
use super::journal::Slot;
use super::measure::compile;
use super::params::Params;
use super::samples::Look;
use super::setting::within;
use super::statistics::Variant;

/// What is expected of each variant.
pub(super) struct Proof {
    a: Vec<Expression>,
    b: Vec<Expression>,
    /// A step looks; else each sample is its own proof.
    by_step: bool,
    /// An expectation mentions what was there before the warm-up.
    wants_before: bool,
}

impl Proof {
    /// Compiles the expectations.
    ///
    /// # Errors
    /// In words, which one is no expression, or asks for what cannot be there.
    pub(super) fn compile(params: &Params) -> Result<Self, String> {
        let check = &params.manipulation_check;
        let of = |variant| {
            let texts = check.expect.of(variant).iter();
            texts
                .map(|text| compile("manipulation_check.expect", text))
                .collect::<Result<Vec<_>, String>>()
        };
        let (a, b) = (of(Variant::A)?, of(Variant::B)?);
        let mentions = |root: &str| {
            let mut expressions = a.iter().chain(&b);
            expressions.any(|one| one.references().iter().any(|name| name.root() == root))
        };
        let wants_before = mentions("before");
        let by_step = check.uses.is_some();
        if params.warmup == 0 && by_step && (wants_before || mentions("sample")) {
            return Err(
                "`before` and `sample` are what was seen around the warm-up: `warmup:` must not be 0"
                    .to_owned(),
            );
        }
        Ok(Self {
            a,
            b,
            by_step,
            wants_before: wants_before && by_step,
        })
    }

    /// What the step sees before the warm-up, if anything asks for that.
    pub(super) async fn before(
        &self,
        inside: &Inside,
        params: &Params,
        block: usize,
        variant: Variant,
    ) -> Result<Option<Value>, StepError> {
        if !self.wants_before {
            return Ok(None);
        }
        let (output, _) = look(inside, params, block, variant, "before").await?;
        Ok(Some(output))
    }

    /// What the step sees after the warm-up; `None` when no step looks.
    pub(super) async fn by_step(
        &self,
        inside: &Inside,
        params: &Params,
        (block, variant): (usize, Variant),
        before: Option<Value>,
        sample: Option<Value>,
    ) -> Result<Option<Look>, StepError> {
        if !self.by_step {
            return Ok(None);
        }
        let (output, evidence) = look(inside, params, block, variant, "after").await?;
        let mut context = Context::default();
        for (name, value) in [("before", before), ("sample", sample)] {
            if let Some(value) = value {
                context = context.with(name, value);
            }
        }
        Ok(Some(self.judge(block, variant, context, &output, evidence)))
    }

    /// What a sample's own output proves; `None` when a step looks.
    pub(super) fn by_sample(
        &self,
        block: usize,
        variant: Variant,
        output: &Value,
        evidence: &[String],
    ) -> Option<Look> {
        let judged = || {
            self.judge(
                block,
                variant,
                Context::default(),
                output,
                evidence.to_vec(),
            )
        };
        (!self.by_step).then(judged)
    }

    fn judge(
        &self,
        block: usize,
        variant: Variant,
        context: Context,
        output: &Value,
        evidence: Vec<String>,
    ) -> Look {
        let context = context
            .with("variant", json!(variant.key()))
            .with_output(output.clone());
        let expectations = match variant {
            Variant::A => &self.a,
            Variant::B => &self.b,
        };
        let mut holds = true;
        let mut seen = Vec::new();
        for expectation in expectations {
            match expectation.evaluate_bool(&context) {
                Ok(true) => seen.push(describe(expectation, &context, "holds")),
                Ok(false) => {
                    holds = false;
                    seen = vec![describe(expectation, &context, "is false")];
                    break;
                }
                // What cannot be evaluated was not seen.
                Err(error) => {
                    holds = false;
                    seen = vec![error.to_string()];
                    break;
                }
            }
        }
        Look {
            block,
            variant,
            holds,
            seen: seen.join("; "),
            evidence,
        }
    }
}

async fn look(
    inside: &Inside,
    params: &Params,
    block: usize,
    variant: Variant,
    when: &str,
) -> Result<(Value, Vec<String>), StepError> {
    let what = format!("manipulation check of {}", params.variants.of(variant).name);
    let used = params.check_of(variant).ok_or_else(|| {
        StepError::permanent(
            "experiment.check",
            "no step looks whether the setting is active",
        )
    })?;
    let name = inside.name(&format!("check{}{}.{when}", block + 1, variant.key()));
    let inner = inside.step(&used, &name, Slot::Nowhere, None, &what)?;
    let ran = inner.run().await;
    let output = ran.result.map_err(|error| within(error, &what))?;
    let evidence = ran.evidence.into_iter().map(|kept| kept.sha256).collect();
    Ok((output.value, evidence))
}

/// `requests > before.requests is false (requests is 4, before.requests is 4)`.
fn describe(expression: &Expression, context: &Context, verb: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    for reference in expression.references() {
        if let Ok(value) = context.lookup(&reference.path) {
            let text = value.to_string();
            let short: String = text.chars().take(120).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            let line = format!("{} is {short}{more}", display_path(&reference.path));
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
    }
    format!("`{}` {verb} ({})", expression.text(), seen.join(", "))
}
