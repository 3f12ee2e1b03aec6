//! Runs and events for the tests of this crate.

use flowctl_state::event::Event;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{Evidence, Finding, Interval, Number, Verdict};
use flowctl_workflows::{RunId, StepId, WorkflowName};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A run id.
pub(crate) fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

/// A moment, some seconds after the first.
pub(crate) fn moment(seconds: i64) -> Timestamp {
    "2026-11-23T09:30:12.345678901Z"
        .parse::<Timestamp>()
        .unwrap()
        + jiff::SignedDuration::from_secs(seconds)
}

/// The first event of a run.
pub(crate) fn started() -> Event {
    let plan = Plan {
        workflow: WorkflowName::new("phase3").unwrap(),
        title: "Phase 3: Analytics Engine".to_owned(),
        directory: None,
        params: json!({"namespace": "data-platform"})
            .as_object()
            .unwrap()
            .clone(),
        target: None,
        objectives: Vec::new(),
        criteria: Vec::new(),
        locks: vec![("trino".to_owned(), 2)],
        timeout: None,
        teardown_timeout: Span::from_secs(300),
        steps: Vec::new(),
        files: Vec::new(),
    };
    Event::RunStarted {
        plan: std::sync::Arc::new(plan),
        jobs: 64,
        only: Vec::new(),
        flowctl: "0.1.0".to_owned(),
    }
}

/// A step's start.
pub(crate) fn step(name: &str, attempt: u32) -> Event {
    Event::StepStarted {
        step: StepId::new(name).unwrap(),
        attempt,
    }
}

/// A step's success with what it put out.
pub(crate) fn succeeded(name: &str, output: Value) -> Event {
    Event::StepSucceeded {
        step: StepId::new(name).unwrap(),
        attempt: 1,
        output,
        findings: Vec::new(),
        evidence: Vec::new(),
    }
}

/// A step's success with a number and the record that it rests on.
pub(crate) fn measured(name: &str, value: f64, sha256: &str) -> Event {
    let number = Number {
        name: "p95".to_owned(),
        value,
        unit: "s".to_owned(),
        interval: Some(Interval {
            low: Some(value * 0.9),
            high: None,
            confidence: 0.95,
        }),
        target: Some("< 2 s".to_owned()),
        samples: Some(60),
    };
    let finding = Finding {
        about: "simple_aggregation p95".to_owned(),
        proves: Vec::new(),
        verdict: Verdict::Pass,
        reason: "1.1 s, at most 1.4 s".to_owned(),
        numbers: vec![number],
        evidence: vec![sha256.to_owned()],
    };
    let evidence = Evidence {
        name: "queries.json".to_owned(),
        sha256: sha256.to_owned(),
        media_type: "application/json".to_owned(),
        bytes: 12,
    };
    Event::StepSucceeded {
        step: StepId::new(name).unwrap(),
        attempt: 1,
        output: Value::Null,
        findings: vec![finding],
        evidence: vec![evidence],
    }
}
