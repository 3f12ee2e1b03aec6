//! Old records stay readable: `tests/formats/` holds an export of every released format.

use flowctl_state::codec::{decode, encode};
use flowctl_state::event::{Envelope, Event, FORMAT, ReopenReason, RunOutcome, SkipReason};
use flowctl_state::export::export;
use flowctl_state::import::import;
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_workflows::StepId;
use flowctl_workflows::result::{ErrorClass, Evidence, Failure, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{measured, moment, run, started, step, succeeded};

const V1: &str = include_str!("../formats/v1.jsonl");
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn id(name: &str) -> StepId {
    StepId::new(name).unwrap()
}

fn failure(class: ErrorClass) -> Failure {
    Failure {
        class,
        code: "trino.TABLE_NOT_FOUND".to_owned(),
        message: "table `benchmark_data` does not exist".to_owned(),
        help: Some("run the step `seed` first".to_owned()),
    }
}

/// One event of every type, and every reason and outcome, in the order of the fixture.
fn every_event() -> Vec<Event> {
    let kept = Evidence {
        name: "stderr.txt".to_owned(),
        sha256: HASH.to_owned(),
        media_type: "text/plain".to_owned(),
        bytes: 3,
    };
    let mut events = vec![
        started(),
        step("deploy", 1),
        Event::StepCheckpointed {
            step: id("deploy"),
            attempt: 1,
            handle: json!({"query": "20261123_1", "n": [1, 2.5, null]}),
        },
        succeeded(
            "deploy",
            json!({"rows": [[1, "ü\"\\\n", 1e-7, 9_007_199_254_740_993_i64]], "ready": true}),
        ),
        measured("benchmark", 0.1 + 0.2, HASH),
        Event::StepFailed {
            step: id("seed[orders]"),
            attempt: 1,
            failure: failure(ErrorClass::Transient),
            retry_in: Some(1500),
            evidence: vec![kept],
        },
        Event::StepFailed {
            step: id("seed[orders]"),
            attempt: 2,
            failure: failure(ErrorClass::Lost),
            retry_in: None,
            evidence: Vec::new(),
        },
        Event::StepCancelled {
            step: id("load"),
            failure: None,
            evidence: Vec::new(),
        },
        Event::StepRechecked {
            step: id("deploy"),
            holds: false,
            reason: "1 of 2 workers".to_owned(),
        },
        Event::ApprovalGranted {
            step: id("deploy.approval"),
            by: "ada".to_owned(),
        },
        Event::UndoStarted {
            step: id("toggle"),
            attempt: 1,
        },
        Event::UndoFailed {
            step: id("toggle"),
            attempt: 1,
            failure: failure(ErrorClass::Permanent),
        },
        Event::StepUndone {
            step: id("toggle"),
            detail: "the default was written back".to_owned(),
            nothing: false,
        },
        Event::CancelRequested {
            by: "ctrl-C".to_owned(),
        },
        Event::TeardownStarted {
            outcome: RunOutcome::Cancelled,
        },
        Event::RunFinished {
            outcome: RunOutcome::Failed,
        },
        Event::RunResumed {
            jobs: 4,
            reopened: vec![id("load")],
            because: Vec::new(),
            trusted: false,
            only: None,
            teardown: false,
        },
        Event::RunFinished {
            outcome: RunOutcome::Succeeded,
        },
    ];
    let reasons = [
        SkipReason::Condition,
        SkipReason::Need {
            step: id("deploy"),
            outcome: Outcome::Failed,
        },
        SkipReason::Gate {
            step: id("benchmark"),
        },
        SkipReason::RunStopped { step: id("deploy") },
        SkipReason::NotSelected,
    ];
    events.extend(reasons.map(|reason| Event::StepSkipped {
        step: id("report"),
        reason,
    }));
    events.extend(later_events());
    events
}

/// What format 1 has gained since, behind what it had.
fn later_events() -> Vec<Event> {
    let reasons = [
        ("a", ReopenReason::Failed),
        ("b", ReopenReason::Cancelled),
        ("c", ReopenReason::Skipped),
        ("d", ReopenReason::Teardown),
        ("e", ReopenReason::Named),
        (
            "f",
            ReopenReason::Changed {
                what: vec!["with".to_owned(), "params.rows".to_owned()],
            },
        ),
        ("g", ReopenReason::After { step: id("f") }),
    ];
    vec![
        Event::UndoRequested {
            by: "ada".to_owned(),
            steps: vec![id("toggle")],
        },
        Event::PlanReplaced {
            plan: match started() {
                Event::RunStarted { plan, .. } => plan,
                other => unreachable!("{other:?}"),
            },
        },
        Event::RunResumed {
            jobs: 8,
            reopened: reasons.iter().map(|(step, _)| id(step)).collect(),
            because: reasons.into_iter().map(|(_, reason)| reason).collect(),
            trusted: true,
            only: Some(vec![id("e")]),
            teardown: false,
        },
        Event::TeardownStarted {
            outcome: RunOutcome::Succeeded,
        },
        Event::RunResumed {
            jobs: 8,
            reopened: Vec::new(),
            because: Vec::new(),
            trusted: false,
            only: None,
            teardown: true,
        },
    ]
}

/// The place of an event's type in a list of all: a new type does not compile until it stands here,
/// and fails below until it stands in `every_event` and in a fixture.
fn kind(event: &Event) -> usize {
    match event {
        Event::RunStarted { .. } => 0,
        Event::RunResumed { .. } => 1,
        Event::StepStarted { .. } => 2,
        Event::StepCheckpointed { .. } => 3,
        Event::StepSucceeded { .. } => 4,
        Event::StepFailed { .. } => 5,
        Event::StepSkipped { .. } => 6,
        Event::StepCancelled { .. } => 7,
        Event::StepRechecked { .. } => 8,
        Event::ApprovalGranted { .. } => 9,
        Event::UndoStarted { .. } => 10,
        Event::StepUndone { .. } => 11,
        Event::UndoFailed { .. } => 12,
        Event::CancelRequested { .. } => 13,
        Event::TeardownStarted { .. } => 14,
        Event::RunFinished { .. } => 15,
        Event::UndoRequested { .. } => 16,
        Event::PlanReplaced { .. } => 17,
    }
}

fn log() -> MemoryLog {
    let log = MemoryLog::new();
    for (seq, event) in (0..).zip(every_event()) {
        let at = moment(i64::try_from(seq).unwrap());
        log.append(&run("phase3-20261123-093012-4f2a"), seq, at, vec![event])
            .unwrap();
    }
    log
}

#[test]
fn the_fixture_has_every_type_of_event() {
    let mut kinds: Vec<usize> = every_event().iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (0..18).collect::<Vec<_>>());
}

