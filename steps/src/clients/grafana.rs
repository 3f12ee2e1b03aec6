//! Grafana's HTTP API, as far as dashboards ask. The contract is that of its public documentation; never writes.

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::ServiceName;
use super::prometheus::answer::{Labels, Reading, Sample, Series};
use super::web_api::WebApi;
use crate::context::StepContext;
use crate::error::StepError;

/// A target's Grafana.
#[derive(Debug)]
pub struct Grafana(WebApi);

impl Grafana {
    /// Finds the way to the target's Grafana; `None` when the target names none.
    ///
    /// # Errors
    /// As [`WebApi::connect`], but for a target without Grafana.
    pub async fn connect(cx: &StepContext) -> Result<Option<Self>, StepError> {
        match WebApi::connect(cx, ServiceName::Grafana).await {
            Ok(api) => Ok(Some(Self(api))),
            Err(error) if error.code == "target.no_endpoint" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its version.
    ///
    /// # Errors
    /// When there is no answer, or another's.
    pub async fn version(&self, cx: &StepContext) -> Result<String, StepError> {
        let path = "/api/health";
        let reply = self.0.get(cx, path, &[]).await?;
        match reply.json["version"].as_str() {
            Some(version) if reply.status == 200 => Ok(version.to_owned()),
            _ => Err(self.0.unexpected("Grafana", path, &reply)),
        }
    }

    /// A dashboard as Grafana has it; `None` when it has none of that uid.
    ///
    /// # Errors
    /// When there is no answer, or another's.
    pub async fn dashboard(&self, cx: &StepContext, uid: &str) -> Result<Option<Value>, StepError> {
        let path = format!("/api/dashboards/uid/{uid}");
        let reply = self.0.get(cx, &path, &[]).await?;
        match reply.status {
            200 if reply.json["dashboard"].is_object() => Ok(Some(reply.json["dashboard"].clone())),
            404 if reply.json["message"].is_string() => Ok(None),
            _ => Err(self.0.unexpected("Grafana", &path, &reply)),
        }
    }

    /// What a panel's query gives, over the last `span`, asked through the panel's own data source.
    ///
    /// # Errors
    /// When there is no answer; `grafana.query` when the data source says what is wrong.
    pub async fn query(
        &self,
        cx: &StepContext,
        datasource: &Value,
        expression: &str,
        span: Duration,
        step: Duration,
    ) -> Result<Reading, StepError> {
        let path = "/api/ds/query";
        let body = json!({
            "queries": [{"refId": "A", "datasource": datasource, "expr": expression, "range": true, "instant": false,
                         "intervalMs": step.as_millis() as u64, "maxDataPoints": 1000}],
            "from": format!("now-{}s", span.as_secs()), "to": "now",
        });
        let reply = self.0.post(cx, path, &body).await?;
        let result = &reply.json["results"]["A"];
        if let Some(error) = result["error"].as_str() {
            return Err(StepError::permanent(
                "grafana.query",
                format!("Grafana: {error}"),
            ));
        }
        reading(result).ok_or_else(|| self.0.unexpected("Grafana", path, &reply))
    }
}

/// Reads an answer, for the fuzz targets.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn fuzzing(json: &Value) {
    drop(reading(json));
}

/// The frames of an answer as series; `None` when it is of another form.
pub(crate) fn reading(result: &Value) -> Option<Reading> {
    let frames = result["frames"].as_array()?;
    let mut series = Vec::new();
    for frame in frames {
        let fields = frame["schema"]["fields"].as_array()?;
        let columns = frame["data"]["values"].as_array()?;
        let times = column(fields, columns, "time")?;
        for (field, values) in fields.iter().zip(columns) {
            if field["type"] != "number" {
                continue;
            }
            let labels: Labels =
                serde_json::from_value(field["labels"].clone()).unwrap_or_default();
            let samples = times
                .iter()
                .zip(values.as_array()?)
                .filter_map(|(at, value)| {
                    Some(Sample {
                        at: at.as_f64()? / 1000.0,
                        value: value.as_f64()?,
                    })
                })
                .collect();
            series.push(Series { labels, samples });
        }
    }
    Some(Reading {
        series,
        raw: result.clone(),
    })
}

fn column<'a>(fields: &[Value], columns: &'a [Value], kind: &str) -> Option<&'a Vec<Value>> {
    let Some(at) = fields.iter().position(|field| field["type"] == kind) else {
        // No field at all: an answer without data.
        return columns.is_empty().then_some(const { &Vec::new() });
    };
    columns.get(at)?.as_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_gaps_are_no_samples() {
        let result = json!({"status": 200, "frames": [{
            "schema": {"refId": "A", "fields": [
                {"name": "Time", "type": "time"},
                {"name": "Value", "type": "number", "labels": {"job": "a"}}
            ]},
            "data": {"values": [[1000, 2000, 3500], [1, null, 2.5]]}
        }]});
        let reading = reading(&result).unwrap();
        assert_eq!(reading.series[0].labels["job"], "a");
        let samples = [
            Sample {
                at: 1.0,
                value: 1.0,
            },
            Sample {
                at: 3.5,
                value: 2.5,
            },
        ];
        assert_eq!(reading.series[0].samples, samples);
    }

    #[test]
    fn no_data_is_an_answer_and_another_form_is_not() {
        let empty = json!({"frames": [{"schema": {"fields": []}, "data": {"values": []}}]});
        assert_eq!(reading(&empty).unwrap().series, []);
        assert_eq!(reading(&json!({"frames": []})).unwrap().series, []);
        assert_eq!(reading(&json!({"data": 1})), None);
    }
}
