use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Failure};
use flowctl_workflows::{StepId, WorkflowName};
use serde_json::json;

use super::*;
use crate::event::SkipReason;

fn step(id: &str, needs: &[u32]) -> PlanStep {
    PlanStep {
        needs: needs
            .iter()
            .map(|step| PlanNeed {
                step: *step,
                is: vec![],
            })
            .collect(),
        ..PlanStep::new(StepId::new(id).unwrap(), Role::Kind("noop".into()))
    }
}

fn started(steps: Vec<PlanStep>) -> Event {
    Event::RunStarted {
        plan: std::sync::Arc::new(Plan {
            workflow: WorkflowName::new("w").unwrap(),
            title: "W".into(),
            directory: None,
            params: serde_json::Map::new(),
            target: None,
            objectives: vec![],
            criteria: vec![],
            locks: vec![],
            timeout: None,
            teardown_timeout: Span::from_secs(60),
            steps,
            files: vec![],
        }),
        jobs: 4,
        only: vec![],
        flowctl: "0.0.0".into(),
    }
}

fn envelope(seq: Seq, event: Event) -> Envelope {
    Envelope {
        format: crate::event::FORMAT,
        run: RunId::new("w-1").unwrap(),
        seq,
        epoch: 1,
        at: Timestamp::from_second(1_700_000_000 + i64::try_from(seq).unwrap()).unwrap(),
        prev: String::new(),
        event,
    }
}

fn replay(events: Vec<Event>) -> Result<RunState, IllegalEvent> {
    let envelopes: Vec<_> = (0..)
        .zip(events)
        .map(|(seq, event)| envelope(seq, event))
        .collect();
    RunState::replay(&RunId::new("w-1").unwrap(), &envelopes)
}

fn id(text: &str) -> StepId {
    StepId::new(text).unwrap()
}

fn start(step: &str, attempt: u32) -> Event {
    Event::StepStarted {
        step: id(step),
        attempt,
    }
}

fn fail(step: &str, attempt: u32, retry_in: Option<u64>) -> Event {
    let failure = Failure {
        class: ErrorClass::Transient,
        code: "x".into(),
        message: "no answer".into(),
        help: None,
    };
    Event::StepFailed {
        step: id(step),
        attempt,
        failure,
        retry_in,
        evidence: vec![],
    }
}

fn succeed(step: &str, attempt: u32) -> Event {
    Event::StepSucceeded {
        step: id(step),
        attempt,
        output: json!({"n": 1}),
        findings: vec![],
        evidence: vec![],
    }
}

#[test]
fn a_retried_step_keeps_its_first_failure() {
    let state = replay(vec![
        started(vec![step("a", &[])]),
        start("a", 1),
        fail("a", 1, Some(50)),
        start("a", 2),
        succeed("a", 2),
        Event::RunFinished {
            outcome: RunOutcome::Succeeded,
        },
    ])
    .unwrap();
    let record = state.record("a").unwrap();
    assert_eq!(record.state, StepState::Succeeded);
    assert_eq!(
        (record.attempts, record.tries, record.failures.len()),
        (2, 2, 1)
    );
    assert_eq!(record.result.as_ref().unwrap().output, json!({"n": 1}));
    assert_eq!(
        state.phase,
        Phase::Finished {
            outcome: RunOutcome::Succeeded
        }
    );
}

#[test]
fn reopening_keeps_counting_attempts_but_not_tries() {
    let state = replay(vec![
        started(vec![step("a", &[])]),
        start("a", 1),
        fail("a", 1, None),
        Event::RunFinished {
            outcome: RunOutcome::Failed,
        },
        Event::RunResumed {
            jobs: 2,
            reopened: vec![id("a")],
            because: vec![],
            trusted: false,
            only: None,
            teardown: false,
        },
        start("a", 2),
    ])
    .unwrap();
    let record = state.record("a").unwrap();
    assert_eq!((record.attempts, record.tries), (2, 1));
    assert_eq!(
        (state.phase, state.jobs, state.resumes),
        (Phase::Running, 2, 1)
    );
}

