//! Verdicts on samples, and rounds against a coordinator that answers what it is told to.

use flowctl_workflows::result::{ErrorClass, Verdict};
use serde_json::{Value, json};

use super::verdict::{judge, summary};
use super::*;
use crate::clients::trino::protocol::Stats;
use crate::clients::trino::tests::{Coordinator, page};
use crate::testing::{TestContext, rejudged};

fn case(more: Value) -> Case {
    let mut case = json!({"name": "simple", "sql": "SELECT 1"});
    for (name, value) in more.as_object().unwrap() {
        case[name] = value.clone();
    }
    serde_json::from_value(case).unwrap()
}

fn sample(round: u32, counts: bool, run_time_millis: u64) -> Sample {
    Sample {
        round,
        counts,
        query_id: format!("q{round}"),
        run_time_millis,
        queued_millis: 5,
        client_wall_millis: run_time_millis + 20,
        client_first_byte_micros: None,
        client_own_micros: None,
        row_count: 3,
        fingerprint: "same".into(),
        rows: Vec::new(),
        stats: Stats {
            processed_rows: 1000,
            ..Stats::default()
        },
    }
}

/// A slow warm-up and `runs` runs of 101, 102, … milliseconds.
fn measured(runs: u32) -> Measured {
    let mut samples = vec![sample(1, false, 9000)];
    samples.extend((1..=runs).map(|run| sample(run + 1, true, u64::from(100 + run))));
    Measured {
        samples,
        ..Measured::default()
    }
}

#[test]
fn the_interval_against_the_target_decides() {
    let verdict = |runs: u32, sla: &str| {
        judge(&case(json!({"sla": {"p95": sla}})), &measured(runs), false).verdict
    };
    assert_eq!(verdict(60, "2s"), Verdict::Pass);
    assert_eq!(verdict(60, "1ms"), Verdict::Fail);
    assert_eq!(verdict(60, "158ms"), Verdict::Inconclusive);
    assert_eq!(verdict(58, "2s"), Verdict::Inconclusive);
    assert_eq!(
        judge(&case(json!({"sla": {"p50": "2s"}})), &measured(5), false).verdict,
        Verdict::Pass
    );
}

#[test]
fn the_warm_up_does_not_count_and_is_shown() {
    let finding = judge(&case(json!({"sla": {"p95": "2s"}})), &measured(60), false);
    let number = |name: &str| {
        finding
            .numbers
            .iter()
            .find(|number| number.name == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (number("p95").value, number("p95").samples),
        (157.0, Some(60))
    );
    assert_eq!(number("cold (first run)").value, 9000.0);
    assert_eq!(
        (
            number("queued p50").value,
            number("p99").interval.unwrap().high
        ),
        (5.0, None)
    );
    let shown = summary(&case(json!({})), &measured(60), finding.verdict);
    assert_eq!(
        (shown.samples, shown.p50_millis, shown.cold_millis),
        (60, Some(130.0), Some(9000))
    );
}

#[test]
fn an_empty_result_fails_however_fast() {
    let mut empty = measured(60);
    empty.samples[7].row_count = 0;
    let finding = judge(&case(json!({"sla": {"p95": "2s"}})), &empty, false);
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(
        finding.reason.starts_with("empty result"),
        "{}",
        finding.reason
    );
}

#[test]
fn too_little_work_fails() {
    let asked = |min: u64| {
        judge(
            &case(json!({"processed_rows": {"min": min}})),
            &measured(5),
            false,
        )
        .verdict
    };
    assert_eq!((asked(1000), asked(1001)), (Verdict::Pass, Verdict::Fail));
}

#[test]
fn other_rows_fail_unless_they_may_differ() {
    let mut other = measured(60);
    other.samples[30].fingerprint = "other".into();
    assert_eq!(
        judge(&case(json!({})), &other, false).verdict,
        Verdict::Fail
    );
    assert_eq!(
        judge(&case(json!({"deterministic": false})), &other, false).verdict,
        Verdict::Pass
    );
}

#[test]
fn a_failed_run_fails_and_nothing_measured_never_passes() {
    let mut broken = measured(60);
    broken.failure = Some("round 62: query q failed with TABLE_NOT_FOUND: no".into());
    assert_eq!(
        judge(&case(json!({"sla": {"p95": "2s"}})), &broken, false).verdict,
        Verdict::Fail
    );
    assert_eq!(
        judge(&case(json!({})), &Measured::default(), false).verdict,
        Verdict::Inconclusive
    );
    let only_warm = Measured {
        samples: vec![sample(1, false, 10)],
        ..Measured::default()
    };
    assert_eq!(
        judge(&case(json!({"sla": {"p50": "2s"}})), &only_warm, false).verdict,
        Verdict::Inconclusive
    );
}

#[test]
fn a_port_forward_is_named() {
    assert!(
        judge(&case(json!({})), &measured(5), true)
            .reason
            .contains("port-forward")
    );
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    let build = |with: Value| TrinoBenchmark::build(serde_json::from_value(with).unwrap()).is_ok();
    let one = json!({"name": "a", "sql": "SELECT 1"});
    assert!(build(json!({"queries": [one]})));
    assert!(!build(json!({"queries": []})));
    assert!(!build(json!({"queries": [one, one]})));
    assert!(!build(json!({"runs": 0, "queries": [one]})));
    assert!(!build(json!({"queries": [{"name": "a"}]})));
}

async fn run(
    answers: Vec<(u16, Value)>,
    with: Value,
) -> (Coordinator, TestContext, Result<Output, StepError>) {
    let coordinator = Coordinator::answering(answers);
    let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"},
        "trino": {"url": coordinator.start().await}});
    let test = TestContext::new("benchmark")
        .unwrap()
        .target(serde_json::from_value(target).unwrap());
    let step = rejudged::<TrinoBenchmark>(with).unwrap();
    let outcome = step.run(&test.context).await;
    (coordinator, test, outcome)
}

