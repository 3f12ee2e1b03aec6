//! What stands under `with:` of an experiment, and what the schema cannot say of it. Pure.

use flowctl_workflows::CriterionId;
use flowctl_workflows::policy::Span;
use serde::Deserialize;
use serde_json::Value;

use super::statistics::{Effect, Hypothesis, Operator, Order, Variant};

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What is done once for each sample, with any step kind. Its output has the metrics.
    #[schemars(extend("format" = "flowctl-step-part"))]
    pub sample: Use,
    /// What is compared.
    pub variants: Variants,
    /// Steps after every change of setting and every putting back, for example a `kube.restart`.
    #[serde(default)]
    pub settle: Vec<Use>,
    /// The proof that a variant's setting is active. It is asked for before samples of the variant count, in each
    /// block; where it does not hold, none of them does.
    pub manipulation_check: ManipulationCheck,
    /// How it is seen that the original setting is back. Needed where a variant has a `change:`.
    #[serde(default)]
    pub restore_check: Option<RestoreCheck>,
    /// Samples of each variant in each block before those that count.
    #[serde(default = "default_warmup")]
    pub warmup: u32,
    /// Samples of each variant in each block.
    #[serde(default = "default_samples")]
    #[schemars(range(min = 1))]
    pub samples: u32,
    /// Blocks: what is slow together. With fewer than 5 nothing is judged.
    #[serde(default = "default_blocks")]
    #[schemars(range(min = 1, max = 1000))]
    pub blocks: u32,
    /// How the variants take turns.
    #[serde(default = "default_order")]
    pub order: Order,
    /// What is measured of each sample.
    #[schemars(length(min = 1))]
    pub metrics: Vec<Metric>,
    /// CEL over a sample's output: what must be the same for all samples, for example `fingerprint`.
    #[schemars(extend("format" = "flowctl-expression", "flowctl-output-of" = ["/sample/uses"]))]
    pub equal: String,
    /// What is claimed.
    #[serde(default)]
    pub hypotheses: Vec<Claim>,
    /// When this time is used up, no further sample is taken; blocks that are not complete by then do not count.
    #[serde(default = "default_budget")]
    pub budget: Span,
}

fn default_warmup() -> u32 {
    1
}

fn default_samples() -> u32 {
    3
}

fn default_blocks() -> u32 {
    8
}

fn default_order() -> Order {
    Order::Interleaved
}

fn default_budget() -> Span {
    Span::from_secs(1800)
}

/// A use of a step kind.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("format" = "flowctl-step"))]
pub struct Use {
    /// The step kind.
    pub uses: String,
    /// Its parameters.
    #[serde(default)]
    pub with: Value,
}

/// The two variants. The effect is that of going from `a` to `b`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variants {
    /// What is compared with.
    pub a: VariantParams,
    /// What is examined.
    pub b: VariantParams,
}

/// One variant: parameters, a change of setting, or both; or neither, for the setting as it is.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantParams {
    /// Its name in the report.
    pub name: String,
    /// Merged into the `with:` of `sample`, objects key by key.
    #[serde(default)]
    pub with: Value,
    /// Merged into the `with:` of `manipulation_check`.
    #[serde(default)]
    pub check_with: Value,
    /// Makes the variant's setting the active one. Its undo puts it back, whatever happens. Needs `order: abba`.
    #[serde(default)]
    pub change: Option<Use>,
}

/// The proof that a setting is active.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("format" = "flowctl-step-part"))]
pub struct ManipulationCheck {
    /// The step kind that looks; left out: each sample's own output is the proof.
    #[serde(default)]
    pub uses: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub with: Value,
    /// What must hold.
    pub expect: Expectations,
}

/// CEL over what was seen: the output's fields, `output`; where a step kind looks also `before`, what it saw before
/// the warm-up, and `sample`, the output of the last warm-up.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// For `a`.
    #[schemars(extend("format" = "flowctl-expression", "flowctl-output-of" = ["/manipulation_check/uses", "/sample/uses"], "flowctl-other-names" = ["before", "sample", "variant"]))]
    pub a: OneOrMore<String>,
    /// For `b`.
    #[schemars(extend("format" = "flowctl-expression", "flowctl-output-of" = ["/manipulation_check/uses", "/sample/uses"], "flowctl-other-names" = ["before", "sample", "variant"]))]
    pub b: OneOrMore<String>,
}

/// How it is seen that the original setting is back.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("format" = "flowctl-step"))]
pub struct RestoreCheck {
    /// The step kind that looks.
    pub uses: String,
    /// Its parameters.
    #[serde(default)]
    pub with: Value,
    /// CEL over its output: what must be afterwards as it was before the first change.
    #[schemars(extend("format" = "flowctl-expression", "flowctl-output-of" = ["/restore_check/uses"]))]
    pub same: String,
}

/// One thing that is measured.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name, for example `time`.
    pub name: String,
    /// Its unit, for example `ms`.
    #[serde(default)]
    pub unit: String,
    /// CEL over a sample's output, for example `stats.physical_input_bytes`.
    #[schemars(extend("format" = "flowctl-expression", "flowctl-output-of" = ["/sample/uses"]))]
    pub value: String,
}

