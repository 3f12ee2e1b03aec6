//! The verdict on one query's samples. Pure.

use std::collections::BTreeSet;

use flowctl_workflows::result::{Finding, Number, Verdict};

use super::{Case, CaseOutput, Measured, Sample};
use crate::clients::trino::calibration::Calibration;
use crate::statistics::Percentile;

/// The verdict: FAIL when a run failed, returned too few rows or other rows than the rest; else as the targets say.
pub(super) fn judge(case: &Case, measured: &Measured, forwarded: bool) -> Finding {
    let times = sorted(measured, |sample| sample.run_time_millis);
    let mut verdicts = trouble(case, measured);
    for (p, target) in case.sla.targets() {
        if let (Some(target), Some(percentile)) = (target, Percentile::of(&times, p)) {
            verdicts.push(percentile.judge(target, "ms"));
        }
    }
    if times.is_empty() {
        verdicts.push((Verdict::Inconclusive, "no run was measured".to_owned()));
    } else if verdicts.is_empty() {
        verdicts.push((
            Verdict::Pass,
            format!(
                "{} runs, all with the rows asked for; no target is set",
                times.len()
            ),
        ));
    }
    let verdict = verdicts
        .iter()
        .fold(Verdict::Pass, |worst, (verdict, _)| worst.worst(*verdict));
    // What does not bear on the verdict is not its reason.
    let mut reasons: Vec<String> = verdicts
        .into_iter()
        .filter(|(one, _)| *one == verdict)
        .map(|(_, reason)| reason)
        .collect();
    if forwarded {
        reasons.push("Trino was reached through a port-forward".to_owned());
    }
    Finding {
        about: case.name.clone(),
        proves: case.proves.list(),
        verdict,
        reason: reasons.join("; "),
        numbers: numbers(case, measured, &times),
        evidence: Vec::new(),
    }
}

/// What is wrong with the runs themselves, whatever time they took.
fn trouble(case: &Case, measured: &Measured) -> Vec<(Verdict, String)> {
    let mut found = Vec::new();
    if let Some(failure) = &measured.failure {
        found.push((Verdict::Fail, failure.clone()));
    }
    let samples = &measured.samples;
    if let Some(sample) = samples
        .iter()
        .find(|sample| !case.rows.hold(sample.row_count))
    {
        let what = if sample.row_count == 0 {
            "empty result: "
        } else {
            ""
        };
        found.push((
            Verdict::Fail,
            format!(
                "{what}query {} returned {} rows, asked for {}",
                sample.query_id, sample.row_count, case.rows
            ),
        ));
    }
    if let Some(bounds) = case.processed_rows {
        let seen = |sample: &&Sample| !bounds.hold(sample.stats.processed_rows);
        if let Some(sample) = samples.iter().find(seen) {
            let rows = sample.stats.processed_rows;
            found.push((
                Verdict::Fail,
                format!(
                    "query {} went through {rows} rows, asked for {bounds}",
                    sample.query_id
                ),
            ));
        }
    }
    let different: BTreeSet<&str> = samples
        .iter()
        .map(|sample| sample.fingerprint.as_str())
        .collect();
    if case.deterministic && different.len() > 1 {
        let reason = format!(
            "{} runs returned {} different results; set `deterministic: false` if they may",
            samples.len(),
            different.len()
        );
        found.push((Verdict::Fail, reason));
    }
    found
}

/// The samples that count, in ascending order.
fn sorted<T: Into<Option<u64>>>(measured: &Measured, of: impl Fn(&Sample) -> T) -> Vec<f64> {
    let mut values: Vec<f64> = measured
        .samples
        .iter()
        .filter(|sample| sample.counts)
        .filter_map(|sample| of(sample).into())
        .map(|value| value as f64)
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

fn numbers(case: &Case, measured: &Measured, times: &[f64]) -> Vec<Number> {
    let mut numbers: Vec<Number> = case
        .sla
        .targets()
        .into_iter()
        .filter_map(|(p, target)| Some(Percentile::of(times, p)?.number("ms", target)))
        .collect();
    let mut beside = |name: &str, value: Option<f64>, unit: &str| {
        if let Some(value) = value {
            numbers.push(Number {
                name: name.to_owned(),
                value,
                unit: unit.to_owned(),
                interval: None,
                target: None,
                samples: None,
            });
        }
    };
    let median = |values: Vec<f64>| Percentile::of(&values, 0.5).map(|median| median.estimate);
    beside(
        "cold (first run)",
        measured
            .samples
            .first()
            .map(|sample| sample.run_time_millis as f64),
        "ms",
    );
    beside(
        "queued p50",
        median(sorted(measured, |sample| sample.queued_millis)),
        "ms",
    );
    beside(
        "client p50",
        median(sorted(measured, |sample| sample.client_wall_millis)),
        "ms",
    );
    beside(
        "client's own work p50",
        // Records of an older flowctl do not have it.
        median(sorted(measured, |sample| sample.client_own_micros)).map(|micros| micros / 1e3),
        "ms",
    );
    beside(
        "rows",
        measured
            .samples
            .last()
            .map(|sample| sample.row_count as f64),
        "rows",
    );
    beside(
        "rows processed",
        measured
            .samples
            .last()
            .map(|sample| sample.stats.processed_rows as f64),
        "rows",
    );
    numbers.extend(measured.calibration.iter().flat_map(Calibration::numbers));
    numbers
}

/// The same for expressions of later steps.
pub(super) fn summary(case: &Case, measured: &Measured, verdict: Verdict) -> CaseOutput {
    let times = sorted(measured, |sample| sample.run_time_millis);
    let at =
        |values: &[f64], p: f64| Percentile::of(values, p).map(|percentile| percentile.estimate);
    CaseOutput {
        name: case.name.clone(),
        verdict: verdict.to_string(),
        samples: times.len() as u64,
        cold_millis: measured
            .samples
            .first()
            .map(|sample| sample.run_time_millis),
        p50_millis: at(&times, 0.5),
        p90_millis: at(&times, 0.9),
        p95_millis: at(&times, 0.95),
        p99_millis: at(&times, 0.99),
        queued_p50_millis: at(&sorted(measured, |sample| sample.queued_millis), 0.5),
        row_count: measured.samples.last().map(|sample| sample.row_count),
        error: measured.failure.clone(),
    }
}
