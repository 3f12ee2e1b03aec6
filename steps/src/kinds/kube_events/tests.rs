use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::{TestContext, rejudged};

fn event(name: &str, reason: &str, at: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{name}.{reason}"), "namespace": "shop"},
        "type": "Warning", "reason": reason, "message": "m", "lastTimestamp": at,
        "involvedObject": {"kind": "Pod", "name": name, "uid": format!("uid-of-{name}")}})
}

type Judged = (Verdict, String);

async fn run(objects: Vec<Value>, min_pods: usize) -> Judged {
    let server = FakeServer::with(objects);
    let mut test = TestContext::new("events").unwrap().cluster(server.kube());
    test.context.clock = std::sync::Arc::new(crate::testing::ManualClock::at(
        "2026-11-23T10:00:00Z".parse().unwrap(),
    ));
    let with =
        json!({"namespace": "shop", "selector": "app=trino", "min_pods": min_pods, "since": "30m"});
    let step = rejudged::<KubeEvents>(with).unwrap();
    let output = step.run(&test.context).await.unwrap();
    (
        output.findings[0].verdict,
        output.findings[0].reason.clone(),
    )
}

fn worker(name: &str) -> Value {
    pod("shop", name, json!({"app": "trino"}), true)
}

#[tokio::test]
async fn quiet_pods_pass_and_no_pods_prove_nothing() {
    let (verdict, reason) = run(vec![worker("w1")], 1).await;
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    let (verdict, reason) = run(vec![worker("w1")], 2).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.contains("1 pods") && reason.contains("app=trino"),
        "{reason}"
    );
}

#[tokio::test]
async fn bad_events_of_these_pods_and_this_time_fail() {
    let bad = event("w1", "BackOff", "2026-11-23T09:45:00Z");
    let (verdict, reason) = run(vec![worker("w1"), bad], 1).await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.starts_with("BackOff of Pod w1"), "{reason}");
    for other in [
        event("w1", "BackOff", "2026-11-23T09:15:00Z"),
        event("x", "BackOff", "2026-11-23T09:45:00Z"),
        event("w1", "Pulled", "2026-11-23T09:45:00Z"),
    ] {
        assert_eq!(
            run(vec![worker("w1"), other.clone()], 1).await.0,
            Verdict::Pass,
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_container_killed_for_memory_fails_without_any_event() {
    let mut killed = worker("w1");
    killed["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-23T09:50:00Z"}});
    let (verdict, reason) = run(vec![killed], 1).await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        reason.contains("OOMKilled of Pod w1") && reason.contains("137"),
        "{reason}"
    );
}
