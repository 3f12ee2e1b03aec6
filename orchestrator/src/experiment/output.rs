//! What an experiment puts out: the numbers of its report, and all values behind them.

use flowctl_workflows::result::Verdict;
use serde::Serialize;

use super::statistics::{Effect, Operator, Order, Variant};

/// What an experiment came to.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ExperimentOutput {
    /// The name of variant `a`.
    pub a: String,
    /// The name of variant `b`.
    pub b: String,
    /// How the variants took turns.
    pub order: Order,
    /// Samples taken in all, warm-ups too.
    pub samples_taken: u64,
    /// Blocks that were to be.
    pub blocks_planned: u64,
    /// Blocks with all their samples; only these are judged.
    pub blocks_complete: u64,
    /// Whether the variants' settings were seen to be active whenever it was asked.
    pub proven: bool,
    /// Whether all results were the same; `null`: there were none of both variants.
    pub equal: Option<bool>,
    /// Each metric in the order of the parameters.
    pub metrics: Vec<MetricOutput>,
    /// Each claim in the order of the parameters.
    pub hypotheses: Vec<HypothesisOutput>,
    /// Why it ended before all samples were taken.
    pub ended_early: Option<String>,
    /// What was put back at its end; `null`: it changed nothing.
    pub restored: Option<String>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MetricOutput {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Variant `a`.
    pub a: Summary,
    /// Variant `b`.
    pub b: Summary,
}

/// What a metric is for one variant.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// How many samples count.
    pub samples: u64,
    /// Their median.
    pub median: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Those that stand far off; they count all the same.
    pub outliers: Vec<f64>,
    /// All of them with their block, in the order in which they were taken.
    pub values: Vec<(u64, f64)>,
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct HypothesisOutput {
    /// Of which metric.
    pub metric: String,
    /// Which effect.
    pub effect: Effect,
    /// How it is compared.
    pub op: Operator,
    /// With what.
    pub threshold: f64,
    /// What came of it.
    #[schemars(with = "String")]
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// The effect of the medians.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
    /// How surely both ends hold together.
    pub confidence: f64,
    /// The smallest effect that would have been told from none, four times in five.
    pub detectable: Option<f64>,
}

impl MetricOutput {
    /// One of its variants.
    #[must_use]
    pub fn of(&self, variant: Variant) -> &Summary {
        match variant {
            Variant::A => &self.a,
            Variant::B => &self.b,
        }
    }
}
