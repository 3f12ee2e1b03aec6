//! What pods say and use while they run: their logs, and their memory and CPU as the metrics API shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clients::kube::{object, quantity};

/// The log of a container, as far as its pod has come.
pub(super) fn log(pod: &Value) -> Vec<String> {
    if !object::is_true(pod, "Ready") {
        return Vec::new();
    }
    let started = object::text(pod, "/status/startTime");
    let line = |words: &str| format!("{started}\tINFO\tmain\tio.trino.server.Server\t{words}");
    match object::text(pod, "/metadata/labels/app.kubernetes.io~1name") {
        "trino" => vec![
            line("Trino version: rehearsal"),
            line("======== SERVER STARTED ========"),
        ],
        _ => vec![format!("{started} started")],
    }
}

/// What every container of a pod uses: a quarter of what it may, or what it asks for.
pub(super) fn metrics(pod: &Value, now: Timestamp) -> Value {
    let containers: Vec<Value> = object::list(pod, "/spec/containers")
        .iter()
        .map(|container| {
            let size = |what: &str| {
                let of = |kind: &str| {
                    quantity::parse(object::text(container, &format!("/resources/{kind}/{what}")))
                };
                of("limits").or_else(|| of("requests")).map(|size| size / 4.0)
            };
            let memory = size("memory").unwrap_or(268_435_456.0) / 1024.0;
            let cpu = size("cpu").unwrap_or(0.1) * 1000.0;
            json!({"name": container["name"], "usage": {"memory": format!("{memory:.0}Ki"), "cpu": format!("{cpu:.0}m")}})
        })
        .collect();
    json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
        "metadata": {"name": object::name(pod), "namespace": object::namespace(pod), "labels": pod["metadata"]["labels"]},
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "window": "15s", "containers": containers})
}
