//! The verdict on a server's words, and waiting for one that is not ready.

use super::*;
use crate::clients::trino::protocol::NodeVersion;
use crate::clients::trino::tests::{Coordinator, page};
use crate::testing::{TestContext, rejudged};

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

fn at_least(min: u64) -> Workers {
    Workers { min, pods: None }
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
        judge(&server(), &nodes, Some(&at_least(1))).verdict,
        Verdict::Pass
    );
    let short = judge(&server(), &nodes, Some(&at_least(2)));
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
        judge(&server(), &nodes, Some(&at_least(1))).verdict,
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
    let step = rejudged::<TrinoInfo>(with).unwrap();
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

#[tokio::test]
async fn a_question_that_went_to_a_dead_worker_is_asked_again() {
    let rows = json!({"data": [["c", "http://c", "476", true, "active"], ["w", "http://w", "476", false, "active"]]});
    let late = json!({"error": {"message": "Query exceeded maximum time limit of 20.00s", "errorCode": 131_075,
        "errorName": "EXCEEDED_TIME_LIMIT", "errorType": "INSUFFICIENT_RESOURCES"}});
    let answers = |rows: &Value| {
        vec![
            (200, info(false)),
            (200, page("FAILED", None, late.clone())),
            (200, page("FINISHED", None, rows.clone())),
        ]
    };
    let coordinator = Coordinator::answering(answers(&rows));
    let (_, outcome) = run(&coordinator, json!({"within": "1m", "workers": {"min": 1}})).await;
    assert_eq!(outcome.unwrap().findings[0].verdict, Verdict::Pass);
    let asked = coordinator.asked();
    let limits: Vec<&str> = asked
        .iter()
        .filter_map(|request| request.headers.get("x-trino-session")?.to_str().ok())
        .collect();
    assert_eq!(limits, ["query_max_run_time=20s"; 2]);
    // When there is no time left, it is said and not asked for ever.
    let coordinator = Coordinator::answering(answers(&rows));
    let (_, outcome) = run(&coordinator, json!({"within": "0s", "workers": {"min": 1}})).await;
    assert_eq!(outcome.unwrap_err().code, "trino.EXCEEDED_TIME_LIMIT");
}

/// A worker's pod with its address.
fn pod_at(name: &str, address: &str, ready: bool) -> Value {
    let mut pod = crate::clients::kube::fake::pod("shop", name, json!({"app": "trino"}), ready);
    pod["status"]["podIP"] = json!(address);
    pod
}

#[tokio::test]
async fn a_worker_whose_pod_has_gone_is_none() {
    let rows = json!({"data": [
        ["c", "http://10.0.0.1:8080", "476", true, "active"],
        ["w1", "http://10.0.0.2:8080", "476", false, "active"],
        ["w2", "http://10.0.0.3:8080", "476", false, "active"],
    ]});
    let judged = async |pods: Vec<Value>| {
        let coordinator = Coordinator::answering(vec![
            (200, info(false)),
            (200, page("FINISHED", None, rows.clone())),
        ]);
        let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"},
            "trino": {"url": coordinator.start().await}});
        let test = TestContext::new("ready")
            .unwrap()
            .target(serde_json::from_value(target).unwrap())
            .cluster(crate::clients::kube::fake::FakeServer::with(pods).kube());
        let with = json!({"within": "0s", "workers": {"min": 2, "pods": {"namespace": "shop", "selector": "app=trino"}}});
        let step = rejudged::<TrinoInfo>(with).unwrap();
        let mut output = step.run(&test.context).await.unwrap();
        output.findings.remove(0)
    };
    let both = vec![pod_at("a", "10.0.0.2", true), pod_at("b", "10.0.0.3", true)];
    assert_eq!(judged(both).await.verdict, Verdict::Pass);
    let replaced = vec![pod_at("a", "10.0.0.2", true), pod_at("c", "10.0.0.4", true)];
    let finding = judged(replaced).await;
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(finding.reason.contains("w2 (gone)"), "{}", finding.reason);
    let unready = vec![
        pod_at("a", "10.0.0.2", true),
        pod_at("b", "10.0.0.3", false),
    ];
    assert_eq!(judged(unready).await.verdict, Verdict::Fail);
}
