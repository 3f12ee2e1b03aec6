//! Verdicts on loads, and clients against a coordinator on loopback.

use flowctl_workflows::result::Verdict;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::verdict::judge;
use super::*;
use crate::clients::trino::protocol::{QueryTimes, Stats};
use crate::clients::trino::tests::{Coordinator, page};
use crate::testing::{TestContext, rejudged};

fn with(more: Value) -> Value {
    let mut with = json!({"clients": 3, "queries": [{"name": "join", "sql": "SELECT 1"}]});
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    with
}

fn params(more: Value) -> Params {
    serde_json::from_value(with(more)).unwrap()
}

/// A query in execution from second `start` to `end`.
fn ran(start: i64, end: i64) -> Ran {
    let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
    Ran {
        query_id: Some("q".into()),
        row_count: 1,
        stats: Stats {
            elapsed_time_millis: 1500,
            queued_time_millis: 500,
            ..Stats::default()
        },
        times: Some(QueryTimes {
            execution_start_time: at(start),
            end_time: at(end),
            ..QueryTimes::default()
        }),
        ..Ran::default()
    }
}

fn running(count: u64) -> Reading {
    Reading {
        states: [("RUNNING".to_owned(), count)].into(),
        ..Reading::default()
    }
}

#[test]
fn success_alone_is_no_proof_of_overlap() {
    let together = [ran(0, 10), ran(1, 10), ran(2, 10)];
    let apart = [ran(0, 1), ran(1, 2), ran(2, 3)];
    let verdict = |more: Value, ran: &[Ran], readings: &[Reading]| {
        judge(&params(more), ran, readings, 1, false).0.verdict
    };
    assert_eq!(verdict(json!({}), &together, &[]), Verdict::Pass);
    assert_eq!(verdict(json!({}), &apart, &[]), Verdict::Inconclusive);
    assert_eq!(
        verdict(json!({"overlap": {"min": 1}}), &apart, &[]),
        Verdict::Pass
    );
    assert_eq!(
        verdict(json!({}), &apart, &[running(2), running(3)]),
        Verdict::Pass
    );
    assert_eq!(verdict(json!({}), &[], &[]), Verdict::Inconclusive);
    let (finding, _) = judge(&params(json!({})), &apart, &[], 1, true);
    assert!(
        finding.reason.contains("peak 1 of 3") && finding.reason.contains("port-forward"),
        "{}",
        finding.reason
    );
}

#[test]
fn one_failure_fails_all() {
    let mut queries = [ran(0, 10), ran(1, 10), ran(2, 10)];
    queries[1].failure = Some("query q failed with QUERY_QUEUE_FULL: no room".into());
    let (finding, output) = judge(&params(json!({})), &queries, &[], 1, false);
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(
        finding.reason.contains("1 of 3") && finding.reason.contains("QUERY_QUEUE_FULL"),
        "{}",
        finding.reason
    );
    assert_eq!(
        (
            output.succeeded,
            output.queued_max_millis,
            output.run_time_p50_millis
        ),
        (2, 500, Some(1000.0))
    );
}

/// A query that the server would not take.
fn turned_away() -> Ran {
    Ran {
        query_id: Some("q".into()),
        failure: Some("query q failed with QUERY_QUEUE_FULL: no room".into()),
        error_name: Some("QUERY_QUEUE_FULL".into()),
        ..Ran::default()
    }
}

#[test]
fn a_limit_that_was_passed_is_none() {
    let together = [ran(0, 10), ran(1, 10), ran(2, 10)];
    let verdict = |max: u32| {
        let params = params(json!({"overlap": {"min": 1, "max": max}}));
        judge(&params, &together, &[], 1, false).0
    };
    assert_eq!(verdict(3).verdict, Verdict::Pass);
    let finding = verdict(2);
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(finding.reason.contains("at most 2"), "{}", finding.reason);
}

#[test]
fn a_queue_must_have_been_seen() {
    let together = [ran(0, 10), ran(1, 10), ran(2, 10)];
    let waiting = Reading {
        states: [("QUEUED".to_owned(), 2)].into(),
        ..Reading::default()
    };
    let verdict = |min: u32, readings: &[Reading]| {
        let params = params(json!({"queued": {"min": min}}));
        judge(&params, &together, readings, 1, false).0.verdict
    };
    assert_eq!(verdict(2, std::slice::from_ref(&waiting)), Verdict::Pass);
    assert_eq!(verdict(3, &[waiting]), Verdict::Fail);
    assert_eq!(verdict(1, &[]), Verdict::Fail);
}

