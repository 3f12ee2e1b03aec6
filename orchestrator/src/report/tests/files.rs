//! The files of a report: the same bytes again, and what they read back as.

use super::*;

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
        crate::report::json(&report, &mut text).unwrap();
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
