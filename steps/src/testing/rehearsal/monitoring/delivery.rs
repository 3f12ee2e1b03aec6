//! Where alerts go: Alertmanager, which holds those that fire, and the receiver, which keeps what it was told. Each alert is
//! told for itself and at once; silences, inhibition, groups and routes are not played.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rules::{Alert, Told};
use crate::testing::rehearsal::door::{Reply, Request};
use crate::testing::rehearsal::world::World;

/// The receiver's name.
const RECEIVER: &str = "rehearsal";
/// How Alertmanager writes the end of what has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn alertmanager(world: &World, request: &Request) -> Option<Reply> {
    let path = (request.method.as_str(), request.path.as_str());
    (path == ("GET", "/api/v2/alerts")).then(|| {
        let held: Vec<Value> = world.alerts.firing().map(held).collect();
        Reply::json(200, &json!(held))
    })
}

pub(super) fn receiver(world: &World, request: &Request) -> Option<Reply> {
    let path = (request.method.as_str(), request.path.as_str());
    (path == ("GET", "/notifications")).then(|| {
        let told: Vec<Value> = world.alerts.told.iter().map(notification).collect();
        Reply::json(200, &json!(told))
    })
}

/// Letters that belong to an alert's labels.
fn fingerprint(alert: &Alert) -> String {
    let digest = Sha256::digest(json!(alert.labels).to_string());
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn held(alert: &Alert) -> Value {
    let fired = alert.fired_at.map(|at| at.to_string());
    json!({"labels": alert.labels, "annotations": alert.annotations, "startsAt": fired, "updatedAt": fired, "endsAt": NEVER,
        "fingerprint": fingerprint(alert), "receivers": [{"name": RECEIVER}], "generatorURL": "",
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []}})
}

/// What the webhook is sent, and when it came.
fn notification(told: &Told) -> Value {
    let alert = &told.alert;
    let status = if alert.ended_at.is_some() {
        "resolved"
    } else {
        "firing"
    };
    let ends = alert
        .ended_at
        .map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    let sent = json!({"status": status, "labels": alert.labels, "annotations": alert.annotations, "generatorURL": "",
        "startsAt": alert.fired_at.map(|at| at.to_string()), "endsAt": ends, "fingerprint": fingerprint(alert)});
    json!({"receivedAt": told.at.to_string(),
        "notification": {"version": "4", "status": status, "receiver": RECEIVER, "groupKey": "{}", "groupLabels": {},
            "commonLabels": alert.labels, "commonAnnotations": alert.annotations, "externalURL": "",
            "truncatedAlerts": 0, "alerts": [sent]}})
}