/// A claim about the effect of going from `a` to `b`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Of which metric.
    pub metric: String,
    /// Which effect: `speedup` is a/b, `reduction` is 1 - b/a, `difference` is b - a, of the medians.
    pub effect: Effect,
    /// How it compares with the threshold.
    pub op: Operator,
    /// With what.
    pub threshold: f64,
    /// The criteria that it proves; left out: those of the step.
    #[serde(default)]
    pub proves: OneOrMore<CriterionName>,
}

/// A criterion's id.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct CriterionName(#[schemars(with = "String")] pub CriterionId);

/// One, or several.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// Several.
    Several(Vec<T>),
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl<T> OneOrMore<T> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
        .iter()
    }
}

impl Claim {
    /// Without the metric.
    #[must_use]
    pub fn hypothesis(&self) -> Hypothesis {
        Hypothesis {
            operator: self.op,
            threshold: self.threshold,
        }
    }

    /// The criteria that it proves.
    #[must_use]
    pub fn criteria(&self) -> Vec<CriterionId> {
        self.proves.iter().map(|name| name.0.clone()).collect()
    }
}

impl Variants {
    /// The one that is meant.
    #[must_use]
    pub fn of(&self, variant: Variant) -> &VariantParams {
        match variant {
            Variant::A => &self.a,
            Variant::B => &self.b,
        }
    }
}

impl Expectations {
    /// Those of a variant.
    #[must_use]
    pub fn of(&self, variant: Variant) -> &OneOrMore<String> {
        match variant {
            Variant::A => &self.a,
            Variant::B => &self.b,
        }
    }
}

impl Params {
    /// What does not fit together, in words.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), String> {
        let Variants { a, b } = &self.variants;
        if a.name == b.name {
            return Err(format!("both variants are called `{}`", a.name));
        }
        let changes = a.change.is_some() || b.change.is_some();
        let differ =
            changes || merged(&self.sample.with, &a.with) != merged(&self.sample.with, &b.with);
        if !differ {
            return Err("the variants do not differ: give one a `with:` or a `change:`".to_owned());
        }
        if changes && self.order == Order::Interleaved {
            return Err("a variant with a `change:` needs `order: abba`".to_owned());
        }
        if changes && self.restore_check.is_none() {
            return Err(
                "a `change:` needs a `restore_check:`, to see that it was put back".to_owned(),
            );
        }
        if self.samples == 0 || self.blocks == 0 || self.metrics.is_empty() {
            return Err("`samples:`, `blocks:` and `metrics:` must not be empty".to_owned());
        }
        for variant in Variant::BOTH {
            if self
                .manipulation_check
                .expect
                .of(variant)
                .iter()
                .next()
                .is_none()
            {
                let key = variant.key();
                return Err(format!(
                    "`manipulation_check.expect.{key}:` expects nothing"
                ));
            }
        }
        for (at, metric) in self.metrics.iter().enumerate() {
            let name = &metric.name;
            if self.metrics[..at].iter().any(|other| other.name == *name) {
                return Err(format!("two metrics are called `{name}`"));
            }
        }
        for claim in &self.hypotheses {
            if !self
                .metrics
                .iter()
                .any(|metric| metric.name == claim.metric)
            {
                return Err(format!(
                    "there is no metric `{}` to claim anything of",
                    claim.metric
                ));
            }
            if !claim.threshold.is_finite() {
                return Err("a `threshold:` must be a finite number".to_owned());
            }
        }
        Ok(())
    }

    /// The steps inside, with what they are for.
    pub fn inner_steps(&self) -> Vec<(&'static str, Use)> {
        let mut steps = vec![];
        for variant in Variant::BOTH {
            let own = self.variants.of(variant);
            steps.push(("sample", self.sample_of(variant)));
            steps.extend(own.change.clone().map(|change| ("change", change)));
            steps.extend(
                self.check_of(variant)
                    .map(|check| ("manipulation_check", check)),
            );
        }
        steps.extend(self.settle.iter().cloned().map(|settle| ("settle", settle)));
        steps.extend(self.restore_check.iter().map(|check| {
            let (uses, with) = (check.uses.clone(), check.with.clone());
            ("restore_check", Use { uses, with })
        }));
        steps
    }

    /// What is done for a sample of a variant.
    #[must_use]
    pub fn sample_of(&self, variant: Variant) -> Use {
        Use {
            uses: self.sample.uses.clone(),
            with: merged(&self.sample.with, &self.variants.of(variant).with),
        }
    }

    /// What looks whether a variant's setting is active, if a step kind does.
    #[must_use]
    pub fn check_of(&self, variant: Variant) -> Option<Use> {
        let check = &self.manipulation_check;
        Some(Use {
            uses: check.uses.clone()?,
            with: merged(&check.with, &self.variants.of(variant).check_with),
        })
    }
}

/// `base` with `more` on top, objects key by key; `null` takes nothing away.
#[must_use]
pub(super) fn merged(base: &Value, more: &Value) -> Value {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            let mut all = base.clone();
            for (key, value) in more {
                let before = all.get(key).cloned().unwrap_or(Value::Null);
                all.insert(key.clone(), merged(&before, value));
            }
            Value::Object(all)
        }
        (base, Value::Null) => base.clone(),
        (_, more) => more.clone(),
    }
}