#[test]
fn refusals_are_failures_unless_they_are_asked_for() {
    let some = [ran(0, 10), ran(1, 10), turned_away()];
    let judged = |more: Value, ran: &[Ran]| judge(&params(more), ran, &[], 1, false);
    let asked = |min: u32| json!({"overlap": {"min": 2}, "refusals": {"error": "QUERY_QUEUE_FULL", "min": min}});
    assert_eq!(
        judged(json!({"overlap": {"min": 2}}), &some).0.verdict,
        Verdict::Fail
    );
    let (finding, output) = judged(asked(1), &some);
    assert_eq!(
        (finding.verdict, output.succeeded, output.refused),
        (Verdict::Pass, 2, 1),
        "{}",
        finding.reason
    );
    assert_eq!(judged(asked(2), &some).0.verdict, Verdict::Fail);
    let other = json!({"overlap": {"min": 2}, "refusals": {"error": "EXCEEDED_TIME_LIMIT"}});
    assert_eq!(judged(other, &some).0.verdict, Verdict::Fail);
    let none = [ran(0, 10), ran(1, 10), ran(2, 10)];
    assert_eq!(judged(asked(1), &none).0.verdict, Verdict::Fail);
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    let build = |more: Value| TrinoLoad::build(params(more)).is_ok();
    assert!(build(json!({})));
    assert!(!build(json!({"clients": 0})));
    assert!(!build(json!({"queries": []})));
    assert!(!build(json!({"queries_per_client": 1, "duration": "1s"})));
    assert!(!build(json!({"overlap": {"min": 4}})));
    assert!(!build(json!({"overlap": {"min": 2, "max": 1}})));
    assert!(!build(json!({"queued": {"min": 0}})));
    assert!(!build(json!({"refusals": {"error": "X", "min": 4}})));
    assert!(!build(json!({"probe": {"query": {"name": "small"}}})));
    assert!(!build(json!({"sample_every": "1ms"})));
    assert!(!build(json!({"every": "10ms"})));
    assert!(!build(json!({"model": "open"})));
    assert!(!build(json!({"model": "open", "every": "0ms"})));
    assert!(build(json!({"model": "open", "every": "1ms"})));
}

/// Three clients, a query every ten milliseconds, so late each.
fn scheduled(more: Value, late: &[u64]) -> (flowctl_workflows::result::Finding, LoadOutput) {
    let mut with = json!({"model": "open", "every": "10ms"});
    with.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let ran: Vec<Ran> = late
        .iter()
        .map(|millis| Ran {
            late_micros: Some(millis * 1000),
            ..ran(0, 1)
        })
        .collect();
    judge(&params(with), &ran, &[], 1, false)
}

#[test]
fn a_schedule_that_was_not_held_proves_nothing() {
    let mut late = vec![1; 99];
    late.push(500);
    let (finding, output) = scheduled(json!({}), &late);
    assert_eq!(finding.verdict, Verdict::Pass, "{}", finding.reason);
    assert_eq!(
        (output.late_p50_millis, output.late_p99_millis),
        (Some(1.0), Some(1.0))
    );
    late.push(500);
    let (finding, _) = scheduled(json!({}), &late);
    assert_eq!(finding.verdict, Verdict::Inconclusive);
    assert!(
        finding.reason.contains("500.0 ms late"),
        "{}",
        finding.reason
    );
    let (finding, _) = scheduled(json!({"late": "1s"}), &late);
    assert_eq!(finding.verdict, Verdict::Pass);
    let (finding, _) = scheduled(json!({"late": "1s", "overlap": {"min": 3}}), &[0]);
    assert_eq!(finding.verdict, Verdict::Inconclusive);
}

async fn run(coordinator: &Coordinator, more: Value) -> (TestContext, Result<Output, StepError>) {
    let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"},
        "trino": {"url": coordinator.start().await}});
    let test = TestContext::new("load")
        .unwrap()
        .target(serde_json::from_value(target).unwrap());
    let step = rejudged::<TrinoLoad>(with(more)).unwrap();
    let outcome = step.run(&test.context).await;
    (test, outcome)
}

