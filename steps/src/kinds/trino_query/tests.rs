//! Verdicts on results, and what a resumed attempt does about the query of the process before.

use serde_json::json;

use super::verdict::judge_distribution;
use super::*;
use crate::clients::trino::query::sql_tag;
use crate::clients::trino::tests::{Coordinator, page};
use crate::testing::{TestContext, rejudged};
use flowctl_workflows::result::ErrorClass;
use flowctl_workflows::result::Verdict;

const INSERT: &str = "INSERT INTO t VALUES 1";

fn build(with: Value) -> Result<Box<dyn Step>, String> {
    rejudged::<TrinoQuery>(with)
}

async fn context(coordinator: &Coordinator) -> TestContext {
    let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"},
        "trino": {"url": coordinator.start().await}});
    TestContext::new("seed")
        .unwrap()
        .target(serde_json::from_value(target).unwrap())
}

async fn verdict_of(with: Value, last: Value) -> (Verdict, String) {
    let coordinator = Coordinator::answering(vec![
        (200, page("QUEUED", Some(1), json!({}))),
        (200, page("FINISHED", None, last)),
    ]);
    let test = context(&coordinator).await;
    let output = build(with).unwrap().run(&test.context).await.unwrap();
    assert_eq!(output.findings.len(), 1);
    assert_eq!(
        output.findings[0].evidence,
        [test.sink.evidence()[0].sha256.clone()]
    );
    (
        output.findings[0].verdict,
        output.findings[0].reason.clone(),
    )
}

#[tokio::test]
async fn too_few_rows_fail_and_none_prove_nothing() {
    let select = |rows: Value| json!({"sql": "SELECT 1", "rows": rows});
    let two = json!({"data": [[1], [2]]});
    assert_eq!(
        verdict_of(select(json!({"min": 1})), two.clone()).await.0,
        Verdict::Pass
    );
    assert_eq!(
        verdict_of(select(json!({"min": 3})), two.clone()).await.0,
        Verdict::Fail
    );
    assert_eq!(
        verdict_of(select(json!({"max": 1})), two.clone()).await.0,
        Verdict::Fail
    );
    assert_eq!(
        verdict_of(select(json!({"min": 1})), json!({})).await.0,
        Verdict::Fail
    );
    assert_eq!(
        verdict_of(select(json!({"max": 0})), json!({})).await.0,
        Verdict::Pass
    );
    assert_eq!(
        verdict_of(json!({"sql": "SELECT 1"}), two).await.0,
        Verdict::Pass
    );
    assert_eq!(
        verdict_of(json!({"sql": "SELECT 1"}), json!({})).await.0,
        Verdict::Inconclusive
    );
}

#[tokio::test]
async fn a_write_that_changed_nothing_proves_nothing() {
    let insert = |more: Value| {
        let mut with = json!({"sql": INSERT});
        if more != Value::Null {
            with["update_count"] = more;
        }
        with
    };
    let wrote = |count: u64| json!({"updateType": "INSERT", "updateCount": count});
    assert_eq!(
        verdict_of(insert(Value::Null), wrote(5)).await.0,
        Verdict::Pass
    );
    assert_eq!(
        verdict_of(insert(Value::Null), wrote(0)).await.0,
        Verdict::Inconclusive
    );
    assert_eq!(
        verdict_of(insert(json!({"min": 6})), wrote(5)).await.0,
        Verdict::Fail
    );
    assert_eq!(
        verdict_of(insert(json!({"min": 6})), json!({"updateType": "INSERT"}))
            .await
            .0,
        Verdict::Inconclusive
    );
}

#[tokio::test]
async fn a_write_that_may_change_nothing_says_so() {
    let create =
        json!({"sql": "CREATE TABLE IF NOT EXISTS t AS SELECT 1 a", "update_count": {"min": 0}});
    for last in [
        json!({"updateType": "CREATE TABLE", "updateCount": 0}),
        json!({"updateType": "CREATE TABLE"}),
    ] {
        assert_eq!(verdict_of(create.clone(), last).await.0, Verdict::Pass);
    }
}

#[tokio::test]
async fn with_less_than_needed_nothing_is_judged() {
    let of = |rows: Value| {
        let least = json!({"value": 1000, "unit": "bytes", "what": "the data set"});
        let with = json!({"sql": "SELECT 1", "least": least});
        verdict_of(with, json!({"data": rows}))
    };
    assert_eq!(of(json!([[1000]])).await.0, Verdict::Pass);
    let (verdict, reason) = of(json!([[999, 5]])).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.contains("the data set has only 999 bytes"),
        "{reason}"
    );
    assert_eq!(of(json!([["1000.5"]])).await.0, Verdict::Pass);
    assert_eq!(of(json!([[null]])).await.0, Verdict::Inconclusive);
    assert_eq!(of(json!([])).await.0, Verdict::Inconclusive);
}