#[test]
fn format_1_is_read_as_it_was_meant() {
    let log_of_today = log();
    let old = MemoryLog::new();
    let imported = import(&old, &mut V1.as_bytes()).unwrap();
    assert_eq!(imported.problems, []);
    let (name, events) = &imported.runs[0];
    assert_eq!(*events, every_event().len() as u64);
    assert_eq!(old.read(name).unwrap(), log_of_today.read(name).unwrap());
}

#[test]
fn what_is_written_today_is_format_1_to_the_byte() {
    assert_eq!(
        FORMAT, 1,
        "a new format needs a fixture of its own, and this test its end"
    );
    let mut text = Vec::new();
    export(&log(), &run("phase3-20261123-093012-4f2a"), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let seen = concat!(env!("CARGO_TARGET_TMPDIR"), "/v1.jsonl");
    std::fs::write(seen, &text).unwrap();
    assert!(
        text == V1,
        "the bytes differ from tests/formats/v1.jsonl; what is written now is in {seen}"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no other", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(output in any_json(), seq in any::<u64>(), epoch in any::<u64>(), text in any::<String>(), number in any::<f64>()) {
        prop_assume!(number.is_finite() && (number * 0.9).is_finite());
        for event in [succeeded("one", output.clone()), measured("one", number, &text), Event::CancelRequested { by: text.clone() }] {
            let envelope = Envelope { format: FORMAT, run: run("a"), seq, epoch, at: moment(0), prev: HASH.to_owned(), event };
            let record = encode(&envelope).unwrap();
            prop_assert!(!record.contains(&b'\n'), "a record is one line");
            prop_assert_eq!(decode(&record).unwrap(), envelope);
        }
    }

    #[test]
    fn what_is_stored_without_reading_it_back_reads_back(seq in any::<u64>(), epoch in any::<u64>(), attempt in any::<u32>(), second in -377_705_023_201_i64..=253_402_207_200, nanosecond in 0..1_000_000_000_i32, key in "[^\\[\\]\\pC]{1,20}") {
        let at = jiff::Timestamp::new(second, nanosecond).unwrap();
        let step = id(&format!("one[{key}]"));
        let ended = Event::StepSucceeded { step: step.clone(), attempt, output: Value::Null, findings: vec![], evidence: vec![] };
        for event in [Event::StepStarted { step, attempt }, ended] {
            let envelope = Envelope { format: FORMAT, run: run("a"), seq, epoch, at, prev: HASH.to_owned(), event };
            prop_assert_eq!(decode(&encode(&envelope).unwrap()).unwrap(), envelope);
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
