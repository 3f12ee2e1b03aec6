//! What Alertmanager holds, and what arrived at the end of an alert's way. Never silences, never sends.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::endpoint::ServiceName;
use super::prometheus::answer::Labels;
use super::web_api::WebApi;
use crate::context::StepContext;
use crate::error::StepError;

/// A target's Alertmanager.
#[derive(Debug)]
pub struct Alertmanager(WebApi);

/// An alert that Alertmanager holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldAlert {
    /// All its labels.
    pub labels: Labels,
    /// When it began to fire, by Prometheus' clock.
    pub starts_at: Timestamp,
    /// What Alertmanager does with it.
    pub status: HeldStatus,
}

/// What Alertmanager does with an alert.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// `active`, or `suppressed` when nobody is told of it.
    #[serde(default)]
    pub state: String,
    /// The silences that suppress it.
    #[serde(default)]
    pub silenced_by: Vec<String>,
    /// The alerts that suppress it.
    #[serde(default)]
    pub inhibited_by: Vec<String>,
}

/// Reads an answer of either, for the fuzz targets.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn fuzzing(json: &Value) {
    drop(serde_json::from_value::<Vec<HeldAlert>>(json.clone()));
    drop(received(json));
}

impl Alertmanager {
    /// Finds the way to the target's Alertmanager.
    ///
    /// # Errors
    /// As [`WebApi::connect`].
    pub async fn connect(cx: &StepContext) -> Result<Self, StepError> {
        WebApi::connect(cx, ServiceName::Alertmanager)
            .await
            .map(Self)
    }

    /// The alerts that it holds, resolved ones left out, with the answer as it came.
    ///
    /// # Errors
    /// When there is no answer, or another's.
    pub async fn alerts(&self, cx: &StepContext) -> Result<(Vec<HeldAlert>, Value), StepError> {
        let path = "/api/v2/alerts";
        let reply = self.0.get(cx, path, &[]).await?;
        match serde_json::from_value(reply.json.clone()) {
            Ok(alerts) if reply.status == 200 => Ok((alerts, reply.json)),
            _ => Err(self.0.unexpected("Alertmanager", path, &reply)),
        }
    }
}

/// The end of an alert's way: what keeps the notifications that Alertmanager sends.
#[derive(Debug)]
pub struct Receiver(WebApi);

/// One alert of one notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// When the notification came, by the receiver's clock.
    pub at: Timestamp,
    /// The alert.
    pub alert: SentAlert,
}

/// An alert as Alertmanager's webhook sends it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentAlert {
    /// `firing` or `resolved`.
    pub status: String,
    /// All its labels.
    pub labels: Labels,
    /// When it began to fire, by Prometheus' clock.
    pub starts_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    received_at: Timestamp,
    notification: Notification,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default)]
    alerts: Vec<SentAlert>,
}

impl Receiver {
    /// Finds the way to the receiver; `None` when the target names none.
    ///
    /// # Errors
    /// As [`WebApi::connect`], but for a target without a receiver.
    pub async fn connect(cx: &StepContext) -> Result<Option<Self>, StepError> {
        match WebApi::connect(cx, ServiceName::AlertReceiver).await {
            Ok(api) => Ok(Some(Self(api))),
            Err(error) if error.code == "target.no_endpoint" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What came, oldest first, with the answer as it came.
    ///
    /// # Errors
    /// When there is no answer, or another's.
    pub async fn notifications(
        &self,
        cx: &StepContext,
    ) -> Result<(Vec<Received>, Value), StepError> {
        let path = "/notifications";
        let reply = self.0.get(cx, path, &[]).await?;
        match received(&reply.json) {
            Some(received) if reply.status == 200 => Ok((received, reply.json)),
            _ => Err(self.0.unexpected("the receiver", path, &reply)),
        }
    }
}

/// The alerts of all notifications; what is no notification of Alertmanager's, for example another sender's, is left out.
fn received(answer: &Value) -> Option<Vec<Received>> {
    let records = answer.as_array()?.iter();
    let records = records.filter_map(|entry| serde_json::from_value::<Record>(entry.clone()).ok());
    Some(
        records
            .flat_map(|record| {
                let at = record.received_at;
                record
                    .notification
                    .alerts
                    .into_iter()
                    .map(move |alert| Received { at, alert })
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alerts_are_read_as_they_are_held() {
        // As version 0.25 answers.
        let answer = json!([{"annotations": {}, "endsAt": "2026-11-23T13:38:58.699Z", "fingerprint": "ef479fee6013c7ac",
            "receivers": [{"name": "lab"}], "startsAt": "2026-11-23T13:34:58.699Z",
            "status": {"inhibitedBy": [], "silencedBy": ["s1"], "state": "suppressed"},
            "updatedAt": "2026-11-23T13:34:58.703Z", "generatorURL": "http://p/graph", "labels": {"alertname": "A"}}]);
        let alerts: Vec<HeldAlert> = serde_json::from_value(answer).unwrap();
        assert_eq!(alerts[0].status.silenced_by, ["s1"]);
        assert_eq!(alerts[0].starts_at.to_string(), "2026-11-23T13:34:58.699Z");
    }

    #[test]
    fn notifications_are_taken_apart_and_strangers_left_out() {
        let alert = |status: &str| json!({"status": status, "labels": {"alertname": "A"}, "startsAt": "2026-11-23T13:34:58.699Z", "endsAt": "0001-01-01T00:00:00Z"});
        let answer = json!([
            {"receivedAt": "2026-11-23T13:34:59.7Z", "notification": {"status": "firing", "version": "4", "alerts": [alert("firing"), alert("resolved")]}},
            {"receivedAt": "2026-11-23T13:34:59.8Z", "notification": {"hello": 1}},
            {"receivedAt": "2026-11-23T13:34:59.9Z", "notification": "text"}
        ]);
        let found = received(&answer).unwrap();
        let statuses: Vec<&str> = found
            .iter()
            .map(|found| found.alert.status.as_str())
            .collect();
        assert_eq!(statuses, ["firing", "resolved"]);
        assert_eq!(received(&json!({"alerts": []})), None);
    }
}
