//! What a step can come to. `state` stores these words, `steps` says them, and neither sees the
//! other, so they live here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::CriterionId;

/// How a step ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did, or measured, what it was asked to, whatever the verdict.
    Succeeded,
    /// It could not.
    Failed,
    /// It was not started, because of its condition or of a step that it needs.
    Skipped,
    /// It was stopped on request.
    Cancelled,
}

/// What was found out about a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Verdict {
    /// Measured, and it holds.
    #[serde(rename = "PASS")]
    Pass,
    /// Measured, and it does not hold.
    #[serde(rename = "FAIL")]
    Fail,
    /// Too little evidence for either.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// The platform cannot do it, with proof.
    #[serde(rename = "INAPPLICABLE")]
    Inapplicable,
    /// Nothing tried to measure it.
    #[serde(rename = "NOT RUN")]
    NotRun,
}

impl Verdict {
    /// The place in the order of gravity: FAIL, INCONCLUSIVE, NOT RUN, INAPPLICABLE, PASS.
    fn gravity(self) -> u8 {
        match self {
            Verdict::Fail => 4,
            Verdict::Inconclusive => 3,
            Verdict::NotRun => 2,
            Verdict::Inapplicable => 1,
            Verdict::Pass => 0,
        }
    }

    /// The graver of two verdicts. A criterion's verdict is the worst of those that prove it.
    #[must_use]
    pub fn worst(self, other: Verdict) -> Verdict {
        if other.gravity() > self.gravity() {
            other
        } else {
            self
        }
    }

    /// The word that reports show.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Inapplicable => "INAPPLICABLE",
            Verdict::NotRun => "NOT RUN",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an attempt failed, in the one respect that decides whether it is tried again.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The platform did not answer, or said that it is busy: the same request may work later.
    Transient,
    /// The same request will fail again.
    Permanent,
    /// The attempt used up its time.
    TimedOut,
    /// Someone asked for it to stop.
    Cancelled,
    /// It cannot be known whether the effect happened.
    Lost,
}

/// A failed attempt, as it is stored and shown. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Decides whether the attempt is repeated.
    pub class: ErrorClass,
    /// Stable and searchable, for example `trino.TABLE_NOT_FOUND` or `kube.too_few_matches`.
    pub code: String,
    /// One sentence: what happened to what.
    pub message: String,
    /// What the reader can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A raw record, kept by the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Evidence {
    /// What it is, for people, for example `query-20261123_093012_00004_x7k2p.json`.
    pub name: String,
    /// SHA-256 of the content in lower-case hexadecimal.
    pub sha256: String,
    /// For example `application/json`.
    pub media_type: String,
    /// Length of the content in bytes.
    pub bytes: u64,
}

/// A measured number with what it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Number {
    /// For example `p95`.
    pub name: String,
    /// The estimate.
    pub value: f64,
    /// `s`, `ms`, `bytes`, `rows`, … or empty for a count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Lower and upper end of the confidence interval; `None` in place of an end that the samples cannot bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// The target in words, for example `< 2 s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many samples stand behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}

/// A two-sided confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Interval {
    /// Lower end, if the samples bound it.
    pub low: Option<f64>,
    /// Upper end, if the samples bound it.
    pub high: Option<f64>,
    /// For example 0.95.
    pub confidence: f64,
}

/// One thing that a step found out, with its verdict and the evidence that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was examined, for example `simple_aggregation p95`.
    pub about: String,
    /// The criteria that it proves; empty: those that the step's own `proves:` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<CriterionId>,
    /// Never [`Verdict::NotRun`]: a step that did not look has no finding.
    pub verdict: Verdict,
    /// Why this verdict, in one sentence with the decisive numbers.
    pub reason: String,
    /// The numbers behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<Number>,
    /// Hashes of the raw records behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// Why nothing in a rehearsal is green.
pub const UNMEASURED: &str = "rehearsal: nothing real was measured";

impl Verdict {
    /// What a verdict comes to in a rehearsal. Doubles prove nothing of a platform, neither that it does what is asked nor
    /// that it cannot; that something fails, they show.
    #[must_use]
    pub fn in_rehearsal(self) -> Self {
        match self {
            Self::Pass | Self::Inapplicable => Self::Inconclusive,
            Self::Fail | Self::Inconclusive | Self::NotRun => self,
        }
    }
}

/// The words of the verdicts that doubles cannot give, each where it stands by itself in a step's output or record: there
/// too nothing is green in a rehearsal.
pub fn output_in_rehearsal(value: &mut Value) {
    match value {
        Value::String(text) if text == "PASS" || text == "INAPPLICABLE" => {
            "INCONCLUSIVE".clone_into(text);
        }
        Value::Object(fields) => fields.values_mut().for_each(output_in_rehearsal),
        Value::Array(items) => items.iter_mut().for_each(output_in_rehearsal),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Finding {
    /// The finding as it stands when doubles gave it. The only place where a rehearsal's findings are decided: what goes into
    /// the state has been through here, so no report can say more.
    #[must_use]
    pub fn in_rehearsal(mut self) -> Self {
        let verdict = self.verdict.in_rehearsal();
        if verdict != self.verdict {
            self.reason = format!("{UNMEASURED} ({})", self.reason);
            self.verdict = verdict;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_prove_nothing_but_a_failure() {
        let finding = |verdict| Finding {
            about: "x".into(),
            proves: Vec::new(),
            verdict,
            reason: "so it is".into(),
            numbers: Vec::new(),
            evidence: Vec::new(),
        };
        for verdict in [Verdict::Pass, Verdict::Inapplicable] {
            let found = finding(verdict).in_rehearsal();
            assert_eq!(found.verdict, Verdict::Inconclusive);
            assert_eq!(
                found.reason,
                "rehearsal: nothing real was measured (so it is)"
            );
        }
        for verdict in [Verdict::Fail, Verdict::Inconclusive] {
            assert_eq!(finding(verdict).in_rehearsal(), finding(verdict));
        }
    }

    #[test]
    fn the_worst_verdict_wins_in_the_documented_order() {
        use Verdict::{Fail, Inapplicable, Inconclusive, NotRun, Pass};
        let order = [Pass, Inapplicable, NotRun, Inconclusive, Fail];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(a.worst(*b), order[i.max(j)], "{a} and {b}");
            }
        }
    }
}
