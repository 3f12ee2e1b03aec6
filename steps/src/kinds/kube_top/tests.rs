use flowctl_workflows::result::Verdict;

use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::{ManualClock, TestContext, rejudged};

fn worker(name: &str, limit: Option<&str>) -> Value {
    let mut pod = pod("shop", name, json!({"app": "trino"}), true);
    if let Some(limit) = limit {
        pod["spec"]["containers"][0]["resources"] =
            json!({"limits": {"memory": limit}, "requests": {"memory": "1Gi", "cpu": "500m"}});
    }
    pod
}

fn metric(name: &str, memory: &str, at: &str) -> Value {
    json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "trino"}},
        "timestamp": at, "window": "15s", "containers": [{"name": "main", "usage": {"memory": memory, "cpu": "125m"}}]})
}

const FRESH: &str = "2026-11-23T09:59:30Z";

async fn run(objects: Vec<Value>, memory: Value) -> (Verdict, String, Value) {
    let mut test = TestContext::new("usage")
        .unwrap()
        .cluster(FakeServer::with(objects).kube());
    test.context.clock =
        std::sync::Arc::new(ManualClock::at("2026-11-23T10:00:00Z".parse().unwrap()));
    let with = json!({"namespace": "shop", "selector": "app=trino", "min_pods": 1, "memory": memory, "within": "5s"});
    let step = rejudged::<KubeTop>(with).unwrap();
    let output = step.run(&test.context).await.unwrap();
    (
        output.findings[0].verdict,
        output.findings[0].reason.clone(),
        output.value,
    )
}

#[tokio::test(start_paused = true)]
async fn use_under_its_bound_passes_with_its_numbers() {
    let (verdict, reason, output) = run(
        vec![worker("w1", Some("2Gi")), metric("w1", "1Gi", FRESH)],
        json!({"below_limit": 0.9}),
    )
    .await;
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    let container = &output["pods"][0]["containers"][0];
    assert_eq!(
        (
            container["memory"]["used"].as_f64(),
            container["memory"]["limit"].as_f64()
        ),
        (Some(1_073_741_824.0), Some(2_147_483_648.0))
    );
    assert_eq!(container["cpu"]["used"].as_f64(), Some(0.125));
}

#[tokio::test(start_paused = true)]
async fn use_over_its_bound_fails() {
    let objects = || vec![worker("w1", Some("2Gi")), metric("w1", "1900Mi", FRESH)];
    for bound in [
        json!({"below_limit": 0.9}),
        json!({"below_request": 1.0}),
        json!({"below": "1Gi"}),
    ] {
        let (verdict, reason, _) = run(objects(), bound.clone()).await;
        assert_eq!(verdict, Verdict::Fail, "{bound}");
        assert!(reason.contains("memory of w1/main"), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fresh_measurement_or_a_limit_nothing_is_proven() {
    let pods = || worker("w1", Some("2Gi"));
    let bound = json!({"below_limit": 0.9});
    let (verdict, reason, _) = run(
        vec![pods(), metric("w1", "1Gi", "2026-11-23T09:50:00Z")],
        bound.clone(),
    )
    .await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Inconclusive, "no fresh measurement of w1")
    );
    let (verdict, reason, _) = run(
        vec![
            pods(),
            worker("w2", Some("2Gi")),
            metric("w1", "1Gi", FRESH),
        ],
        bound.clone(),
    )
    .await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Inconclusive, "no fresh measurement of w2")
    );
    let (verdict, reason, _) = run(
        vec![worker("w1", None), metric("w1", "1Gi", FRESH)],
        bound.clone(),
    )
    .await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Inconclusive, "w1/main has no memory limit")
    );
    let (verdict, reason, _) = run(vec![], bound).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("0 of at least 1 running pods"), "{reason}");
}

#[test]
fn an_empty_bound_or_a_bad_quantity_is_refused() {
    for memory in [json!({}), json!({"below": "much"})] {
        let with = json!({"namespace": "shop", "min_pods": 1, "memory": memory});
        assert!(KubeTop::build(serde_json::from_value(with).unwrap()).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn sums_are_unknown_when_a_part_of_them_is() {
    let gib = 1_073_741_824.0;
    let bound = json!({"below_limit": 0.9});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
        "status": {"allocatable": {"memory": "8Gi", "cpu": "2"}}});
    let on_node = |name: &str, limit: Option<&str>| {
        let mut pod = worker(name, limit);
        pod["spec"]["nodeName"] = json!("n1");
        pod
    };
    let measured = || {
        vec![
            metric("w1", "1Gi", FRESH),
            metric("w2", "512Mi", FRESH),
            node.clone(),
        ]
    };
    let both = |second: Option<&str>| {
        let mut objects = vec![on_node("w1", Some("2Gi")), on_node("w2", second)];
        objects.extend(measured());
        run(objects, bound.clone())
    };
    let (_, _, output) = both(Some("2Gi")).await;
    let sums = &output["total"]["memory"];
    assert_eq!(
        ["used", "request", "limit", "allocatable"].map(|of| sums[of].as_f64()),
        [1.5, 2.0, 4.0, 8.0].map(|gibs| Some(gibs * gib))
    );
    let (_, _, output) = both(None).await;
    let sums = &output["total"]["memory"];
    assert_eq!(
        (sums["request"].as_f64(), sums["limit"].as_f64()),
        (None, None)
    );
    let nowhere = vec![worker("w1", Some("2Gi")), metric("w1", "1Gi", FRESH)];
    let (_, _, output) = run(nowhere, bound).await;
    assert_eq!(output["total"]["memory"]["allocatable"].as_f64(), None);
}