#[test]
fn work_must_have_been_done_on_workers() {
    let node = |name: &str, coordinator: bool, completed_drivers: u64| NodeWork {
        node: name.into(),
        coordinator,
        tasks: 1,
        completed_drivers,
        input_rows: 10,
    };
    assert_eq!(judge_distribution(1, &[]).0, Verdict::Inconclusive);
    assert_eq!(
        judge_distribution(1, &[node("c", true, 9)]).0,
        Verdict::Fail
    );
    assert_eq!(
        judge_distribution(2, &[node("a", false, 1), node("b", false, 0)]).0,
        Verdict::Fail
    );
    assert_eq!(
        judge_distribution(2, &[node("a", false, 1), node("b", false, 2)]).0,
        Verdict::Pass
    );
}

#[test]
fn parameters_that_say_nothing_or_too_much_are_refused() {
    assert!(build(json!({})).is_err());
    assert!(build(json!({"sql": "SELECT 1", "file": "a.sql"})).is_err());
    assert!(build(json!({"sql": "SELECT 1", "rows": {}})).is_err());
    assert!(build(json!({"sql": "SELECT 1", "rows": {"min": 2, "max": 1}})).is_err());
}

fn query(id: &str, state: &str, sql: &str) -> Value {
    let tag = sql_tag(&Statement::new(sql).unwrap());
    json!({"queryId": id, "state": state, "queryStats": {}, "queryType": "INSERT",
           "session": {"source": "flowctl/test/seed/1", "clientTags": ["flowctl", tag]}})
}

/// Resumes an INSERT that was announced as query `q_0_a`, a minute before the coordinator answers so.
async fn resume(sql: &str, answers: Vec<(u16, Value)>) -> (Coordinator, Result<Output, StepError>) {
    resume_after(sql, sql, answers).await
}

/// The same when the last statement that the process before announced is another one.
async fn resume_after(
    announced: &str,
    sql: &str,
    answers: Vec<(u16, Value)>,
) -> (Coordinator, Result<Output, StepError>) {
    let coordinator = Coordinator::answering(answers);
    let mut test = context(&coordinator).await;
    let tag = sql_tag(&Statement::new(announced).unwrap());
    test.context.handle =
        Some(json!({"query_id": "q_0_a", "sql": tag, "at": "1969-12-31T23:59:00Z"}));
    let outcome = build(json!({"sql": sql})).unwrap().run(&test.context).await;
    (coordinator, outcome)
}

fn statements(coordinator: &Coordinator) -> usize {
    coordinator
        .lines()
        .iter()
        .filter(|line| *line == "POST /v1/statement")
        .count()
}

#[tokio::test]
async fn a_finished_insert_is_not_repeated() {
    let (coordinator, outcome) = resume(
        INSERT,
        vec![(200, json!([query("q_0_a", "FINISHED", INSERT)]))],
    )
    .await;
    assert_eq!(outcome.unwrap().value["found_finished"], json!(true));
    assert_eq!(statements(&coordinator), 0);
}

#[tokio::test]
async fn a_failed_insert_is_repeated() {
    let answers = vec![
        (200, json!([query("q_0_a", "FAILED", INSERT)])),
        (
            200,
            page(
                "FINISHED",
                None,
                json!({"updateType": "INSERT", "updateCount": 1}),
            ),
        ),
    ];
    let (coordinator, outcome) = resume(INSERT, answers).await;
    assert_eq!(outcome.unwrap().value["update_count"], json!(1));
    assert_eq!(statements(&coordinator), 1);
}

#[tokio::test]
async fn an_insert_of_unknown_fate_is_lost_and_not_doubled() {
    for known in [json!([]), json!([query("q_9_b", "FINISHED", "SELECT 1")])] {
        let (coordinator, outcome) = resume(INSERT, vec![(200, known.clone()), (200, known)]).await;
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (ErrorClass::Lost, "trino.effect_unknown")
        );
        assert_eq!(statements(&coordinator), 0);
    }
}

