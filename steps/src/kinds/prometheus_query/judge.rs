//! Pure: which parameters make sense, and the verdict on an answer.

use std::time::Duration;

use flowctl_workflows::result::Verdict;

use super::{Bound, Params};
use crate::clients::prometheus::Presence;
use crate::clients::prometheus::answer::{Reading, Series};

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
}

/// Says why these parameters can never prove anything.
pub(super) fn validate(params: &Params) -> Result<(), String> {
    if params.query.trim().is_empty() {
        return Err("`query` is empty".to_owned());
    }
    if params.min_series == 0 || params.min_samples == 0 {
        return Err(
            "`min_series` and `min_samples` must be at least 1: there is no pass for nothing"
                .to_owned(),
        );
    }
    if params.min_samples > 1 && params.range.is_none() {
        return Err("`min_samples` above 1 needs `range`: now has one sample a series".to_owned());
    }
    if let Some(range) = params.range
        && (range.step.duration().is_zero() || range.last.duration() < range.step.duration())
    {
        return Err("`range` needs a `step` above 0 that is no longer than `last`".to_owned());
    }
    for (name, bound) in [("each", params.each), ("some", params.some)] {
        if bound.is_some_and(|bound| bound.is_empty()) {
            return Err(format!(
                "`{name}` needs one of `above`, `below`, `at_least` and `at_most`"
            ));
        }
    }
    Ok(())
}

impl Bound {
    fn is_empty(&self) -> bool {
        [self.above, self.below, self.at_least, self.at_most]
            .iter()
            .all(Option::is_none)
    }

    fn holds(&self, value: f64) -> bool {
        self.above.is_none_or(|bound| value > bound)
            && self.below.is_none_or(|bound| value < bound)
            && self.at_least.is_none_or(|bound| value >= bound)
            && self.at_most.is_none_or(|bound| value <= bound)
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = [
            (">", self.above),
            ("<", self.below),
            (">=", self.at_least),
            ("<=", self.at_most),
        ]
        .into_iter()
        .filter_map(|(sign, bound)| bound.map(|bound| format!("{sign} {bound}")))
        .collect();
        f.write_str(&parts.join(" and "))
    }
}

/// The series that have samples enough.
pub(super) fn with_samples<'a>(
    params: &'a Params,
    reading: &'a Reading,
) -> impl Iterator<Item = &'a Series> {
    reading
        .series
        .iter()
        .filter(|series| series.values().count() >= params.min_samples)
}

/// The age of the metric that was updated longest ago, of those that have samples.
pub(super) fn age(metrics: &[Presence]) -> Option<f64> {
    metrics
        .iter()
        .filter_map(|metric| metric.age_seconds)
        .reduce(f64::max)
}

/// What the expression reads and does not find.
fn missing(metrics: &[Presence]) -> Vec<String> {
    metrics
        .iter()
        .filter(|metric| !metric.may_be_absent)
        .filter_map(Presence::missing)
        .collect()
}

/// Too little or too old is INCONCLUSIVE, out of bounds FAIL.
pub(crate) fn judge(params: &Params, reading: &Reading, metrics: &[Presence]) -> Judgement {
    let inconclusive = |reason: String| Judgement {
        verdict: Verdict::Inconclusive,
        reason,
    };
    let good: Vec<&Series> = with_samples(params, reading).collect();
    if good.len() < params.min_series {
        return inconclusive(too_few(params, reading, metrics, good.len()));
    }
    let Some(age) = age(metrics) else {
        return inconclusive(
            "the expression reads no metric whose age is known, so it shows nothing of the platform"
                .to_owned(),
        );
    };
    let fresh = params.fresh.duration().as_secs_f64();
    if age > fresh {
        return inconclusive(format!(
            "the newest sample is {age:.1} s old, older than {fresh} s"
        ));
    }
    if let Some(bound) = params.each {
        let wrong = good.iter().find_map(|series| {
            let value = series.values().find(|value| !bound.holds(*value))?;
            Some(format!("{} is {value}, not {bound}", series.name()))
        });
        if let Some(reason) = wrong {
            return Judgement {
                verdict: Verdict::Fail,
                reason,
            };
        }
    }
    let values = || good.iter().flat_map(|series| series.values());
    let (low, high) = (
        values().fold(f64::INFINITY, f64::min),
        values().fold(f64::NEG_INFINITY, f64::max),
    );
    if let Some(bound) = params.some
        && !values().any(|value| bound.holds(value))
    {
        return Judgement {
            verdict: Verdict::Fail,
            reason: format!(
                "none of {} values is {bound}; they lie between {low} and {high}",
                values().count()
            ),
        };
    }
    let mut reason = format!(
        "{} series with {} values between {low} and {high}, the newest sample {age:.1} s old",
        good.len(),
        values().count()
    );
    // Another part of the expression gave the values; that this one gave none is still worth knowing.
    for missing in missing(metrics) {
        reason.push_str(&format!("; but {missing}"));
    }
    Judgement {
        verdict: Verdict::Pass,
        reason,
    }
}

/// Takes a pass back when a sample that it rests on may be from before the step began, `elapsed` ago. Both are told by one clock each,
/// the age by Prometheus', the time that has passed by this machine's, so that the two need not agree.
pub(super) fn only_anew(judgement: &mut Judgement, metrics: &[Presence], elapsed: Duration) {
    let Some(age) = age(metrics).filter(|age| *age >= elapsed.as_secs_f64()) else {
        return;
    };
    if judgement.verdict == Verdict::Pass {
        judgement.verdict = Verdict::Inconclusive;
        judgement.reason = format!(
            "the newest sample is {age:.1} s old, and the step began {:.1} s ago: it was not scraped anew yet",
            elapsed.as_secs_f64()
        );
    }
}

fn too_few(params: &Params, reading: &Reading, metrics: &[Presence], good: usize) -> String {
    let samples = if params.min_samples > 1 {
        format!(" with at least {} samples", params.min_samples)
    } else {
        String::new()
    };
    let counted = format!("{good} of at least {} series{samples}", params.min_series);
    let missing = missing(metrics);
    let why = if !missing.is_empty() {
        missing.join("; ")
    } else if metrics.is_empty() {
        "the expression reads no metric".to_owned()
    } else if reading.series.is_empty() {
        "every metric in it has series, so a comparison or a join left nothing".to_owned()
    } else {
        let has: Vec<String> = reading
            .series
            .iter()
            .take(5)
            .map(|series| format!("{} has {}", series.name(), series.values().count()))
            .collect();
        has.join(", ")
    };
    format!("{counted}: {why}")
}
