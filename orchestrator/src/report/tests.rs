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

/// The verdict on criterion `c` after these events of step `a`, which proves it, and the exit code.
fn verdict(events: Vec<Event>) -> (Verdict, u8) {
    let state = state(vec![step("a", &["c"], &[])], &["c"], events);
    (verdicts(&state)[0].verdict, exit_code(&state))
}

/// `ask` hears whether the criterion applies, `measure` does so when it does.
fn asked(verdict: Option<Verdict>, measured: Vec<Event>) -> (Verdict, String) {
    let mut ask = step("ask", &["c"], &[]);
    ask.inapplicable = Some("version > 426".into());
    let findings = verdict
        .map(|verdict| finding(&[], verdict, "the server is 476"))
        .into_iter()
        .collect();
    let mut events = vec![start("ask", 1), done("ask", 1, findings)];
    events.extend(measured);
    let state = state(vec![ask, step("measure", &["c"], &[])], &["c"], events);
    let judged = verdicts(&state).pop().unwrap();
    (judged.verdict, judged.reason)
}

fn skipped_measure(reason: SkipReason) -> Vec<Event> {
    vec![Event::StepSkipped {
        step: id("measure"),
        reason,
    }]
}

#[test]
fn what_was_put_back_does_not_stand_unless_it_was_meant_to_be() {
    for (on, verdict) in [
        (UndoWhen::Always, Verdict::Pass),
        (UndoWhen::Failure, Verdict::Inconclusive),
        (UndoWhen::Never, Verdict::Inconclusive),
    ] {
        let mut a = step("a", &["c"], &[]);
        a.undo = Some(Box::new(UndoPlan { on, by: None }));
        let undone = |nothing| {
            vec![
                start("a", 1),
                done("a", 1, vec![finding(&[], Verdict::Pass, "seen")]),
                Event::UndoStarted {
                    step: id("a"),
                    attempt: 1,
                },
                Event::StepUndone {
                    step: id("a"),
                    detail: "as before".into(),
                    nothing,
                },
            ]
        };
        let judged = |events: Vec<Event>| {
            let report = build(&state(vec![a.clone()], &["c"], events));
            let criterion = report.criteria[0].clone();
            (criterion.verdict, criterion.reason)
        };
        assert_eq!(judged(undone(false)).0, verdict, "{on:?}");
        assert_eq!(judged(undone(true)).0, Verdict::Pass, "{on:?}");
        // Begun again, it has not found out anything yet.
        let again = undone(false).into_iter().chain([start("a", 2)]).collect();
        assert_eq!(judged(again).0, Verdict::NotRun, "{on:?}");
    }
}

#[test]
fn a_step_skipped_because_it_does_not_apply_leaves_no_not_run() {
    let cannot = Some(Verdict::Inapplicable);
    for intended in [
        SkipReason::Condition,
        SkipReason::Need {
            step: id("ask"),
            outcome: Outcome::Skipped,
        },
    ] {
        assert_eq!(
            asked(cannot, skipped_measure(intended)),
            (Verdict::Inapplicable, "ask: the server is 476".to_owned())
        );
    }
    for left_out in [
        SkipReason::NotSelected,
        SkipReason::RunStopped { step: id("ask") },
        SkipReason::Need {
            step: id("ask"),
            outcome: Outcome::Failed,
        },
    ] {
        assert_eq!(asked(cannot, skipped_measure(left_out)).0, Verdict::NotRun);
    }
}

#[test]
fn a_step_that_only_asks_proves_nothing_when_the_criterion_applies() {
    let measured = |verdict| {
        let findings = vec![finding(&[], verdict, "measured")];
        vec![start("measure", 1), done("measure", 1, findings)]
    };
    assert_eq!(asked(None, measured(Verdict::Pass)).0, Verdict::Pass);
    assert_eq!(asked(None, measured(Verdict::Fail)).0, Verdict::Fail);
    // Nobody said that it does not apply, so what was skipped was left out.
    assert_eq!(
        asked(None, skipped_measure(SkipReason::Condition)).0,
        Verdict::NotRun
    );
    assert_eq!(asked(None, vec![]).0, Verdict::NotRun);
}

