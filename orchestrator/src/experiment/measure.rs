//! Taking the samples, in their order. Judges nothing but whether a sample can be judged.

use flowctl_steps::{Output, StepError};
use flowctl_workflows::context::Context;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::result::{ErrorClass, Verdict};
use indexmap::IndexMap;
use serde_json::Value;

use super::inner::{Inside, Ran};
use super::journal::Slot;
use super::params::Params;
use super::prove::Proof;
use super::samples::{Ended, Measured, Sample};
use super::setting::set_up;
use super::statistics::{Action, Variant, schedule};

/// The expressions of an experiment, compiled once.
pub(super) struct Questions {
    metrics: Vec<(String, Expression)>,
    equal: Expression,
}

/// Takes samples until all are taken or there is no point in more; what was measured so far is in `measured` also
/// when it fails.
pub(super) struct Measuring<'a> {
    pub(super) inside: &'a Inside,
    pub(super) params: &'a Params,
    pub(super) questions: &'a Questions,
    pub(super) proof: &'a Proof,
    pub(super) measured: &'a mut Measured,
}

impl Questions {
    /// Compiles them.
    ///
    /// # Errors
    /// In words, which one is no expression.
    pub(super) fn compile(params: &Params) -> Result<Self, String> {
        let metrics = params
            .metrics
            .iter()
            .map(|metric| Ok((metric.name.clone(), compile("metrics", &metric.value)?)));
        Ok(Self {
            metrics: metrics.collect::<Result<_, String>>()?,
            equal: compile("equal", &params.equal)?,
        })
    }

