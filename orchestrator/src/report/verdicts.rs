//! From what steps found out to a verdict for each criterion. Pure; the heart of the product:
//! nothing is PASS that no step measured.

use flowctl_state::event::{RunOutcome, SkipReason};
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepResult, StepState};
use flowctl_workflows::CriterionId;
use flowctl_workflows::plan::{Criterion, PlanStep};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::{ErrorClass, Finding, UNMEASURED, Verdict};

/// A criterion with its verdict and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct CriterionVerdict<'a> {
    /// The checkbox.
    pub criterion: &'a Criterion,
    /// The worst of what was found.
    pub verdict: Verdict,
    /// Why: the reason of the gravest finding.
    pub reason: String,
    /// The steps that prove it, and what they found.
    pub proofs: Vec<Proof<'a>>,
}

/// What one step says of a criterion.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof<'a> {
    /// The step.
    pub step: &'a PlanStep,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// The findings behind it; empty when the step did not get so far.
    pub findings: Vec<&'a Finding>,
}

/// The verdicts that a run's criteria can have, in the order in which they are counted.
#[must_use]
pub(super) fn possible(state: &RunState) -> Vec<Verdict> {
    let all = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Inapplicable,
        Verdict::NotRun,
    ];
    let rehearsal = state.plan.is_rehearsal();
    all.into_iter()
        .filter(|verdict| !rehearsal || *verdict == verdict.in_rehearsal())
        .collect()
}

/// A verdict for each criterion, in the document's order.
#[must_use]
pub fn verdicts(state: &RunState) -> Vec<CriterionVerdict<'_>> {
    state
        .plan
        .criteria
        .iter()
        .map(|criterion| judge(state, criterion))
        .collect()
}

fn judge<'a>(state: &'a RunState, criterion: &'a Criterion) -> CriterionVerdict<'a> {
    let mut proofs: Vec<Proof<'a>> = state
        .steps()
        .filter(|(step, _)| claims(step, &criterion.id))
        .map(|(step, record)| proof(state, step, record, &criterion.id))
        // A step that only asks whether the criterion applies, and heard that it does, proves nothing of it.
        .filter(|proof| {
            let only_asks = proof.step.inapplicable.is_some() && proof.step.expect.is_empty();
            let ended = state
                .record(proof.step.id.as_str())
                .is_some_and(|record| record.state == StepState::Succeeded);
            !(only_asks && ended && proof.findings.is_empty())
        })
        .collect();
    if proofs
        .iter()
        .any(|proof| proof.verdict == Verdict::Inapplicable)
    {
        // What was skipped as intended was not left out: there was nothing to measure.
        proofs.retain(|proof| {
            let record = state.record(proof.step.id.as_str());
            !record.is_some_and(|record| skipped_as_intended(&record.state))
        });
    }
    let mut verdict = None;
    let mut reason = "no step of this workflow measures it".to_owned();
    for proof in &proofs {
        let worst = verdict.map_or(proof.verdict, |so_far: Verdict| so_far.worst(proof.verdict));
        if verdict != Some(worst) {
            reason = format!("{}: {}", proof.step.id, proof.reason);
            verdict = Some(worst);
        }
    }
    let mut verdict = verdict.unwrap_or(Verdict::NotRun);
    // Its findings say so already; this holds whatever wrote the state.
    if state.plan.is_rehearsal() && verdict != verdict.in_rehearsal() {
        reason = format!("{UNMEASURED} ({reason})");
        verdict = verdict.in_rehearsal();
    }
    CriterionVerdict {
        criterion,
        verdict,
        reason,
        proofs,
    }
}

/// Whether a step was skipped because of its own condition, or because one that it needs was skipped.
fn skipped_as_intended(state: &StepState) -> bool {
    use flowctl_workflows::result::Outcome;
    let StepState::Skipped(reason) = state else {
        return false;
    };
    match &**reason {
        SkipReason::Condition => true,
        SkipReason::Need { outcome, .. } => *outcome == Outcome::Skipped,
        SkipReason::Gate { .. } | SkipReason::RunStopped { .. } | SkipReason::NotSelected => false,
    }
}

/// Whether a step, or a part of it, is meant to prove the criterion.
fn claims(step: &PlanStep, criterion: &CriterionId) -> bool {
    step.proves.contains(criterion) || step.part_proves.contains(criterion)
}