#[test]
fn only_a_measured_criterion_can_pass() {
    use RunOutcome::{Cancelled, Failed, Succeeded};
    let measured = |verdict| {
        vec![
            start("a", 1),
            done("a", 1, vec![finding(&[], verdict, "seen")]),
            finished(Succeeded),
        ]
    };
    let broke = |class| vec![start("a", 1), failed("a", 1, class, None), finished(Failed)];
    let skip = |reason| {
        vec![
            Event::StepSkipped {
                step: id("a"),
                reason,
            },
            finished(Succeeded),
        ]
    };
    let cases: Vec<(&str, Vec<Event>, (Verdict, u8))> = vec![
        ("measured PASS", measured(Verdict::Pass), (Verdict::Pass, 0)),
        ("measured FAIL", measured(Verdict::Fail), (Verdict::Fail, 1)),
        (
            "measured INCONCLUSIVE",
            measured(Verdict::Inconclusive),
            (Verdict::Inconclusive, 3),
        ),
        (
            "measured INAPPLICABLE",
            measured(Verdict::Inapplicable),
            (Verdict::Inapplicable, 0),
        ),
        (
            "succeeded without a finding",
            vec![start("a", 1), done("a", 1, vec![]), finished(Succeeded)],
            (Verdict::Inconclusive, 3),
        ),
        (
            "failed for good",
            broke(ErrorClass::Permanent),
            (Verdict::Fail, 1),
        ),
        (
            "never got there in time",
            broke(ErrorClass::TimedOut),
            (Verdict::Fail, 1),
        ),
        (
            "no answer",
            broke(ErrorClass::Transient),
            (Verdict::Inconclusive, 1),
        ),
        (
            "nobody knows",
            broke(ErrorClass::Lost),
            (Verdict::Inconclusive, 1),
        ),
        ("skipped", skip(SkipReason::Condition), (Verdict::NotRun, 3)),
        (
            "not selected",
            skip(SkipReason::NotSelected),
            (Verdict::NotRun, 3),
        ),
        (
            "cancelled",
            vec![
                Event::StepCancelled {
                    step: id("a"),
                    failure: None,
                    evidence: vec![],
                },
                finished(Cancelled),
            ],
            (Verdict::NotRun, 4),
        ),
        ("not finished", vec![start("a", 1)], (Verdict::NotRun, 4)),
    ];
    for (what, events, expected) in cases {
        assert_eq!(verdict(events), expected, "{what}");
    }
}

#[test]
fn a_criterion_that_no_step_proves_is_not_run() {
    let state = state(
        vec![step("a", &[], &[])],
        &["c"],
        vec![
            start("a", 1),
            done("a", 1, vec![]),
            finished(RunOutcome::Succeeded),
        ],
    );
    let verdicts = verdicts(&state);
    assert_eq!(verdicts[0].verdict, Verdict::NotRun);
    assert_eq!(verdicts[0].reason, "no step of this workflow measures it");
    assert_eq!(exit_code(&state), 3);
    assert_eq!(build(&state).proving_nothing, ["a"]);
}

#[test]
fn the_worst_of_several_proofs_counts_and_gives_the_reason() {
    let state = state(
        vec![step("a", &["c"], &[]), step("b", &["c"], &[])],
        &["c"],
        vec![
            start("a", 1),
            done("a", 1, vec![finding(&[], Verdict::Pass, "good")]),
            start("b", 1),
            done(
                "b",
                1,
                vec![
                    finding(&[], Verdict::Pass, "good"),
                    finding(&[], Verdict::Fail, "too slow"),
                ],
            ),
            finished(RunOutcome::Succeeded),
        ],
    );
    let verdicts = verdicts(&state);
    assert_eq!(
        (verdicts[0].verdict, verdicts[0].reason.as_str()),
        (Verdict::Fail, "b: too slow")
    );
}

#[test]
fn a_part_proves_its_own_criterion_only() {
    let events = |findings| {
        vec![
            start("a", 1),
            done("a", 1, findings),
            finished(RunOutcome::Succeeded),
        ]
    };
    let steps = vec![step("a", &[], &["c", "d"])];
    let run = state(
        steps.clone(),
        &["c", "d"],
        events(vec![
            finding(&["c"], Verdict::Pass, "fast"),
            finding(&["d"], Verdict::Fail, "slow"),
        ]),
    );
    let verdicts_of = |run: &RunState| verdicts(run).iter().map(|v| v.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts_of(&run), [Verdict::Pass, Verdict::Fail]);
    // A finding that names no criterion proves none of the parts'.
    let run = state(
        steps,
        &["c", "d"],
        events(vec![finding(&[], Verdict::Pass, "fast")]),
    );
    assert_eq!(
        verdicts_of(&run),
        [Verdict::Inconclusive, Verdict::Inconclusive]
    );
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

#[test]
fn the_markdown_says_what_was_measured_and_what_was_hidden() {
    let text = markdown(&build(&rich()));
    for line in [
        "| 1 | 1 | 0 | 0 | 0 |",
        "### 3.2 Query Performance",
        "| ✅ PASS | The document's words for c | a: the interval lies under the target \\| all of it |",
        "| ❌ FAIL | The document's words for d | b: the step failed: it broke (trino.X) |",
        "  - p95 = 1.42 s [1.2, unbounded] at 95 %, n = 60, target < 2 s",
        "- `a` attempt 1: it broke (trino.X)",
        "What helps: mend it",
        "- `a`: `{\"version\":\"476\"}`",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "missing: {line}\n{text}"
        );
    }
}

