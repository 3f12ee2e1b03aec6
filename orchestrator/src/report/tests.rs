//! Runs for the tests of the report, and its tests by what they look at.

use flowctl_state::event::{Envelope, Event, FORMAT, RunOutcome, SkipReason};
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::run_state::RunState;
use flowctl_workflows::plan::{Criterion, Objective, Plan, PlanStep, Role, UndoPlan};
use flowctl_workflows::policy::{Span, UndoWhen};
use flowctl_workflows::result::{
    ErrorClass, Evidence, Failure, Finding, Interval, Number, Outcome, Verdict,
};
use flowctl_workflows::{CriterionId, RunId, StepId, WorkflowName};
use jiff::Timestamp;
use serde_json::json;

use super::*;

mod criteria;
mod files;
mod junit_xml;

/// The report of a state whose events nobody stored.
pub(super) fn build(state: &RunState) -> Report {
    super::build(state, EventsEnd::default())
}

pub(super) fn step(id: &str, proves: &[&str], part_proves: &[&str]) -> PlanStep {
    let criteria = |names: &[&str]| {
        names
            .iter()
            .map(|name| CriterionId::new(*name).unwrap())
            .collect()
    };
    PlanStep {
        proves: criteria(proves),
        part_proves: criteria(part_proves),
        ..PlanStep::new(StepId::new(id).unwrap(), Role::Kind("noop".into()))
    }
}

pub(super) fn state(steps: Vec<PlanStep>, criteria: &[&str], events: Vec<Event>) -> RunState {
    let criteria = criteria
        .iter()
        .map(|id| Criterion {
            id: CriterionId::new(*id).unwrap(),
            objective: Some("3.2".into()),
            text: format!("The document's words for {id}"),
        })
        .collect();
    let plan = Plan {
        workflow: WorkflowName::new("w").unwrap(),
        title: "A workflow".into(),
        directory: None,
        params: serde_json::Map::from_iter([("rows".to_owned(), json!(100))]),
        target: None,
        objectives: vec![Objective {
            id: "3.2".into(),
            title: "Query Performance".into(),
        }],
        criteria,
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps,
        files: vec![],
    };
    let first = Event::RunStarted {
        plan: std::sync::Arc::new(plan),
        jobs: 4,
        only: vec![],
        flowctl: "0.1.0".into(),
    };
    let run = RunId::new("w-1").unwrap();
    let envelopes: Vec<Envelope> = (0..)
        .zip(std::iter::once(first).chain(events))
        .map(|(seq, event)| Envelope {
            format: FORMAT,
            run: run.clone(),
            seq,
            epoch: 1,
            at: Timestamp::from_second(1_700_000_000 + i64::try_from(seq).unwrap()).unwrap(),
            prev: String::new(),
            event,
        })
        .collect();
    RunState::replay(&run, &envelopes).unwrap()
}

pub(super) fn id(text: &str) -> StepId {
    StepId::new(text).unwrap()
}

pub(super) fn start(step: &str, attempt: u32) -> Event {
    Event::StepStarted {
        step: id(step),
        attempt,
    }
}

pub(super) fn finding(proves: &[&str], verdict: Verdict, reason: &str) -> Finding {
    Finding {
        about: "p95 of simple_aggregation".into(),
        proves: proves
            .iter()
            .map(|name| CriterionId::new(*name).unwrap())
            .collect(),
        verdict,
        reason: reason.into(),
        numbers: vec![],
        evidence: vec![],
    }
}

pub(super) fn done(step: &str, attempt: u32, findings: Vec<Finding>) -> Event {
    Event::StepSucceeded {
        step: id(step),
        attempt,
        output: json!({}),
        findings,
        evidence: vec![],
    }
}

pub(super) fn failed(step: &str, attempt: u32, class: ErrorClass, retry_in: Option<u64>) -> Event {
    let failure = Failure {
        class,
        code: "trino.X".into(),
        message: "it broke".into(),
        help: Some("mend it".into()),
    };
    Event::StepFailed {
        step: id(step),
        attempt,
        failure,
        retry_in,
        evidence: vec![],
    }
}

pub(super) fn finished(outcome: RunOutcome) -> Event {
    Event::RunFinished { outcome }
}

pub(super) fn rich() -> RunState {
    let mut measured = finding(
        &["c"],
        Verdict::Pass,
        "the interval lies under the target | all of it",
    );
    measured.numbers = vec![Number {
        name: "p95".into(),
        value: 1.42,
        unit: "s".into(),
        interval: Some(Interval {
            low: Some(1.2),
            high: None,
            confidence: 0.95,
        }),
        target: Some("< 2 s".into()),
        samples: Some(60),
    }];
    let record = b"[1, 2]";
    let sha256 = "7f2d8d4c9b0e1a";
    measured.evidence = vec![sha256.into()];
    let evidence = Evidence {
        name: "samples.json".into(),
        sha256: sha256.into(),
        media_type: "application/json".into(),
        bytes: record.len() as u64,
    };
    state(
        vec![step("a", &[], &["c"]), step("b", &["d"], &[])],
        &["c", "d"],
        vec![
            start("a", 1),
            failed("a", 1, ErrorClass::Transient, Some(10)),
            start("a", 2),
            Event::StepSucceeded {
                step: id("a"),
                attempt: 2,
                output: json!({"version": "476", "rows": 3}),
                findings: vec![measured],
                evidence: vec![evidence],
            },
            start("b", 1),
            failed("b", 1, ErrorClass::Permanent, None),
            finished(RunOutcome::Failed),
        ],
    )
}
