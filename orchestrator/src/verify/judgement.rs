//! Every number against its raw record: what each step found is worked out again from the records that it kept, by the code
//! of its kind that judged in the run.

use std::collections::BTreeMap;

use flowctl_state::run_state::{RunState, StepResult};
use flowctl_steps::again::{NotJudged, Records};
use flowctl_steps::registry::Registry;
use flowctl_workflows::plan::PlanStep;
use serde::Serialize;
use serde_json::{Value, json};

use super::difference::of_values;
use super::folder::Folder;
use super::outcome::{Disagreement, Verification};
use crate::executor::judge_again;

/// How far the numbers were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Numbers that were worked out again from their raw records.
    pub judged_again: usize,
    /// Numbers whose records were only held against their hashes.
    pub by_hash_only: usize,
    /// Findings that were worked out again from raw records, with numbers or without.
    pub findings_judged_again: usize,
    /// Findings that were not.
    pub findings_by_hash_only: usize,
    /// Which these are, and why.
    pub kinds: Vec<ByHashOnly>,
}

/// Findings that were not judged again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByHashOnly {
    /// The kind of their steps.
    pub kind: String,
    /// The steps.
    pub steps: Vec<String>,
    /// How many findings.
    pub findings: usize,
    /// How many numbers they have.
    pub numbers: usize,
    /// Why.
    pub why: String,
}

/// Judges every step again that found something.
pub(super) fn check(
    folder: &Folder,
    registry: &Registry,
    state: &RunState,
    found: &mut Verification,
) {
    let mut numbers = Numbers::default();
    let mut left: BTreeMap<(String, String), ByHashOnly> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for (place, (step, record)) in (0u32..).zip(state.steps()) {
        let Some(result) = record.result.as_deref() else {
            continue;
        };
        if result.findings.is_empty() {
            continue;
        }
        let read = |hash: &str| folder.whole(hash);
        let records = Records::new(&result.evidence, &read);
        let judged = match judge_again(registry, state, place, result, &records) {
            Ok(judged) => judged,
            Err(why) => {
                disagreements.push(impossible(step, &why));
                continue;
            }
        };
        let here = result.findings.iter().map(|finding| finding.numbers.len());
        let here: usize = here.sum();
        match judged.by_records {
            Ok(()) => {
                numbers.judged_again += here;
                numbers.findings_judged_again += result.findings.len();
            }
            Err(NotJudged::Wrong(why)) => disagreements.push(impossible(step, &why)),
            Err(NotJudged::Lacking(why)) => {
                numbers.by_hash_only += here;
                numbers.findings_by_hash_only += result.findings.len();
                let kind = step.role.kind().unwrap_or_default().to_owned();
                let of = left
                    .entry((kind.clone(), why.clone()))
                    .or_insert_with(|| ByHashOnly {
                        kind,
                        steps: Vec::new(),
                        findings: 0,
                        numbers: 0,
                        why,
                    });
                of.steps.push(step.id.to_string());
                of.findings += result.findings.len();
                of.numbers += here;
            }
        }
        disagreements.extend(differences(
            step,
            result,
            json!(judged.findings),
            judged.output,
        ));
    }
    numbers.kinds = left.into_values().collect();
    let all = numbers.findings_judged_again + numbers.findings_by_hash_only;
    found.check("findings judged again", all, disagreements);
    found.numbers = Some(numbers);
}

/// Where a step's findings and its output are not what its records come to.
fn differences(
    step: &PlanStep,
    result: &StepResult,
    findings: Value,
    output: Option<Value>,
) -> Vec<Disagreement> {
    let of_findings = of_values(&findings, &json!(result.findings));
    let of_output = output.map(|output| of_values(&output, &result.output));
    let all = of_findings
        .into_iter()
        .map(|difference| ("findings", difference))
        .chain(
            of_output
                .into_iter()
                .flatten()
                .map(|difference| ("output", difference)),
        );
    all.map(|(what, difference)| {
        let place = difference.place;
        let dot = if place.is_empty() || place.starts_with('[') { "" } else { "." };
        Disagreement {
            file: "events.jsonl".to_owned(),
            place: format!("step {}: {what}{dot}{place}", step.id),
            expected: difference.expected,
            found: difference.found,
            means: "the step's raw records come to something else by the rules of its kind: the run's events were rewritten, \
                 or another version of flowctl judged by other rules"
                .to_owned(),
            rests: rests(step),
        }
    })
    .collect()
}

fn impossible(step: &PlanStep, why: &str) -> Disagreement {
    Disagreement {
        file: "evidence/".to_owned(),
        place: format!("step {}", step.id),
        expected: "records from which its findings follow".to_owned(),
        found: why.to_owned(),
        means: "what the step found cannot have come of its records".to_owned(),
        rests: rests(step),
    }
}

fn rests(step: &PlanStep) -> Vec<String> {
    let criteria = step.proves.iter().chain(&step.part_proves);
    let criteria = criteria.map(|criterion| format!("criterion {criterion}"));
    criteria.chain([format!("step {}", step.id)]).collect()
}
