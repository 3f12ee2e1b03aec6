//! Grafana with its sidecar: the dashboards of the ConfigMaps that carry its label, and the queries of their panels, which
//! go to the double of Prometheus.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::evaluate::Labels;
use super::prometheus::{Values, over};
use crate::clients::kube::object;
use crate::testing::rehearsal::door::{Reply, Request};
use crate::testing::rehearsal::world::World;

/// The label that the sidecar looks for.
const LABEL: &str = "grafana_dashboard";

pub(super) fn answer(world: &World, request: &Request) -> Option<Reply> {
    let path = request.path.as_str();
    match (request.method.as_str(), path) {
        ("GET", "/api/health") => Some(Reply::json(
            200,
            &json!({"database": "ok", "version": "rehearsal"}),
        )),
        ("POST", "/api/ds/query") => Some(query(world, &request.body)),
        ("GET", _) => path
            .strip_prefix("/api/dashboards/uid/")
            .map(|uid| dashboard(world, uid)),
        _ => None,
    }
}

/// A dashboard that the sidecar has loaded.
fn dashboard(world: &World, uid: &str) -> Reply {
    let maps = world.cluster.of_kind("ConfigMap", None);
    let labelled = maps.filter(|map| !map["metadata"]["labels"][LABEL].is_null());
    let mut files = labelled.flat_map(|map| map["data"].as_object().into_iter().flatten());
    let found = files.find_map(|(name, text)| {
        let board: Value = serde_json::from_str(text.as_str()?).ok()?;
        (name.ends_with(".json") && object::text(&board, "/uid") == uid).then_some(board)
    });
    match found {
        Some(board) => Reply::json(
            200,
            &json!({"dashboard": board, "meta": {"provisioned": true}}),
        ),
        None => Reply::json(404, &json!({"message": "Dashboard not found"})),
    }
}

/// The one query of a request, as frames.
fn query(world: &World, body: &[u8]) -> Reply {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let query = &asked["queries"][0];
    let name = object::text(query, "/refId");
    let (status, result) = match values(world, &asked) {
        Ok(values) => {
            let frames: Vec<Value> = values.iter().map(frame).collect();
            (200, json!({"status": 200, "frames": frames}))
        }
        Err(error) => (400, json!({"status": 400, "error": error})),
    };
    Reply::json(status, &json!({"results": {name: result}}))
}

fn values(world: &World, asked: &Value) -> Result<Values, String> {
    let unknown = |what: &str| format!("the rehearsal does not know {what} in {asked}");
    let query = &asked["queries"][0];
    let source = object::text(query, "/datasource/type");
    if !matches!(source, "" | "prometheus") {
        return Err(unknown("this data source"));
    }
    let seconds = object::text(asked, "/from")
        .strip_prefix("now-")
        .and_then(|from| from.strip_suffix('s')?.parse().ok());
    let seconds = seconds.ok_or_else(|| unknown("this time"))?;
    if asked["to"] != "now" {
        return Err(unknown("this time"));
    }
    let step = query["intervalMs"].as_i64().filter(|step| *step > 0);
    let step = SignedDuration::from_millis(step.ok_or_else(|| unknown("this interval"))?);
    let now = world.clock.now();
    let start = now
        .checked_sub(SignedDuration::from_secs(seconds))
        .map_err(|error| error.to_string())?;
    over(world, object::text(query, "/expr"), start, now, step)
}

/// A series as Grafana sends it; what is no number is a gap.
fn frame((labels, values): (&Labels, &Vec<(Timestamp, f64)>)) -> Value {
    let times: Vec<i64> = values.iter().map(|(at, _)| at.as_millisecond()).collect();
    let numbers: Vec<Value> = values.iter().map(|(_, value)| json!(value)).collect();
    json!({"schema": {"refId": "A", "fields": [
            {"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": labels}]},
        "data": {"values": [times, numbers]}})
}
