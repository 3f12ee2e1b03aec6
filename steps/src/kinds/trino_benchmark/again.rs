//! The verdicts of a benchmark from its records. Pure.

use serde::Deserialize;

use super::{BenchmarkOutput, Measured, Params, Sample, verdict};
use crate::again::{self, Again, NotJudged, Records};
use crate::clients::trino::calibration::Calibration;

/// The record of one query.
#[derive(Debug, Deserialize)]
struct Recorded {
    port_forwarded: bool,
    samples: Vec<Sample>,
    error: Option<String>,
    #[serde(default)]
    calibration: Option<Calibration>,
}

pub(super) fn judge(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let mut output = BenchmarkOutput {
        queries: Vec::new(),
        port_forwarded: false,
        calibration: None,
    };
    let mut findings = Vec::new();
    for case in &params.queries {
        let file = format!("benchmark-{}.json", case.name);
        let record = records.json::<Recorded>(&file, |name| name == file)?;
        let Recorded {
            port_forwarded,
            samples,
            error,
            calibration,
        } = record.value;
        for sample in &samples {
            check(params, sample)?;
        }
        output.port_forwarded |= port_forwarded;
        output.calibration = calibration;
        let measured = Measured {
            calibration,
            samples,
            failure: error,
        };
        let mut finding = verdict::judge(case, &measured, port_forwarded);
        finding.evidence.push(record.sha256.to_owned());
        let summary = verdict::summary(case, &measured, finding.verdict);
        output.queries.push(summary);
        findings.push(finding);
    }
    Ok(Again {
        findings,
        value: again::output(output)?,
    })
}

/// Whether what is judged of a sample is what the server's own statistics say.
fn check(params: &Params, sample: &Sample) -> Result<(), NotJudged> {
    let Sample {
        round,
        counts,
        query_id,
        run_time_millis,
        queued_millis,
        stats,
        ..
    } = sample;
    let as_counted = *run_time_millis == stats.run_time_millis()
        && *queued_millis == stats.queued_time_millis
        && *counts == (*round > params.warmup);
    if as_counted {
        return Ok(());
    }
    Err(NotJudged::Wrong(format!(
        "in round {round} query {query_id} is said to have run for {run_time_millis} ms after {queued_millis} ms in the \
         queue, and its own statistics say {} and {}",
        stats.run_time_millis(),
        stats.queued_time_millis
    )))
}