#[tokio::test]
async fn every_client_sends_and_every_query_is_looked_up() {
    let row = || (200, page("FINISHED", None, json!({"data": [[1]]})));
    let life = || {
        (
            200,
            json!({"queryId": "q_1_a", "state": "FINISHED", "session": {}, "queryStats": {
            "executionStartTime": "2026-11-23T03:14:50.370Z", "endTime": "2026-11-23T03:16:03.360Z"}}),
        )
    };
    let answers = vec![row(), row(), row(), row(), life(), life(), life(), life()];
    let coordinator = Coordinator::answering(answers);
    let (test, outcome) = run(&coordinator, json!({"clients": 2, "queries_per_client": 2})).await;
    let output = outcome.unwrap();
    assert_eq!(output.findings[0].verdict, Verdict::Pass);
    assert_eq!(
        (&output.value["queries"], &output.value["peak_executing"]),
        (&json!(4), &json!(4))
    );
    let sent = coordinator
        .asked()
        .into_iter()
        .filter(|asked| asked.body == "SELECT 1");
    let clients: Vec<String> = sent
        .map(|asked| {
            asked.headers["x-trino-client-tags"]
                .to_str()
                .unwrap()
                .rsplit_once("client=")
                .unwrap()
                .1
                .to_owned()
        })
        .collect();
    assert_eq!(
        (
            clients.len(),
            clients.iter().filter(|client| *client == "2").count()
        ),
        (4, 2)
    );
    assert!(
        test.sink
            .evidence_text("load.json")
            .unwrap()
            .contains("2026-11-23T03:16:03.36Z")
    );
}

#[tokio::test]
async fn in_the_open_model_each_query_is_sent_once_and_not_before_it_is_due() {
    let answers = (0..4).map(|_| (200, page("FINISHED", None, json!({"data": [[1]]}))));
    let coordinator = Coordinator::answering(answers.collect());
    let with = json!({"clients": 2, "model": "open", "every": "20ms", "duration": "70ms"});
    let (test, outcome) = run(&coordinator, with).await;
    let output = outcome.unwrap();
    let record: Value =
        serde_json::from_str(&test.sink.evidence_text("load.json").unwrap()).unwrap();
    let late: Vec<u64> = record["queries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ran| ran["late_micros"].as_u64().unwrap())
        .collect();
    assert_eq!((late.len(), &output.value["queries"]), (4, &json!(4)));
    // The last one was due after 60 ms, and nobody waited less.
    assert!(record["result"]["wall_millis"].as_u64().unwrap() >= 60);
    assert!(output.value["late_p99_millis"].is_f64());
}

#[tokio::test]
async fn what_the_client_alone_takes_stands_beside_what_was_measured_and_is_found_again() {
    let coordinator =
        Coordinator::answering(vec![(200, page("FINISHED", None, json!({"data": [[1]]})))]);
    let (_, outcome) = run(&coordinator, json!({"clients": 1})).await;
    let output = outcome.unwrap();
    let calibration: Calibration =
        serde_json::from_value(output.value["calibration"].clone()).unwrap();
    assert!(calibration.queries > 0 && calibration.p50_micros > 0);
    let shown = &output.findings[0].numbers;
    for number in calibration.numbers() {
        assert!(shown.contains(&number), "{} is not shown", number.name);
    }
    // Its queries are none of the platform's.
    let sent = coordinator.lines();
    assert_eq!(
        sent.iter().filter(|line| line.starts_with("POST")).count(),
        1
    );
}

#[tokio::test]
async fn a_query_that_fails_is_an_outcome_and_not_the_steps_end() {
    let error = json!({"message": "no", "errorCode": 1, "errorName": "QUERY_QUEUE_FULL", "errorType": "INSUFFICIENT_RESOURCES"});
    let coordinator =
        Coordinator::answering(vec![(200, page("FAILED", None, json!({"error": error})))]);
    let (_, outcome) = run(&coordinator, json!({"clients": 1})).await;
    let output = outcome.unwrap();
    assert_eq!(
        (output.findings[0].verdict, &output.value["succeeded"]),
        (Verdict::Fail, &json!(0))
    );
}
