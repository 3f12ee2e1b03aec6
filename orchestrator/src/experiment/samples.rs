//! What was measured, as it goes into the evidence: every sample, every look, and why it ended.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::{Point, Variant};

/// One sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Its place in the order of all, from 1.
    pub(super) order: u32,
    /// Its block, from 0.
    pub(super) block: usize,
    /// Its variant.
    pub(super) variant: Variant,
    /// It was only to warm up.
    pub(super) warm_up: bool,
    /// What was measured, by metric.
    pub(super) values: IndexMap<String, f64>,
    /// What must be the same for all.
    pub(super) result: Value,
    /// The server's name for it, where the output has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) query_id: Option<String>,
    /// Hashes of the raw records behind it.
    pub(super) evidence: Vec<String>,
}

/// One look at whether a variant's setting is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Look {
    /// In which block, from 0.
    pub(super) block: usize,
    /// Of which variant.
    pub(super) variant: Variant,
    /// Whether all that was expected holds.
    pub(super) holds: bool,
    /// What was seen.
    pub(super) seen: String,
    /// Hashes of the raw records behind it.
    pub(super) evidence: Vec<String>,
}

/// Why measuring ended before all samples were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub(super) enum Ended {
    /// A variant's setting was not seen to be active.
    NotProven {
        /// What was seen.
        reason: String,
    },
    /// A sample was refused, or found wrong by its own kind.
    Wrong {
        /// By whom and why.
        reason: String,
    },
    /// A sample brought nothing that could be judged.
    Nothing {
        /// What is missing.
        reason: String,
    },
    /// The time for it was used up.
    Budget {
        /// In words.
        reason: String,
    },
}

/// Everything that was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Measured {
    /// All samples in order, warm-ups too.
    pub(super) samples: Vec<Sample>,
    /// All looks in order.
    pub(super) looks: Vec<Look>,
    /// Why it ended early, if it did.
    pub(super) ended: Option<Ended>,
}

impl Measured {
    /// Whether what was measured may be judged at all.
    pub(super) fn counts(&self) -> bool {
        matches!(self.ended, None | Some(Ended::Budget { .. }))
            && !self.looks.is_empty()
            && self.looks.iter().all(|look| look.holds)
    }

    /// The values of a metric that are judged: no warm-ups, and only blocks that have all their `samples` of both
    /// variants.
    pub(super) fn points(&self, metric: &str, samples: usize) -> Vec<Point> {
        if !self.counts() {
            return Vec::new();
        }
        let mut taken: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
        let counting = || self.samples.iter().filter(|sample| !sample.warm_up);
        for sample in counting() {
            taken.entry(sample.block).or_default()[sample.variant as usize] += 1;
        }
        counting()
            .filter(|sample| taken[&sample.block].iter().all(|of| *of >= samples))
            .filter_map(|sample| {
                Some(Point {
                    block: sample.block,
                    variant: sample.variant,
                    value: *sample.values.get(metric)?,
                })
            })
            .collect()
    }

    /// The different results, in the order of their appearance, each with how often each variant gave it.
    pub(super) fn results(&self) -> Vec<(&Value, [usize; 2])> {
        let mut found: Vec<(&Value, [usize; 2])> = Vec::new();
        for sample in &self.samples {
            let place = found
                .iter()
                .position(|(result, _)| **result == sample.result)
                .unwrap_or_else(|| {
                    found.push((&sample.result, [0, 0]));
                    found.len() - 1
                });
            found[place].1[sample.variant as usize] += 1;
        }
        found
    }
}