/// A log with this run, and the run folded from it.
fn stored(plan: &Plan, events: Vec<Event>) -> (std::sync::Arc<MemoryLog>, RunState) {
    let log = MemoryLog::new();
    let run = RunId::new("w-1").unwrap();
    let first = Event::RunStarted {
        plan: std::sync::Arc::new(plan.clone()),
        jobs: 4,
        only: vec![],
        flowctl: "0.1.0".into(),
    };
    let events = std::iter::once(first).chain(events).collect();
    let envelopes = log.append(&run, 0, Timestamp::UNIX_EPOCH, events).unwrap();
    let state = RunState::replay(&run, &envelopes).unwrap();
    (std::sync::Arc::new(log), state)
}

#[test]
fn a_report_renders_to_the_same_bytes_again_with_the_events_and_names_no_missing_record() {
    use crate::executor::Renderer as _;
    let home = tempfile::tempdir().unwrap();
    let render = |log: &std::sync::Arc<MemoryLog>, state: &RunState| {
        let root = home.path().to_path_buf();
        let evidence = flowctl_state::evidence::EvidenceStore::open(&home.path().join("e"));
        let renderer = FileRenderer {
            directory: Box::new(move |run| root.join(run.as_str())),
            evidence: std::sync::Arc::new(evidence.unwrap()),
            log: std::sync::Arc::clone(log) as std::sync::Arc<dyn EventLog>,
        };
        renderer.render(state)
    };
    let plan = state(vec![step("a", &[], &[])], &[], vec![]).plan;
    let lost = Event::StepSucceeded {
        step: id("a"),
        attempt: 1,
        output: json!({}),
        findings: vec![],
        evidence: vec![Evidence {
            name: "a.json".into(),
            sha256: "7f2d8d4c9b0e1a".into(),
            media_type: "application/json".into(),
            bytes: 1,
        }],
    };
    let (log, unshowable) = stored(&plan, vec![start("a", 1), lost]);
    let error = render(&log, &unshowable).unwrap_err();
    assert!(
        error.contains("7f2d8d4c9b0e1a"),
        "a record that is not there was named: {error}"
    );

    let events = vec![
        start("a", 1),
        done("a", 1, vec![]),
        finished(RunOutcome::Succeeded),
    ];
    let (log, plain) = stored(&plan, events);
    let read = || {
        let directory = render(&log, &plain).unwrap();
        FILES.map(|name| std::fs::read_to_string(format!("{directory}/{name}")).unwrap())
    };
    let first = read();
    assert_eq!(first, read());

    let mut exported = Vec::new();
    flowctl_state::export::export(log.as_ref(), &plain.run, &mut exported).unwrap();
    assert_eq!(first[0].as_bytes(), exported);
    let report: Report = serde_json::from_str(&first[1]).unwrap();
    let last = first[0].lines().last().unwrap();
    assert_eq!(
        report.events,
        EventsEnd {
            count: 4,
            sha256: flowctl_state::codec::sha256(last.as_bytes()),
        }
    );
    assert!(first[4].contains(&report.events.sha256));
}

#[test]
fn a_report_of_fewer_events_than_the_state_was_folded_from_is_refused() {
    let plan = state(vec![step("a", &[], &[])], &[], vec![]).plan;
    let (_, longer) = stored(&plan, vec![start("a", 1)]);
    let (log, shorter) = stored(&plan, vec![]);
    let error = write_events(log.as_ref(), &longer, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "the log has 1 of 2 events of run w-1");
    // A run that went on since is rendered as it was.
    let (log, _) = stored(&plan, vec![start("a", 1)]);
    let end = write_events(log.as_ref(), &shorter, &mut std::io::sink()).unwrap();
    assert_eq!(end.count, 1);
}

#[test]
fn a_report_reads_back_as_what_was_written_and_its_schema_is_the_one_checked_in() {
    for run in [rich(), state(vec![step("a", &["c"], &[])], &["c"], vec![])] {
        let report = build(&run);
        let mut text = Vec::new();
        super::json(&report, &mut text).unwrap();
        let read: Report = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, report);
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let mut value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        value["summary"]["PASSED"] = json!(1);
        assert!(!validator.is_valid(&value));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../workflows/schema/report.schema.json");
    let generated = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == generated,
        "{} is not what the types say: run this test with UPDATE_SCHEMA=1",
        path.display()
    );
}
