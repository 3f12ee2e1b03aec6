//! What the drawings are made of, read out of raw records. A record that is missing, too large or of another shape
//! gives `None`, and is never guessed at.

use flowctl_state::run_state::StepRecord;
use flowctl_workflows::plan::PlanStep;
use flowctl_workflows::result::{Evidence, Number};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Page;

/// The largest record that is read for a drawing.
const LARGEST: u64 = 32 << 20;

/// A benchmark of one query, as `trino.benchmark` keeps it.
#[derive(Debug, Deserialize)]
pub(super) struct Benchmark {
    pub(super) name: String,
    pub(super) samples: Vec<Sample>,
}

/// One run of the query.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    pub(super) round: u32,
    pub(super) counts: bool,
    pub(super) query_id: String,
    pub(super) run_time_millis: f64,
    pub(super) queued_millis: f64,
}

/// A load, as `trino.load` keeps it.
#[derive(Debug, Deserialize)]
pub(super) struct Load {
    pub(super) samples_of_the_server: Vec<Reading>,
}

/// What the server counted at one moment.
#[derive(Debug, Deserialize)]
pub(super) struct Reading {
    pub(super) at_millis: f64,
    pub(super) states: std::collections::BTreeMap<String, u64>,
    pub(super) memory_bytes: f64,
}

/// An experiment's samples, as `experiment` keeps them.
#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    /// The names of the variants.
    #[serde(default)]
    pub(super) variants: std::collections::BTreeMap<String, String>,
    /// The unit of each metric.
    #[serde(default)]
    pub(super) units: std::collections::BTreeMap<String, String>,
    pub(super) samples: Vec<Trial>,
}

/// One sample of one variant.
#[derive(Debug, Deserialize)]
pub(super) struct Trial {
    pub(super) variant: String,
    /// Its block, from 0.
    pub(super) block: u64,
    pub(super) warm_up: bool,
    /// Each metric by its name.
    pub(super) values: std::collections::BTreeMap<String, f64>,
}

/// The timed pairs of `s3.select`.
#[derive(Debug, Deserialize)]
pub(super) struct Pairs {
    pub(super) select_ms: Vec<f64>,
    pub(super) plain_ms: Vec<f64>,
}

/// An alert's stages with the moments at which each was reached, as `alert.fires` puts them out.
#[derive(Debug, Deserialize)]
pub(super) struct Alert {
    pub(super) alert: String,
    pub(super) times: std::collections::BTreeMap<String, jiff::Timestamp>,
}

impl Page<'_> {
    /// The steps of a kind that came to a result.
    pub(super) fn measured_by(&self, kind: &str) -> impl Iterator<Item = (&PlanStep, &StepRecord)> {
        self.state.steps().filter(move |(step, record)| {
            step.role.kind() == Some(kind) && record.came_to().is_some()
        })
    }

    /// The records of a step whose names begin so, each with its content if it can be read and has this shape.
    pub(super) fn read<'b, T: DeserializeOwned>(
        &'b self,
        record: &'b StepRecord,
        prefix: &'b str,
    ) -> impl Iterator<Item = (&'b Evidence, Option<T>)> {
        let kept = record.came_to().map_or(&[][..], |result| &result.evidence);
        kept.iter()
            .filter(move |evidence| {
                evidence.name.starts_with(prefix)
                    && evidence.media_type == "application/json"
                    && evidence.bytes <= LARGEST
            })
            .map(|evidence| {
                let content = (self.record)(&evidence.sha256);
                let read = content.and_then(|content| serde_json::from_slice(&content).ok());
                (evidence, read)
            })
    }
}

/// The numbers of a step's finding on this subject.
pub(super) fn numbers<'a>(record: &'a StepRecord, about: &str) -> &'a [Number] {
    let findings = record.came_to().map_or(&[][..], |result| &result.findings);
    findings
        .iter()
        .find(|finding| finding.about == about)
        .map_or(&[][..], |finding| &finding.numbers)
}

/// The value of a target such as `< 2000 ms` or `>= 2.5`; `None` when it is in another unit or in words.
pub(super) fn target(number: &Number) -> Option<f64> {
    let text = number.target.as_deref()?;
    let text = text.trim_start_matches(['<', '>', '=', ' ']);
    let (value, unit) = text.split_once(' ').unwrap_or((text, ""));
    let same = unit.trim() == number.unit || unit.trim().is_empty();
    let value: f64 = value.parse().ok()?;
    same.then_some(value).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(unit: &str, target: &str) -> Number {
        Number {
            name: "n".into(),
            value: 1.0,
            unit: unit.into(),
            interval: None,
            target: Some(target.into()),
            samples: None,
        }
    }

    #[test]
    fn a_target_is_a_line_only_in_the_numbers_own_unit() {
        assert_eq!(target(&number("ms", "< 2000 ms")), Some(2000.0));
        assert_eq!(target(&number("", ">= 2.5")), Some(2.5));
        assert_eq!(target(&number("rows", ">= 3")), Some(3.0));
        assert_eq!(target(&number("ms", "< 2 s")), None);
        assert_eq!(target(&number("rows", "1 to 5")), None);
        assert_eq!(target(&number("", "soon")), None);
    }
}
