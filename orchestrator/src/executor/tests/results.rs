//! What an attempt comes to: outputs, templates, expectations, postconditions, bugs.

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, StepState};
use flowctl_workflows::CriterionId;
use flowctl_workflows::plan::Probe;
use flowctl_workflows::result::Verdict;
use serde_json::json;

use super::scripted::{plan, run, step, world};

#[tokio::test(start_paused = true)]
async fn templates_see_parameters_and_outputs_and_keep_their_types() {
    let state = run(
        "results-templates",
        plan(vec![
            step("a", &[], json!({"output": {"rows": [[1, 2]]}})),
            step("b", &[0], json!({"output": {"n": "{{ params.n }}", "text": "n is {{ params.n }}", "rows": "{{ steps.a.output.rows }}"}})),
        ]),
    )
    .await;
    let output = &state.record("b").unwrap().result.as_ref().unwrap().output;
    assert_eq!(output, &json!({"n": 7, "text": "n is 7", "rows": [[1, 2]]}));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_exist_fails_the_step_before_its_effect() {
    let state = run(
        "results-missing",
        plan(vec![step("a", &[], json!({"output": "{{ params.nope }}"}))]),
    )
    .await;
    let record = state.record("a").unwrap();
    assert_eq!(record.failures[0].failure.code, "template.error");
    assert!(
        record.failures[0].failure.message.contains("params.nope"),
        "{}",
        record.failures[0].failure.message
    );
    world("results-missing", |world| assert!(world.effects.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_false_expectation_fails_a_step_that_proves_nothing_and_is_not_retried() {
    let mut a = step("a", &[], json!({"output": {"rows": [[4]]}}));
    a.expect = vec!["rows[0][0] == 5".into()];
    let state = run("results-expect", plan(vec![a])).await;
    let record = state.record("a").unwrap();
    assert_eq!(
        (record.state.clone(), record.attempts),
        (StepState::Failed, 1)
    );
    let failure = &record.failures[0].failure;
    assert_eq!(failure.code, "expect.false");
    assert!(
        failure.message.contains("rows[0][0] is 4"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_platform_cannot_do_is_inapplicable_and_not_judged() {
    for (name, output, verdict) in [
        (
            "cannot",
            json!({"version": 476, "rows": []}),
            Some(Verdict::Inapplicable),
        ),
        (
            "can",
            json!({"version": 368, "rows": [[4]]}),
            Some(Verdict::Fail),
        ),
        (
            "unknown",
            json!({"rows": [[5]]}),
            Some(Verdict::Inconclusive),
        ),
    ] {
        let mut a = step("a", &[], json!({"output": output}));
        a.inapplicable = Some("version > 426".into());
        a.expect = vec!["rows[0][0] == 5".into()];
        a.proves = vec![CriterionId::new("c").unwrap()];
        let state = run(&format!("results-inapplicable-{name}"), plan(vec![a])).await;
        let findings = &state.record("a").unwrap().result.as_ref().unwrap().findings;
        assert_eq!(findings.len(), 1, "{name}: {findings:?}");
        assert_eq!(Some(findings[0].verdict), verdict, "{name}");
    }
    // What the kind finds by itself: that it had an answer proves nothing, and a bad answer decides nothing.
    for (name, version, finds, verdicts) in [
        ("asked", 368, "PASS", &[][..]),
        ("heard", 476, "PASS", &[Verdict::Inapplicable][..]),
        ("amiss", 476, "FAIL", &[Verdict::Fail][..]),
        ("empty", 476, "INCONCLUSIVE", &[Verdict::Inconclusive][..]),
    ] {
        let with = json!({"output": {"version": version}, "finds": finds});
        let mut a = step("a", &[], with);
        a.inapplicable = Some("version > 426".into());
        a.proves = vec![CriterionId::new("c").unwrap()];
        let state = run(&format!("results-applies-{name}"), plan(vec![a])).await;
        let findings = &state.record("a").unwrap().result.as_ref().unwrap().findings;
        let seen: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(seen, verdicts, "{name}");
    }
    let mut a = step("a", &[], json!({"output": {"version": 476}}));
    a.inapplicable = Some("version > 426".into());
    a.proves = vec![CriterionId::new("c").unwrap()];
    let state = run("results-inapplicable-why", plan(vec![a])).await;
    let result = state.record("a").unwrap().result.as_ref().unwrap();
    assert_eq!(
        result.findings[0].reason,
        "`version > 426` holds (version is 476)"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_an_output_rests_on_what_the_attempt_kept() {
    for (name, inapplicable) in [
        ("expected", None),
        ("inapplicable", Some("rows[0][0] == 5")),
    ] {
        let with = json!({"output": {"rows": [[5]]}, "keeps": "the server's own answer"});
        let mut a = step("a", &[], with);
        a.inapplicable = inapplicable.map(str::to_owned);
        a.expect = vec!["rows[0][0] == 5".into()];
        a.proves = vec![CriterionId::new("c").unwrap()];
        let state = run(&format!("results-rests-{name}"), plan(vec![a])).await;
        let result = state.record("a").unwrap().result.as_ref().unwrap();
        let kept: Vec<&str> = result.evidence.iter().map(|one| &*one.sha256).collect();
        assert_eq!(kept.len(), 1, "{name}");
        assert_eq!(result.findings[0].evidence, kept, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_long_list_it_is_said_how_much_there_was() {
    let rows: Vec<usize> = (1000..1100).collect();
    let mut a = step("a", &[], json!({"output": {"rows": rows}}));
    a.expect = vec!["!rows.exists(row, row == 7)".into()];
    a.proves = vec![CriterionId::new("c").unwrap()];
    let state = run("results-long", plan(vec![a])).await;
    let result = state.record("a").unwrap().result.as_ref().unwrap();
    let reason = &result.findings[0].reason;
    assert!(
        reason.contains("(rows has 100 entries, from [1000,1001"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_proves_something_succeeds_with_the_verdict_that_it_measured() {
    for (output, verdict) in [
        (json!({"rows": [[5]]}), Verdict::Pass),
        (json!({"rows": [[4]]}), Verdict::Fail),
        (json!({"rows": []}), Verdict::Inconclusive),
    ] {
        let mut a = step("a", &[], json!({"output": output}));
        a.expect = vec!["rows[0][0] == 5".into()];
        a.proves = vec![CriterionId::new("c").unwrap()];
        let state = run(
            &format!("results-proves-{}", verdict.as_str().to_lowercase()),
            plan(vec![a]),
        )
        .await;
        let record = state.record("a").unwrap();
        assert_eq!(record.state, StepState::Succeeded);
        assert_eq!(record.result.as_ref().unwrap().findings[0].verdict, verdict);
    }
}

#[tokio::test(start_paused = true)]
async fn a_postcondition_that_does_not_hold_fails_the_step() {
    let mut a = step("a", &[], json!({}));
    a.verify = Some(Box::new(Probe {
        kind: "scripted".into(),
        with: json!({"output": {"rows": 0}}),
        expect: vec!["rows == params.n".into()],
    }));
    let state = run("results-verify", plan(vec![a])).await;
    let failure = &state.record("a").unwrap().failures[0].failure;
    assert_eq!(failure.code, "verify.false");
    assert!(
        failure.message.contains("rows is 0") && failure.message.contains("params.n is 7"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_kind_is_named_as_a_bug_and_other_steps_go_on() {
    let state = run(
        "results-panic",
        plan(vec![
            step("a", &[], json!({"panics": true})),
            step("b", &[], json!({"takes": 5})),
        ]),
    )
    .await;
    assert_eq!(
        state.record("a").unwrap().failures[0].failure.code,
        "flowctl.bug"
    );
    assert_eq!(state.record("b").unwrap().state, StepState::Succeeded);
    assert_eq!(
        state.phase,
        Phase::Finished {
            outcome: RunOutcome::Failed
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_resume_asks_the_platform_before_it_trusts_a_finished_step() {
    use std::sync::Arc;

    use flowctl_state::log::EventLog as _;
    use flowctl_state::memory_log::MemoryLog;
    use flowctl_workflows::RunId;

    use super::scripted::{Silent, environment};
    use crate::engine::Resume;
    use crate::executor::Executor;

    for (probe_fails, attempts_of_a) in [(0, 1), (99, 2)] {
        let name = format!("results-recheck-{probe_fails}");
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(MemoryLog::new());
        let id = RunId::new(name.as_str()).unwrap();
        let mut a = step("a", &[], json!({}));
        // The scripted kind fails attempts up to `fail`, so a probe by the name of attempt 1 fails on resume
        // only when it is told to.
        a.verify = Some(Box::new(Probe {
            kind: "scripted".into(),
            with: json!({"output": {"ok": "{{ flowctl.ok }}"}, "checkpoints": true}),
            expect: vec!["ok".into()],
        }));
        let mut failing = step("c", &[1], json!({"fail": 1}));
        failing.retry = None;
        let plan = plan(vec![
            a,
            step("b", &[0], json!({})),
            failing,
            step("other", &[], json!({})),
        ]);
        let facts = |ok: bool| serde_json::Map::from_iter([("ok".to_owned(), json!(ok))]);
        let with_facts = |ok: bool| {
            let mut env = Arc::into_inner(environment(&log, &name, directory.path())).unwrap();
            env.facts = facts(ok);
            Arc::new(env)
        };
        let first = Executor::start(with_facts(true), id.clone(), plan, 8, vec![])
            .await
            .unwrap();
        let ended = first.run(&mut Silent).await.unwrap().state;
        assert_eq!(
            ended.phase,
            Phase::Finished {
                outcome: RunOutcome::Failed
            }
        );
        let resumed =
            Executor::resume(with_facts(probe_fails == 0), ended, Resume::default(), None)
                .await
                .unwrap();
        let attempts = |step: &str| resumed.state().record(step).unwrap().attempts;
        assert_eq!(attempts("a"), 1);
        let waits = |step: &str| resumed.state().record(step).unwrap().state == StepState::Waiting;
        assert_eq!(
            (waits("a"), waits("b"), waits("c"), waits("other")),
            (attempts_of_a == 2, attempts_of_a == 2, true, false)
        );
        assert!(log.read(&id).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_kind_finds_amiss_fails_a_step_that_proves_nothing() {
    for (finds, ends) in [
        ("PASS", None),
        ("INAPPLICABLE", None),
        ("FAIL", Some("finding.fail")),
        ("INCONCLUSIVE", Some("finding.inconclusive")),
    ] {
        let name = format!("results-finds-{}", finds.to_lowercase());
        let state = run(&name, plan(vec![step("a", &[], json!({"finds": finds}))])).await;
        let record = state.record("a").unwrap();
        let code = record
            .failures
            .first()
            .map(|failed| failed.failure.code.as_str());
        assert_eq!((code, record.attempts), (ends, 1), "{finds}");

        let mut a = step("a", &[], json!({"finds": finds}));
        a.proves = vec![CriterionId::new("c").unwrap()];
        let state = run(&format!("{name}-proving"), plan(vec![a])).await;
        assert_eq!(
            state.record("a").unwrap().state,
            StepState::Succeeded,
            "{finds}"
        );
    }
}
