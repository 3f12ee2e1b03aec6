//! From a run's state to the report as data. Pure.

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, RunState, StepRecord, StepState, UndoState};
use flowctl_workflows::plan::{PlanStep, Role};
use flowctl_workflows::result::{Evidence, Verdict};

use super::fingerprint::fingerprint;
use super::model::{
    CriterionReport, EventsEnd, FORMAT, FailureReport, FindingReport, Report, StepReport,
};
use super::verdicts::{CriterionVerdict, exit_code, possible, skipped, verdicts};
use crate::view;

/// The report of a run, finished or not. `events` is where the events end that the state was folded from.
#[must_use]
pub fn build(state: &RunState, events: EventsEnd) -> Report {
    let verdicts = verdicts(state);
    let count = |wanted: Verdict| {
        verdicts
            .iter()
            .filter(|verdict| verdict.verdict == wanted)
            .count()
    };
    Report {
        format: FORMAT,
        rehearsal: state.plan.is_rehearsal(),
        run: state.run.to_string(),
        events,
        workflow: state.plan.workflow.to_string(),
        title: state.plan.title.clone(),
        outcome: outcome(state),
        exit_code: exit_code(state),
        started: state.started,
        finished: state.updated,
        cancelled_by: state.cancelled_by.clone(),
        resumes: state.resumes,
        summary: possible(state)
            .into_iter()
            .map(|verdict| (verdict, count(verdict)))
            .collect(),
        objectives: state.plan.objectives.clone(),
        criteria: verdicts.iter().map(criterion).collect(),
        steps: (0u32..)
            .zip(state.steps())
            .map(|(place, (step, record))| StepReport {
                // Done and put back: it waits for nothing.
                state: match view::put_back(state, place) {
                    Some(_) if record.state == StepState::Waiting => "succeeded".into(),
                    _ => state_word(&record.state).into(),
                },
                ..step_report(step, record)
            })
            .collect(),
        proving_nothing: state
            .plan
            .steps
            .iter()
            .filter(|step| {
                step.proves.is_empty() && step.part_proves.is_empty() && step.role.kind().is_some()
            })
            .map(|step| step.id.to_string())
            .collect(),
        fingerprint: fingerprint(state),
    }
}

fn outcome(state: &RunState) -> Option<RunOutcome> {
    match state.phase {
        Phase::Finished { outcome } => Some(outcome),
        Phase::Running | Phase::TearingDown { .. } => None,
    }
}

fn criterion(verdict: &CriterionVerdict<'_>) -> CriterionReport {
    let findings = verdict.proofs.iter().flat_map(|proof| {
        proof.findings.iter().map(|finding| FindingReport {
            step: proof.step.id.to_string(),
            about: finding.about.clone(),
            verdict: finding.verdict,
            reason: finding.reason.clone(),
            numbers: finding.numbers.clone(),
            evidence: finding.evidence.clone(),
        })
    });
    CriterionReport {
        id: verdict.criterion.id.to_string(),
        objective: verdict.criterion.objective.clone(),
        text: verdict.criterion.text.clone(),
        verdict: verdict.verdict,
        reason: verdict.reason.clone(),
        proved_by: verdict
            .proofs
            .iter()
            .map(|proof| proof.step.id.to_string())
            .collect(),
        findings: findings.collect(),
    }
}

fn step_report(step: &PlanStep, record: &StepRecord) -> StepReport {
    let kept = record.came_to().map_or(&[][..], |result| &result.evidence);
    let failed = record.failures.iter().flat_map(|failure| &failure.evidence);
    let mut evidence: Vec<Evidence> = Vec::new();
    for item in failed.chain(kept) {
        if !evidence.contains(item) {
            evidence.push(item.clone());
        }
    }
    StepReport {
        id: step.id.to_string(),
        title: step.title.clone(),
        objective: step.objective.clone(),
        kind: match &step.role {
            Role::Kind(kind) => kind.clone(),
            Role::FanIn => "foreach".to_owned(),
            Role::Approval { .. } => "approval".to_owned(),
        },
        state: state_word(&record.state).into(),
        reason: match &record.state {
            StepState::Skipped(reason) => Some(skipped(reason)),
            _ => None,
        },
        attempts: record.attempts,
        started: record.started,
        finished: record.finished,
        failures: record
            .failures
            .iter()
            .map(|failed| FailureReport {
                attempt: failed.attempt,
                at: failed.at,
                class: failed.failure.class,
                code: failed.failure.code.clone(),
                message: failed.failure.message.clone(),
                help: failed.failure.help.clone(),
            })
            .collect(),
        proves: step
            .proves
            .iter()
            .chain(&step.part_proves)
            .map(ToString::to_string)
            .collect(),
        evidence,
        undone: match &record.undo {
            UndoState::Done { detail } => Some(detail.clone()),
            UndoState::None
            | UndoState::Requested
            | UndoState::Running { .. }
            | UndoState::Failed { .. } => None,
        },
    }
}

/// The word for a step's state that `flowctl status` and every report use.
#[must_use]
pub(super) fn state_word(state: &StepState) -> &'static str {
    match state {
        StepState::Waiting | StepState::Backoff { .. } => "waiting",
        StepState::Running { .. } => "running",
        StepState::Succeeded => "succeeded",
        StepState::Failed => "failed",
        StepState::Skipped(_) => "skipped",
        StepState::Cancelled => "cancelled",
    }
}
