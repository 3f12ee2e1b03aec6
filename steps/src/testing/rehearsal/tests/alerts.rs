//! Alerts whose cause is in the world, from the rule that was applied to the receiver.

use serde_json::{Value, json};

use super::*;

async fn get(rehearsal: &Rehearsal, protocol: Protocol, path: &str) -> Value {
    let address = rehearsal.address(protocol);
    let answer = reqwest::get(format!("{address}{path}")).await.unwrap();
    answer.json().await.unwrap()
}

/// The first rule that is loaded.
async fn rule(rehearsal: &Rehearsal) -> Value {
    let rules = get(rehearsal, Protocol::Prometheus, "/api/v1/rules?type=alert").await;
    rules["data"]["groups"][0]["rules"][0].clone()
}

/// The same once it has this state. Rules are looked at in intervals, so the first answers may be older than the cause.
async fn rule_when(rehearsal: &Rehearsal, state: &str) -> Value {
    const ASKED: usize = 500;
    for _ in 0..ASKED {
        let rule = rule(rehearsal).await;
        if rule["state"] == state {
            return rule;
        }
    }
    rule(rehearsal).await
}

async fn apply_rule(kube: &Kube, expression: &str) {
    let rule = json!({"alert": "A", "expr": expression, "labels": {"severity": "page"}});
    let spec = json!({"groups": [{"name": "g", "rules": [rule]}]});
    apply(
        kube,
        json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
            "metadata": {"name": "rules", "namespace": "monitoring"}, "spec": spec}),
    )
    .await;
}

/// As many workers, whatever the release says.
async fn scale(kube: &Kube, workers: u64) {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "trino-worker", "namespace": "data-platform"}, "spec": {"replicas": workers}});
    let resource = kube.resource("apps/v1", "Deployment").await.unwrap();
    let mode = ApplyMode {
        dry_run: false,
        force: true,
    };
    let namespace = Some("data-platform");
    kube.apply(&resource, namespace, "trino-worker", &deployment, mode)
        .await
        .unwrap();
}

const WORKERS: &str = r#"(count(up{job="trino-worker"} == 1) or vector(0)) < 2"#;

#[tokio::test]
async fn a_worker_less_fires_and_its_return_resolves() {
    let (rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    deploy(&kube, "476", 2).await;
    apply_rule(&kube, WORKERS).await;
    assert_eq!(rule_when(&rehearsal, "inactive").await["state"], "inactive");

    scale(&kube, 1).await;
    let firing = rule_when(&rehearsal, "firing").await;
    assert_eq!(
        (&firing["state"], &firing["health"]),
        (&json!("firing"), &json!("ok"))
    );
    assert_eq!(firing["alerts"][0]["value"], "1");
    let held = get(&rehearsal, Protocol::Alertmanager, "/api/v2/alerts").await;
    assert_eq!(
        held[0]["labels"],
        json!({"alertname": "A", "severity": "page"})
    );
    let told = get(&rehearsal, Protocol::AlertReceiver, "/notifications").await;
    assert_eq!(told[0]["notification"]["alerts"][0]["status"], "firing");

    scale(&kube, 2).await;
    assert_eq!(rule_when(&rehearsal, "inactive").await["state"], "inactive");
    let held = get(&rehearsal, Protocol::Alertmanager, "/api/v2/alerts").await;
    assert_eq!(held, json!([]));
    let told = get(&rehearsal, Protocol::AlertReceiver, "/notifications").await;
    assert_eq!(told[1]["notification"]["alerts"][0]["status"], "resolved");
    assert_eq!(told.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rule_that_is_not_known_never_looks_inactive_and_well() {
    let (rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    deploy(&kube, "476", 2).await;
    apply_rule(&kube, "rate(up[5m]) > 0").await;
    let rule = rule(&rehearsal).await;
    assert_eq!(rule["health"], "err");
    let error = rule["lastError"].as_str().unwrap();
    assert!(error.contains("the rehearsal does not know this expression: rate(up[5m]) > 0"));
}

#[tokio::test]
async fn grafana_has_the_dashboards_that_its_sidecar_loads() {
    let (rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    deploy(&kube, "476", 2).await;
    let map = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "board", "namespace": "monitoring", "labels": labels},
            "data": {"board.json": "{\"uid\": \"b\", \"title\": \"B\"}"}})
    };
    let path = "/api/dashboards/uid/b";
    apply(&kube, map(json!({"other": "1"}))).await;
    let missing = get(&rehearsal, Protocol::Grafana, path).await;
    assert_eq!(missing["message"], "Dashboard not found");
    apply(&kube, map(json!({"grafana_dashboard": "1"}))).await;
    let found = get(&rehearsal, Protocol::Grafana, path).await;
    assert_eq!(found["dashboard"]["title"], "B");

    let ask = |expression: &str| {
        let query =
            json!({"refId": "A", "expr": expression, "intervalMs": 1000, "datasource": null});
        let body = json!({"queries": [query], "from": "now-5s", "to": "now"});
        let address = rehearsal.address(Protocol::Grafana).to_owned();
        async move {
            let client = reqwest::Client::new();
            let sent = client.post(format!("{address}/api/ds/query")).json(&body);
            let answer = sent.send().await.unwrap();
            answer.json::<Value>().await.unwrap()["results"]["A"].clone()
        }
    };
    let unknown = ask("rate(up[5m])").await;
    assert!(unknown["error"].as_str().unwrap().contains("does not know"));
    let frames = ask("vector(3)").await["frames"].clone();
    assert_eq!(frames[0]["data"]["values"][1][0], 3.0);
}