fn proof<'a>(
    state: &'a RunState,
    step: &'a PlanStep,
    record: &'a StepRecord,
    criterion: &CriterionId,
) -> Proof<'a> {
    let without = |verdict, reason: String| Proof {
        step,
        verdict,
        reason,
        findings: Vec::new(),
    };
    match &record.state {
        StepState::Succeeded => measured(step, record.result.as_deref(), criterion),
        StepState::Failed => match record.failures.last() {
            // The platform answered that it cannot, or did not get there in time: that is a FAIL. When it
            // did not answer at all, nothing was measured.
            Some(last) => {
                let verdict = match last.failure.class {
                    ErrorClass::Permanent | ErrorClass::TimedOut => Verdict::Fail,
                    ErrorClass::Transient | ErrorClass::Cancelled | ErrorClass::Lost => {
                        Verdict::Inconclusive
                    }
                };
                without(
                    verdict,
                    format!(
                        "the step failed: {} ({})",
                        last.failure.message, last.failure.code
                    ),
                )
            }
            None => without(
                Verdict::Inconclusive,
                "the step failed without saying why".to_owned(),
            ),
        },
        StepState::Skipped(reason) => without(Verdict::NotRun, skipped(first_cause(state, reason))),
        StepState::Cancelled => without(Verdict::NotRun, "the step was cancelled".to_owned()),
        StepState::Waiting => match &record.before_undo {
            Some(result) => put_back(step, result, criterion),
            None => without(Verdict::NotRun, "the step was not started".to_owned()),
        },
        StepState::Running { .. } | StepState::Backoff { .. } => {
            without(Verdict::NotRun, "the step has not ended".to_owned())
        }
    }
}

/// Of a step whose effect was taken back. One that always is was measured as it was meant to be; any other was to stay,
/// and does not stand any more.
fn put_back<'a>(step: &'a PlanStep, result: &'a StepResult, criterion: &CriterionId) -> Proof<'a> {
    let proof = measured(step, Some(result), criterion);
    let meant_to_be = step
        .undo
        .as_ref()
        .is_some_and(|undo| undo.on == UndoWhen::Always);
    if meant_to_be || proof.verdict != Verdict::Pass {
        return proof;
    }
    Proof {
        verdict: Verdict::Inconclusive,
        reason: format!(
            "what the step did was put back, so it does not stand any more; before that: {}",
            proof.reason
        ),
        ..proof
    }
}

fn measured<'a>(
    step: &'a PlanStep,
    result: Option<&'a StepResult>,
    criterion: &CriterionId,
) -> Proof<'a> {
    let all = result.map_or(&[][..], |result| &result.findings);
    let findings: Vec<&Finding> = all
        .iter()
        .filter(|finding| {
            if finding.proves.is_empty() {
                step.proves.contains(criterion)
            } else {
                finding.proves.contains(criterion)
            }
        })
        .collect();
    let mut verdict: Option<Verdict> = None;
    let mut reason = "the step succeeded, but found out nothing about this".to_owned();
    for finding in &findings {
        let worst = verdict.map_or(finding.verdict, |so_far| so_far.worst(finding.verdict));
        if verdict != Some(worst) {
            reason.clone_from(&finding.reason);
            verdict = Some(worst);
        }
    }
    Proof {
        step,
        verdict: verdict.unwrap_or(Verdict::Inconclusive),
        reason,
        findings,
    }
}

/// Where a chain of steps that were skipped for each other's sake begins: what to look at when a criterion was not measured.
fn first_cause<'a>(state: &'a RunState, reason: &'a SkipReason) -> &'a SkipReason {
    let mut cause = reason;
    while let SkipReason::Need { step, .. } = cause
        && let Some(StepState::Skipped(earlier)) =
            state.record(step.as_str()).map(|record| &record.state)
    {
        cause = earlier;
    }
    cause
}

/// Why a step was not started, in words.
#[must_use]
pub(super) fn skipped(reason: &SkipReason) -> String {
    use flowctl_workflows::result::Outcome;
    match reason {
        SkipReason::Condition => "the step was skipped: its condition is false".to_owned(),
        SkipReason::Need { step, outcome } => {
            let ended = match outcome {
                Outcome::Succeeded => "succeeded",
                Outcome::Failed => "failed",
                Outcome::Skipped => "was skipped",
                Outcome::Cancelled => "was cancelled",
            };
            format!("the step was skipped: `{step}` {ended}")
        }
        SkipReason::Gate { step } => {
            format!("the step was skipped: the gate `{step}` found a FAIL")
        }
        SkipReason::RunStopped { step } => {
            format!("the step was skipped: `{step}` failed and stopped the run")
        }
        SkipReason::NotSelected => "the step was not selected by --only".to_owned(),
    }
}

/// The exit code of a run: 1 a step failed or a criterion FAILs; 4 cancelled; 3 a criterion is
/// INCONCLUSIVE or NOT RUN; 0 otherwise. A rehearsal never ends with 0, since nothing was done.
#[must_use]
pub fn exit_code(state: &RunState) -> u8 {
    let Phase::Finished { outcome } = state.phase else {
        return 4;
    };
    let verdicts = verdicts(state);
    let any = |wanted: &[Verdict]| {
        verdicts
            .iter()
            .any(|verdict| wanted.contains(&verdict.verdict))
    };
    match outcome {
        RunOutcome::Cancelled => 4,
        RunOutcome::Failed => 1,
        RunOutcome::Succeeded if any(&[Verdict::Fail]) => 1,
        RunOutcome::Succeeded if any(&[Verdict::Inconclusive, Verdict::NotRun]) => 3,
        RunOutcome::Succeeded if state.plan.is_rehearsal() => 3,
        RunOutcome::Succeeded => 0,
    }
}
