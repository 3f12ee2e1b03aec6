use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::{TestContext, rejudged};
use flowctl_workflows::result::Verdict;

fn with(extra: Value) -> Value {
    let mut with = json!({"namespace": "shop", "selector": "app=trino", "min_pods": 2});
    for (key, value) in extra.as_object().unwrap() {
        with[key] = value.clone();
    }
    with
}

async fn run(with: Value, logs: &'static [(&str, &str)]) -> (Verdict, String, TestContext) {
    let pods = logs
        .iter()
        .map(|(name, _)| pod("shop", name, json!({"app": "trino"}), true))
        .collect();
    let server = FakeServer::with(pods).hook(|call, _| {
        let (_, text) = logs
            .iter()
            .find(|(name, _)| call.path.ends_with(&format!("/{name}/log")))?;
        Some((200, json!(text)))
    });
    let test = TestContext::new("logs")
        .unwrap()
        .secrets(&[("K", "hunter2-key")])
        .cluster(server.kube());
    let step = rejudged::<KubeLogs>(with).unwrap();
    let output = step.run(&test.context).await.unwrap();
    let said = format!("{} {}", output.value, output.findings[0].reason);
    (output.findings[0].verdict, said, test)
}

#[tokio::test]
async fn required_lines_pass_and_missing_ones_fail() {
    let logs: &[_] = &[("w1", "a\nSERVER STARTED\n"), ("w2", "b\n")];
    let (verdict, ..) = run(with(json!({"require": ["SERVER STARTED"]})), logs).await;
    assert_eq!(verdict, Verdict::Pass);
    let (verdict, said, _) = run(
        with(json!({"require_in_every_pod": ["SERVER STARTED"]})),
        logs,
    )
    .await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(said.contains("not in w2"), "{said}");
    let (verdict, ..) = run(with(json!({"require": ["NEVER"]})), logs).await;
    assert_eq!(verdict, Verdict::Fail);
}

#[tokio::test]
async fn no_pods_and_no_lines_are_never_a_pass() {
    let (verdict, said, _) = run(with(json!({"forbid": ["ERROR"]})), &[]).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(said.contains("0 pods"), "{said}");
    let (verdict, said, _) = run(
        with(json!({"forbid": ["ERROR"]})),
        &[("w1", "fine\n"), ("w2", "")],
    )
    .await;
    assert_eq!(verdict, Verdict::Inconclusive, "{said}");
    assert!(said.contains("from w2"), "{said}");
}

#[tokio::test]
async fn a_forbidden_line_fails_unless_it_is_forgiven() {
    let logs: &[_] = &[("w1", "ERROR one\n"), ("w2", "ERROR known\n")];
    let (verdict, said, _) = run(
        with(json!({"forbid": ["ERROR"], "except": ["known"]})),
        logs,
    )
    .await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        said.contains("w1: ERROR one") && !said.contains("known"),
        "{said}"
    );
    let (verdict, ..) = run(
        with(json!({"forbid": ["ERROR"], "except": ["known", "one"]})),
        logs,
    )
    .await;
    assert_eq!(verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_secret_in_a_log_is_shown_nowhere() {
    let logs: &[_] = &[("w1", "ERROR key hunter2-key\n"), ("w2", "b\n")];
    let (_, said, test) = run(with(json!({"forbid": ["ERROR"]})), logs).await;
    let all = format!("{said} {}", test.sink.everything());
    assert!(
        !all.contains("hunter2") && all.contains("ERROR key ***"),
        "{all}"
    );
}

#[test]
fn a_bad_expression_is_refused() {
    let error = KubeLogs::build(serde_json::from_value(with(json!({"forbid": ["("]}))).unwrap())
        .err()
        .unwrap();
    assert!(error.contains("`(`"), "{error}");
}