    /// The metrics of a sample, and what must be the same for all.
    pub(super) fn ask(&self, output: &Value) -> Result<(IndexMap<String, f64>, Value), String> {
        let context = Context::default().with_output(output.clone());
        let mut values = IndexMap::new();
        for (name, expression) in &self.metrics {
            let value = expression
                .evaluate(&context)
                .map_err(|error| error.to_string())?;
            let number = value.as_f64().filter(|number| number.is_finite());
            let number =
                number.ok_or_else(|| format!("`{}` is {value}, no number", expression.text()))?;
            values.insert(name.clone(), number);
        }
        let result = self
            .equal
            .evaluate(&context)
            .map_err(|error| error.to_string())?;
        let nothing = match &result {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        if nothing {
            return Err(format!(
                "`{}` is {result}: there is nothing to compare",
                self.equal.text()
            ));
        }
        Ok((values, result))
    }
}

/// An expression of the parameter `name`.
pub(super) fn compile(name: &str, text: &str) -> Result<Expression, String> {
    Expression::compile(text)
        .map_err(|error| format!("`{name}:` has `{text}`, which is no CEL: {error}"))
}

impl Measuring<'_> {
    /// All of it.
    ///
    /// # Errors
    /// Those of the steps inside that say nothing about the variants: cancelled, no answer.
    pub(super) async fn run(&mut self) -> Result<(), StepError> {
        let begun = self.inside.cx.clock.elapsed();
        let (blocks, samples) = (self.params.blocks as usize, self.params.samples as usize);
        for action in schedule(self.params.order, blocks, samples) {
            let spent = self.inside.cx.clock.elapsed().saturating_sub(begun);
            if spent >= self.params.budget.duration() {
                self.end(Ended::Budget {
                    reason: format!("the budget of {} was used up", self.params.budget),
                });
            }
            if self.measured.ended.is_some() {
                return Ok(());
            }
            match action {
                Action::SetUp(variant) => set_up(self.inside, self.params, variant).await?,
                Action::Prove { block, variant } => self.prove(block, variant).await?,
                Action::Sample { block, variant } => {
                    self.take(block, variant, false).await?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, ended: Ended) {
        self.measured.ended.get_or_insert(ended);
    }

    /// Warms up, and looks whether the variant's setting is active.
    async fn prove(&mut self, block: usize, variant: Variant) -> Result<(), StepError> {
        let before = self
            .proof
            .before(self.inside, self.params, block, variant)
            .await?;
        let mut sample = None;
        for _ in 0..self.params.warmup {
            sample = self.take(block, variant, true).await?;
            if self.measured.ended.is_some() {
                return Ok(());
            }
        }
        let look = self
            .proof
            .by_step(self.inside, self.params, (block, variant), before, sample)
            .await?;
        self.note(look);
        Ok(())
    }

    /// Keeps a look; one that does not hold is the last.
    fn note(&mut self, look: Option<super::samples::Look>) {
        let Some(look) = look else { return };
        if !look.holds {
            let name = &self.params.variants.of(look.variant).name;
            let reason = format!("in block {} of `{name}`: {}", look.block + 1, look.seen);
            self.end(Ended::NotProven { reason });
        }
        self.measured.looks.push(look);
    }

    /// Takes one sample; its output, if it is one.
    async fn take(
        &mut self,
        block: usize,
        variant: Variant,
        warm_up: bool,
    ) -> Result<Option<Value>, StepError> {
        let order = u32::try_from(self.measured.samples.len() + 1).unwrap_or(u32::MAX);
        let name = &self.params.variants.of(variant).name;
        let what = format!(
            "block {} of {}, {name}{}",
            block + 1,
            self.params.blocks,
            if warm_up { ", warm-up" } else { "" }
        );
        self.inside.cx.sink.progress(&what);
        let used = self.params.sample_of(variant);
        let slot = Slot::UnderWay(variant);
        let inner = self.inside.step(
            &used,
            &self.inside.name(&format!("sample{order}")),
            slot,
            None,
            &what,
        )?;
        let Ran { result, evidence } = inner.run().await;
        let evidence: Vec<String> = evidence.into_iter().map(|kept| kept.sha256).collect();
        let output = match result {
            Ok(output) => output,
            Err(error) if matches!(error.class, ErrorClass::Permanent | ErrorClass::TimedOut) => {
                let reason = format!(
                    "sample {order}, of `{name}`, failed: {} ({})",
                    error.message, error.code
                );
                // A baseline that cannot be measured says nothing of the change; a change under which the same work fails does.
                self.end(match variant {
                    Variant::A => Ended::Nothing { reason },
                    Variant::B => Ended::Wrong { reason },
                });
                return Ok(None);
            }
            Err(error) => return Err(super::setting::within(error, &what)),
        };
        if let Some(ended) = doubt(&output, order, name) {
            self.end(ended);
            return Ok(None);
        }
        let (values, result) = match self.questions.ask(&output.value) {
            Ok(answers) => answers,
            Err(reason) => {
                let reason = format!("sample {order}, of `{name}`: {reason}");
                self.end(Ended::Nothing { reason });
                return Ok(None);
            }
        };
        if !warm_up {
            let look = self
                .proof
                .by_sample(block, variant, &output.value, &evidence);
            self.note(look);
        }
        let query_id = output.value.get("query_id").and_then(Value::as_str);
        self.measured.samples.push(Sample {
            order,
            block,
            variant,
            warm_up,
            values,
            result,
            query_id: query_id.map(str::to_owned),
            evidence,
        });
        Ok(Some(output.value))
    }
}

/// What a sample's own kind finds amiss in it.
fn doubt(output: &Output, order: u32, name: &str) -> Option<Ended> {
    let of = |verdict: Verdict| {
        let finding = output
            .findings
            .iter()
            .find(|finding| finding.verdict == verdict)?;
        Some(format!(
            "sample {order}, of `{name}`, is {verdict}: {}",
            finding.reason
        ))
    };
    if let Some(reason) = of(Verdict::Fail) {
        return Some(Ended::Wrong { reason });
    }
    [
        Verdict::Inconclusive,
        Verdict::NotRun,
        Verdict::Inapplicable,
    ]
    .into_iter()
    .find_map(of)
    .map(|reason| Ended::Nothing { reason })
}