#[test]
fn events_that_do_not_fit_are_refused() {
    let plan = || started(vec![step("a", &[])]);
    let cases: Vec<(&str, Vec<Event>)> = vec![
        ("no first event", vec![start("a", 1)]),
        ("two first events", vec![plan(), plan()]),
        ("an unknown step", vec![plan(), start("b", 1)]),
        ("a wrong attempt", vec![plan(), start("a", 2)]),
        ("an end without a start", vec![plan(), succeed("a", 1)]),
        (
            "an end of another attempt",
            vec![plan(), start("a", 1), succeed("a", 2)],
        ),
        (
            "two ends",
            vec![plan(), start("a", 1), succeed("a", 1), succeed("a", 1)],
        ),
        (
            "a start after the end",
            vec![
                plan(),
                Event::RunFinished {
                    outcome: RunOutcome::Failed,
                },
                start("a", 1),
            ],
        ),
        (
            "skipping what runs",
            vec![
                plan(),
                start("a", 1),
                Event::StepSkipped {
                    step: id("a"),
                    reason: SkipReason::Condition,
                },
            ],
        ),
        (
            "an undo that was not begun",
            vec![
                plan(),
                Event::StepUndone {
                    step: id("a"),
                    detail: String::new(),
                    nothing: false,
                },
            ],
        ),
        (
            "a plan that is not in order",
            vec![started(vec![step("a", &[1]), step("b", &[])])],
        ),
        (
            "a plan with two steps of one name",
            vec![started(vec![step("a", &[]), step("a", &[])])],
        ),
    ];
    for (what, events) in cases {
        assert!(replay(events).is_err(), "{what} was accepted");
    }
}

#[test]
fn a_gap_in_the_sequence_is_refused() {
    let mut state = RunState::start(&envelope(0, started(vec![step("a", &[])]))).unwrap();
    assert!(state.apply(&envelope(2, start("a", 1))).is_err());
    assert!(state.apply(&envelope(1, start("a", 1))).is_ok());
}

fn undone(nothing: bool) -> RunState {
    replay(vec![
        started(vec![step("a", &[])]),
        start("a", 1),
        Event::StepCheckpointed {
            step: id("a"),
            attempt: 1,
            handle: "it was 5".into(),
        },
        succeed("a", 1),
        Event::UndoStarted {
            step: id("a"),
            attempt: 1,
        },
        Event::StepUndone {
            step: id("a"),
            detail: "put back".into(),
            nothing,
        },
    ])
    .unwrap()
}

#[test]
fn an_undone_step_is_unfinished_again() {
    let state = undone(false);
    let record = state.record("a").unwrap();
    assert_eq!(record.state, StepState::Waiting);
    assert_eq!(record.handle, None);
    assert_eq!(
        record.undo,
        UndoState::Done {
            detail: "put back".into()
        }
    );
}

#[test]
fn a_step_of_which_nothing_was_taken_back_stays_done() {
    let state = undone(true);
    let record = state.record("a").unwrap();
    assert_eq!(record.state, StepState::Succeeded);
    assert!(matches!(record.undo, UndoState::Done { .. }));
}

/// An undo, and the attempt after one that failed, go by what was written down before.
#[test]
fn what_an_attempt_wrote_down_outlives_it_until_it_is_undone() {
    let state = replay(vec![
        started(vec![step("a", &[])]),
        start("a", 1),
        Event::StepCheckpointed {
            step: id("a"),
            attempt: 1,
            handle: "it was 5".into(),
        },
        Event::StepFailed {
            step: id("a"),
            attempt: 1,
            failure: Failure {
                class: ErrorClass::TimedOut,
                code: "step.timeout".into(),
                message: "too slow".into(),
                help: None,
            },
            retry_in: Some(1),
            evidence: vec![],
        },
        start("a", 2),
    ])
    .unwrap();
    let record = state.record("a").unwrap();
    assert!(matches!(
        record.state,
        StepState::Running {
            attempt: 2,
            handle: None
        }
    ));
    assert_eq!(record.handle, Some(Box::new("it was 5".into())));
}

#[test]
fn a_postcondition_that_no_longer_holds_reopens_the_step() {
    let state = replay(vec![
        started(vec![step("a", &[])]),
        start("a", 1),
        succeed("a", 1),
        Event::StepRechecked {
            step: id("a"),
            holds: false,
            reason: "0 rows".into(),
        },
    ])
    .unwrap();
    let record = state.record("a").unwrap();
    assert_eq!(record.state, StepState::Waiting);
    assert!(!record.recheck.as_ref().unwrap().holds);
}
