//! Answers of Prometheus, Alertmanager and Grafana from any bytes, for the fuzz targets: the decoders that the clients
//! use. Nothing of it is part of the program.

use serde_json::Value;

use super::answer::{Reading, Rule, ScrapeTarget, Series};
use super::{classify, near, quoted, selectors};
use crate::clients::web_api::Reply;
use crate::clients::{alertmanager, grafana};
use crate::secret::Secrets;

/// Reads the bytes as each answer, and as an expression.
pub fn answers(bytes: &[u8]) {
    let reply = Reply::read(400, bytes, &Secrets::default());
    if let Some(Ok(data)) = classify(&reply) {
        all_forms(data);
    }
    // Most inputs have no envelope around what is inside.
    all_forms(reply.json.clone());
    alertmanager::fuzzing(&reply.json);
    grafana::fuzzing(&reply.json);
    expression(&String::from_utf8_lossy(bytes));
}

fn all_forms(data: Value) {
    for rule in Rule::parse_all(&data).into_iter().flatten() {
        let _ = rule.was_evaluated();
        expression(&rule.query);
    }
    let targets = data.get("activeTargets").cloned().unwrap_or_default();
    drop(serde_json::from_value::<Vec<ScrapeTarget>>(targets));
    if let Ok(names) = serde_json::from_value::<Vec<String>>(data.clone()) {
        drop(near::near("trino_memory_FreeBytes", &names));
    }
    if let Some(reading) = Reading::parse(data) {
        drop((
            reading.values().sum::<f64>(),
            reading.series.iter().map(Series::name).collect::<Vec<_>>(),
        ));
    }
}

fn expression(text: &str) {
    for selector in selectors::selectors(text) {
        drop(selector.metric.as_deref().map(quoted));
    }
}
