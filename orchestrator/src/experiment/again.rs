//! An experiment judged again: each sample from the records of its own kind, then the whole from the samples. Pure.

use flowctl_steps::again::{Again, NotJudged, Records};
use serde::Deserialize;

use super::conclude::conclude;
use super::kind::Kinds;
use super::measure::Questions;
use super::params::Params;
use super::samples::{Ended, Look, Measured, Sample};
use crate::executor::fit;

/// The record of an experiment.
#[derive(Debug, Deserialize)]
struct Recorded {
    samples: Vec<Sample>,
    looks: Vec<Look>,
    ended: Option<Ended>,
    put_back: Option<PutBack>,
}

/// What was put back at its end.
#[derive(Debug, Deserialize)]
struct PutBack {
    detail: Option<String>,
}

/// What the records of an experiment come to.
pub(super) fn judge_again<K: Kinds>(
    params: &Params,
    records: &Records<'_>,
) -> Result<Again, NotJudged> {
    let record = records.json::<Recorded>("experiment.json", |name| name == "experiment.json")?;
    let Recorded {
        samples,
        looks,
        ended,
        put_back,
    } = record.value;
    let measured = Measured {
        samples,
        looks,
        ended,
    };
    check_samples::<K>(params, &measured, records)?;
    let known = put_back.is_some();
    let detail = put_back.and_then(|put_back| put_back.detail);
    let (output, findings) = conclude(params, &measured, detail, record.sha256);
    let value =
        serde_json::to_value(output).map_err(|error| NotJudged::Wrong(error.to_string()))?;
    Ok(Again {
        findings,
        value: known.then_some(value),
    })
}

/// Holds each sample against the records of the step that took it, where its kind can be judged again.
fn check_samples<K: Kinds>(
    params: &Params,
    measured: &Measured,
    records: &Records<'_>,
) -> Result<(), NotJudged> {
    let questions = Questions::compile(params).map_err(NotJudged::Wrong)?;
    let registry = K::registry();
    for sample in &measured.samples {
        let wrong = |why: String| NotJudged::Wrong(format!("sample {}: {why}", sample.order));
        let used = params.sample_of(sample.variant);
        let Some(entry) = registry.get(&used.uses) else {
            continue;
        };
        let mut with = used.with;
        if !with.is_null() {
            fit(&(entry.params_schema)(), &mut with);
        }
        let own = records.only(&sample.evidence);
        let output = match entry.judge_again(&with, &own) {
            Some(Ok(again)) => again.value,
            Some(Err(NotJudged::Wrong(why))) => return Err(wrong(why)),
            // What is not judged again counts as the record of the experiment has it.
            Some(Err(NotJudged::Lacking(_))) | None => None,
        };
        let Some(output) = output else { continue };
        let (values, result) = questions.ask(&output).map_err(wrong)?;
        if values != sample.values || result != sample.result {
            return Err(wrong(format!(
                "its own record comes to {} and {result}, and it is said to be {} and {}",
                serde_json::json!(values),
                serde_json::json!(sample.values),
                sample.result
            )));
        }
    }
    Ok(())
}
