//! What pods say and use while they run: their logs, and their memory and CPU as the metrics API shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::files;
use crate::clients::kube::{object, quantity};

/// The defaults of the settings whose values phase 3 looks for in the log. Of another setting the log says `----`, as it
/// does of one that has none.
const DEFAULTS: &[(&str, &str)] = &[
    ("exchange.concurrent-request-multiplier", "3"),
    ("exchange.max-buffer-size", "32MB"),
    (
        "query.low-memory-killer.policy",
        "TOTAL_RESERVATION_ON_BLOCKED_NODES",
    ),
    ("query.max-execution-time", "100.00d"),
    ("query.max-memory", "20GB"),
    ("query.max-run-time", "100.00d"),
    ("query-retry-attempts", "4"),
    ("retry-policy", "NONE"),
    ("spill-enabled", "false"),
    ("task.max-worker-threads", "32"),
    ("task.min-drivers", "64"),
];
/// Settings of a few words, which the server writes in capitals.
const WORDS: &[&str] = &["query.low-memory-killer.policy", "retry-policy"];

/// What the server says at its start of what it has read: name, default, value.
fn settings(cluster: &Cluster, pod: &Value) -> Vec<String> {
    let text = files::configured(cluster, pod, "config.properties");
    let all = files::properties(&text).into_iter();
    let shown = all.map(|(name, value)| {
        let default = DEFAULTS.iter().find(|(known, _)| *known == name);
        let value = match WORDS.contains(&name.as_str()) {
            true => value.to_uppercase().replace('-', "_"),
            false => value,
        };
        format!(
            "{name:<45} {:<40} {value}",
            default.map_or("----", |(_, default)| default)
        )
    });
    let head = format!("{:<45} {:<40} RUNTIME", "PROPERTY", "DEFAULT");
    [head].into_iter().chain(shown).collect()
}

/// The log of a container, as far as its pod has come.
pub(super) fn log(cluster: &Cluster, pod: &Value) -> Vec<String> {
    if !object::is_true(pod, "Ready") {
        return Vec::new();
    }
    let started = object::text(pod, "/status/startTime");
    let line = |logger: &str, words: &str| format!("{started}\tINFO\tmain\t{logger}\t{words}");
    let server = "io.trino.server.Server";
    match object::text(pod, "/metadata/labels/app.kubernetes.io~1name") {
        "trino" => [line(server, "Trino version: rehearsal")]
            .into_iter()
            .chain(
                settings(cluster, pod)
                    .iter()
                    .map(|words| line("Bootstrap", words)),
            )
            .chain([line(server, "======== SERVER STARTED ========")])
            .collect(),
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
