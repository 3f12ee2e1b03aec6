//! A finished step judged again: its kind from the raw records that it kept, its `expect:` from its output, by the code
//! that judged in the run. Pure; needs no platform and no secret.

use std::collections::HashMap;

use flowctl_state::run_state::{RunState, StepResult};
use flowctl_steps::Output;
use flowctl_steps::again::{NotJudged, Records};
use flowctl_steps::registry::{KindEntry, Registry};
use flowctl_workflows::context::Context;
use flowctl_workflows::plan::PlanStep;
use flowctl_workflows::result::{Finding, output_in_rehearsal};
use flowctl_workflows::template;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::expectation::Expectation;
use super::prepare::context;

/// The record of what a measuring step was asked, without which nothing that it found could be judged again.
pub(super) const PARAMETERS: &str = "parameters.json";
/// Its format.
pub(super) const PARAMETERS_FORMAT: u16 = 1;

/// What a step's records come to.
pub(crate) struct Judged {
    /// Its findings, as they should be.
    pub(crate) findings: Vec<Finding>,
    /// Its output, as it should be; `None`: the records do not hold it.
    pub(crate) output: Option<Value>,
    /// Whether the findings of its kind were worked out from the records, and if not, why. Then they stand in `findings` as
    /// the run has them, and only what `expect:` found is new.
    pub(crate) by_records: Result<(), NotJudged>,
}

/// Judges a step's result again. `records` are those of its last attempt.
///
/// # Errors
/// In words, when what the step found can not have been found: its result contradicts its expectations.
pub(crate) fn judge_again(
    registry: &Registry,
    state: &RunState,
    place: u32,
    result: &StepResult,
    records: &Records<'_>,
) -> Result<Judged, String> {
    let spec = &state.plan.steps[place as usize];
    let rehearsal = state.plan.is_rehearsal();
    let as_it_is = |why| Judged {
        findings: result.findings.clone(),
        output: None,
        by_records: Err(NotJudged::Lacking(why)),
    };
    let Some(entry) = spec.role.kind().and_then(|kind| registry.get(kind)) else {
        return Ok(as_it_is("this flowctl has no such step kind".to_owned()));
    };
    let of_expectations = spec.expect.iter().chain(&spec.inapplicable);
    if of_expectations
        .into_iter()
        .any(|text| text.contains("flowctl."))
    {
        let why = "its `expect:` asks for a fact of the machine that it ran on";
        return Ok(as_it_is(why.to_owned()));
    }
    let context = context(&HashMap::new(), &Map::new(), state, spec);
    let asked = asked(entry, spec, &context, records);
    let again = asked.and_then(|(with, records)| match entry.judge_again(&with, &records) {
        Some(again) => again,
        None if entry.info.measures => Err(NotJudged::Lacking(format!(
            "what {} finds is not judged again yet",
            entry.info.name
        ))),
        None => Err(NotJudged::Lacking(
            "what `expect:` says of the output was judged again; the output is as the events have it".to_owned(),
        )),
    });
    let (mut output, known, by_records) = match again {
        Ok(again) => {
            let known = again.value.map(|mut value| {
                if rehearsal {
                    output_in_rehearsal(&mut value);
                }
                value
            });
            let output = Output {
                value: known.clone().unwrap_or_else(|| result.output.clone()),
                findings: again.findings,
            };
            (output, known, Ok(()))
        }
        // What doubles say is changed on its way into the run, so that the way cannot be gone again from there.
        Err(why) if rehearsal => {
            return Ok(Judged {
                findings: result.findings.clone(),
                output: None,
                by_records: Err(why),
            });
        }
        Err(why) => {
            let own = result
                .findings
                .iter()
                .filter(|finding| !is_expected(spec, finding, result));
            let output = Output {
                value: result.output.clone(),
                findings: own.cloned().collect(),
            };
            (output, None, Err(why))
        }
    };
    Expectation::of(spec, &context)
        .and_then(|expectation| expectation.judge(&mut output))
        .map_err(|failure| failure.message)?;
    // What an expectation says rests on whatever the attempt kept; an earlier flowctl left that out.
    for (place, finding) in output.findings.iter_mut().enumerate() {
        let named = result.findings.get(place);
        if finding.evidence.is_empty() && named.is_some_and(|named| !named.evidence.is_empty()) {
            finding.evidence = kept(result).map(str::to_owned).collect();
        }
    }
    let findings = output.findings.into_iter();
    Ok(Judged {
        findings: match rehearsal {
            true => findings.map(Finding::in_rehearsal).collect(),
            false => findings.collect(),
        },
        output: known,
        by_records,
    })
}

/// Whether a finding is that of the step's own expressions, and not of its kind.
fn is_expected(spec: &PlanStep, finding: &Finding, result: &StepResult) -> bool {
    let on_all = finding.evidence.is_empty() || kept(result).eq(&finding.evidence);
    let plain = finding.numbers.is_empty() && on_all;
    let expected = finding.about == spec.expect.join(" and ");
    plain && (expected || spec.inapplicable.as_ref() == Some(&finding.about))
}

/// The hashes of all that the attempt kept.
fn kept(result: &StepResult) -> impl Iterator<Item = &str> {
    result.evidence.iter().map(|kept| &*kept.sha256)
}

/// What the step was asked, as its record has it.
#[derive(Deserialize)]
struct Asked {
    format: u16,
    kind: String,
    with: Value,
    records: Vec<String>,
}

/// The parameters that the step ran with and the records that its kind kept. A run of before they were kept has the
/// parameters in its plan, and its templates are rendered again from the run's own outputs.
fn asked<'a>(
    entry: &KindEntry,
    spec: &PlanStep,
    context: &Context,
    records: &Records<'a>,
) -> Result<(Value, Records<'a>), NotJudged> {
    let kept = records.json::<Asked>("of its parameters", |name| name == PARAMETERS);
    match kept {
        Ok(kept) if kept.value.format > PARAMETERS_FORMAT => Err(NotJudged::Lacking(
            "a newer flowctl kept its records".to_owned(),
        )),
        Ok(kept) if kept.value.kind != entry.info.name => Err(NotJudged::Wrong(format!(
            "its parameters are said to be those of {}",
            kept.value.kind
        ))),
        Ok(kept) => {
            let own = records.only(&kept.value.records);
            Ok((kept.value.with, own))
        }
        Err(NotJudged::Lacking(_)) => Ok((with(entry, &spec.with, context)?, records.clone())),
        Err(wrong) => Err(wrong),
    }
}

fn with(entry: &KindEntry, with: &Value, context: &Context) -> Result<Value, NotJudged> {
    let mut with = template::render(with, context).map_err(|error| {
        NotJudged::Lacking(format!("its parameters were not kept, and {error}"))
    })?;
    if !with.is_null() {
        super::fit(&(entry.params_schema)(), &mut with);
    }
    Ok(with)
}