fn rows(count: u64) -> (u16, Value) {
    (
        200,
        page(
            "FINISHED",
            None,
            json!({"data": (0..count).map(|row| json!([row])).collect::<Vec<_>>()}),
        ),
    )
}

fn failure() -> (u16, Value) {
    let error = json!({"message": "no", "errorCode": 1, "errorName": "TABLE_NOT_FOUND", "errorType": "USER_ERROR"});
    (200, page("FAILED", None, json!({"error": error})))
}

#[tokio::test]
async fn rounds_are_interleaved_and_a_query_that_fails_leaves_the_others() {
    let with = json!({"warmup": 1, "runs": 2, "queries": [
        {"name": "good", "sql": "SELECT 1", "proves": "sla_good"}, {"name": "bad", "sql": "SELECT 2"}]});
    let (coordinator, test, outcome) =
        run(vec![rows(1), rows(1), failure(), rows(1), rows(1)], with).await;
    let output = outcome.unwrap();
    let asked: Vec<String> = coordinator
        .asked()
        .into_iter()
        .map(|asked| asked.body)
        .collect();
    assert_eq!(
        asked,
        ["SELECT 1", "SELECT 2", "SELECT 2", "SELECT 1", "SELECT 1"]
    );
    let verdicts: Vec<Verdict> = output
        .findings
        .iter()
        .map(|finding| finding.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail]);
    assert_eq!(output.findings[0].proves[0].as_str(), "sla_good");
    assert!(
        output.findings[1].reason.contains("TABLE_NOT_FOUND"),
        "{}",
        output.findings[1].reason
    );
    assert_eq!(output.value["queries"][0]["samples"], json!(2));
    let calibration: Calibration =
        serde_json::from_value(output.value["calibration"].clone()).unwrap();
    for number in calibration.numbers() {
        let shown = &output.findings[0].numbers;
        assert!(shown.contains(&number), "{} is not shown", number.name);
    }
    assert!(
        test.sink
            .evidence_text("benchmark-good.json")
            .unwrap()
            .contains("\"query_id\": \"q_1_a\"")
    );
}

#[tokio::test]
async fn a_server_that_refuses_is_no_querys_failure() {
    let with = json!({"warmup": 0, "runs": 1, "queries": [{"name": "a", "sql": "SELECT 1"}]});
    let (_, _, outcome) = run(vec![(401, json!("no"))], with).await;
    assert_eq!(outcome.unwrap_err().code, "trino.http_401");
}

#[tokio::test]
async fn a_write_is_not_repeated() {
    let with = json!({"queries": [{"name": "a", "sql": "DELETE FROM t"}]});
    let (coordinator, _, outcome) = run(Vec::new(), with).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (ErrorClass::Permanent, "trino.not_a_read")
    );
    assert!(coordinator.lines().is_empty());
}
