//! The verdict on a server's words, and waiting for one that is not ready.

use super::*;
use crate::clients::trino::protocol::NodeVersion;
use crate::clients::trino::tests::{Coordinator, page};
use crate::testing::TestContext;

fn server() -> ServerInfo {
    ServerInfo {
        node_version: NodeVersion {
            version: "476".into(),
        },
        environment: "lab".into(),
        coordinator: true,
        starting: false,
        uptime: None,
    }
}

fn node_of(id: &str, version: &str, coordinator: bool, state: &str) -> Node {
    Node {
        id: id.into(),
        uri: format!("http://{id}"),
        version: version.into(),
        coordinator,
        state: state.into(),
    }
}

#[test]
fn the_workers_decide_and_the_coordinator_is_none() {
    let nodes = [
        node_of("c", "476", true, "active"),
        node_of("w1", "476", false, "active"),
        node_of("w2", "476", false, "shutting_down"),
    ];
    assert_eq!(judge(&server(), &nodes, None).verdict, Verdict::Pass);
    assert_eq!(
        judge(&server(), &nodes, Some(Workers { min: 1 })).verdict,
        Verdict::Pass
    );
    let short = judge(&server(), &nodes, Some(Workers { min: 2 }));
    assert_eq!(short.verdict, Verdict::Fail);
    assert!(
        short.reason.contains("1 of the 2") && short.reason.contains("w2"),
        "{}",
        short.reason
    );
}

#[test]
fn a_server_without_nodes_proves_nothing() {
    assert_eq!(judge(&server(), &[], None).verdict, Verdict::Inconclusive);
}

#[test]
fn nodes_of_different_versions_fail() {
    let nodes = [
        node_of("c", "476", true, "active"),
        node_of("w1", "475", false, "active"),
    ];
    assert_eq!(
        judge(&server(), &nodes, Some(Workers { min: 1 })).verdict,
        Verdict::Fail
    );
}

fn info(starting: bool) -> Value {
    json!({"nodeVersion": {"version": "476"}, "environment": "lab", "coordinator": true, "starting": starting, "uptime": "9.45m"})
}

async fn run(coordinator: &Coordinator, with: Value) -> (TestContext, Result<Output, StepError>) {
    let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"},
        "trino": {"url": coordinator.start().await}});
    let test = TestContext::new("ready")
        .unwrap()
        .target(serde_json::from_value(target).unwrap());
    let step = TrinoInfo::build(serde_json::from_value(with).unwrap()).unwrap();
    let outcome = step.run(&test.context).await;
    (test, outcome)
}

#[tokio::test]
async fn a_server_that_is_still_starting_is_not_ready() {
    let coordinator = Coordinator::answering(vec![(200, info(true))]);
    let (_, outcome) = run(&coordinator, json!({"within": "0s"})).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (ErrorClass::TimedOut, "trino.not_ready")
    );
    assert!(error.message.contains("still starting"), "{error}");
}

#[tokio::test]
async fn a_ready_server_is_described() {
    let rows = json!({"data": [["c", "http://c", "476", true, "active"], ["w", "http://w", "476", false, "active"]]});
    let coordinator = Coordinator::answering(vec![
        (200, info(false)),
        (200, page("FINISHED", None, rows)),
    ]);
    let (test, outcome) = run(&coordinator, json!({"within": "0s", "workers": {"min": 1}})).await;
    let output = outcome.unwrap();
    assert_eq!(
        (&output.value["version"], &output.value["workers"]),
        (&json!("476"), &json!(1))
    );
    assert_eq!(output.findings[0].verdict, Verdict::Pass);
    assert_eq!(
        output.findings[0].evidence,
        [test.sink.evidence()[0].sha256.clone()]
    );
}

#[tokio::test]
async fn a_worker_is_not_the_coordinator() {
    let mut worker = info(false);
    worker["coordinator"] = json!(false);
    let coordinator = Coordinator::answering(vec![(200, worker)]);
    let (_, outcome) = run(&coordinator, json!({})).await;
    assert_eq!(outcome.unwrap_err().code, "trino.not_the_coordinator");
}