#[tokio::test]
async fn an_insert_that_the_same_coordinator_never_saw_is_begun() {
    let known = json!([query("q_9_a", "FINISHED", "SELECT 1")]);
    let last = page(
        "FINISHED",
        None,
        json!({"updateType": "INSERT", "updateCount": 1}),
    );
    let (coordinator, outcome) = resume(
        INSERT,
        vec![(200, known.clone()), (200, known), (200, last)],
    )
    .await;
    assert!(outcome.is_ok());
    assert_eq!(statements(&coordinator), 1);
}

#[tokio::test]
async fn an_insert_announced_so_long_ago_that_it_may_be_forgotten_is_lost() {
    let known = json!([query("q_9_a", "FINISHED", "SELECT 1")]);
    let coordinator = Coordinator::answering(vec![(200, known.clone()), (200, known)]);
    let mut test = context(&coordinator).await;
    let tag = sql_tag(&Statement::new(INSERT).unwrap());
    test.context.handle =
        Some(json!({"query_id": "q_0_a", "sql": tag, "at": "1969-12-31T23:49:00Z"}));
    let outcome = build(json!({"sql": INSERT}))
        .unwrap()
        .run(&test.context)
        .await;
    assert_eq!(outcome.unwrap_err().code, "trino.effect_unknown");
    assert_eq!(statements(&coordinator), 0);
}

#[tokio::test]
async fn a_read_is_simply_repeated() {
    let answers = vec![
        (200, json!([query("q_0_a", "FINISHED", "SELECT 1")])),
        (200, page("FINISHED", None, json!({"data": [[1]]}))),
    ];
    let (coordinator, outcome) = resume("SELECT 1", answers).await;
    assert_eq!(outcome.unwrap().value["row_count"], json!(1));
    assert_eq!(statements(&coordinator), 1);
}

#[tokio::test]
async fn an_insert_is_not_repeated_because_a_probe_came_after_it() {
    let list = |insert: &str| {
        json!([
            query("q_0_a", "FINISHED", "SELECT 2"),
            query("q_8_a", insert, INSERT)
        ])
    };
    let (coordinator, outcome) =
        resume_after("SELECT 2", INSERT, vec![(200, list("FINISHED"))]).await;
    assert_eq!(outcome.unwrap().value["query_id"], json!("q_8_a"));
    assert_eq!(statements(&coordinator), 0);
    // Nothing is known of the INSERT itself: that the coordinator is the same one does not say that it never began.
    let probe = json!([query("q_0_a", "FINISHED", "SELECT 2")]);
    let (coordinator, outcome) = resume_after("SELECT 2", INSERT, vec![(200, probe)]).await;
    assert_eq!(outcome.unwrap_err().code, "trino.effect_unknown");
    assert_eq!(statements(&coordinator), 0);
}

#[tokio::test]
async fn a_limit_is_proven_only_by_its_own_error() {
    let with = json!({"sql": "SELECT 1", "fails_with": "EXCEEDED_TIME_LIMIT"});
    let refused = |name: &str| json!({"error": {"message": "no", "errorCode": 1, "errorName": name, "errorType": "INSUFFICIENT_RESOURCES"}});
    let (verdict, reason) = verdict_of(with.clone(), refused("EXCEEDED_TIME_LIMIT")).await;
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    let (verdict, reason) = verdict_of(with.clone(), refused("NO_NODES_AVAILABLE")).await;
    assert_eq!(verdict, Verdict::Fail, "{reason}");
    assert!(reason.contains("NO_NODES_AVAILABLE"), "{reason}");
    let (verdict, reason) = verdict_of(with, json!({"data": [[1]]})).await;
    assert_eq!(verdict, Verdict::Fail, "{reason}");
    assert!(reason.contains("ended well"), "{reason}");
}

#[tokio::test]
async fn a_statement_that_must_fail_is_a_read_and_has_no_rows() {
    for with in [
        json!({"sql": "SELECT 1", "fails_with": "too slow"}),
        json!({"sql": "SELECT 1", "fails_with": "EXCEEDED_TIME_LIMIT", "rows": {"min": 1}}),
    ] {
        assert!(build(with.clone()).is_err(), "{with}");
    }
    let coordinator = Coordinator::answering(Vec::new());
    let test = context(&coordinator).await;
    let write = build(json!({"sql": INSERT, "fails_with": "EXCEEDED_TIME_LIMIT"})).unwrap();
    let error = write.run(&test.context).await.unwrap_err();
    assert_eq!(error.code, "trino.not_a_read");
    assert!(coordinator.asked().is_empty());
}
