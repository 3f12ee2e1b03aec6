//! Prometheus' HTTP API, as far as the step kinds ask: queries, rules, targets, names.
//!
//! Never judges: an empty answer is an answer here. That a metric of an expression does not exist is told by
//! [`Prometheus::presence`], since the server itself never says so.

pub mod answer;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
pub mod near;
pub mod selectors;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::answer::{Reading, Rule, ScrapeTarget};
use self::selectors::Selector;
use super::endpoint::ServiceName;
use super::web_api::{Reply, WebApi};
use crate::context::StepContext;
use crate::error::StepError;

/// A target's Prometheus.
#[derive(Debug)]
pub struct Prometheus(WebApi);

/// What there is of the series that a selector asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Presence {
    /// The selector.
    pub selector: String,
    /// The name in it.
    pub metric: Option<String>,
    /// Whether it stands inside `absent()`.
    pub may_be_absent: bool,
    /// How many series it has now.
    pub series: u64,
    /// How many series the name has, whatever their labels.
    pub series_of_name: u64,
    /// How old its newest sample is, by the server's own clock.
    pub age_seconds: Option<f64>,
    /// Names that exist and come near, when the name does not.
    pub near: Vec<String>,
}

impl Presence {
    /// In words, why a query has nothing to work on; `None` when the series are there.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if self.series > 0 {
            return None;
        }
        let metric = self.metric.as_deref().unwrap_or(&self.selector);
        Some(if self.series_of_name > 0 {
            format!(
                "`{metric}` has {} series, but none that `{}` selects",
                self.series_of_name, self.selector
            )
        } else if self.near.is_empty() {
            format!("the metric `{metric}` does not exist")
        } else {
            format!(
                "the metric `{metric}` does not exist; near it are {}",
                self.near.join(", ")
            )
        })
    }
}

impl Prometheus {
    /// Finds the way to the target's Prometheus.
    ///
    /// # Errors
    /// As [`WebApi::connect`].
    pub async fn connect(cx: &StepContext) -> Result<Self, StepError> {
        WebApi::connect(cx, ServiceName::Prometheus).await.map(Self)
    }

    /// The value of an expression now.
    ///
    /// # Errors
    /// When it cannot be evaluated, or there is no answer.
    pub async fn instant(&self, cx: &StepContext, query: &str) -> Result<Reading, StepError> {
        let data = self.data(cx, "/api/v1/query", &[("query", query)]).await?;
        Reading::parse(data).ok_or_else(not_understood)
    }

    /// The values of an expression over the last `span`, one every `step`.
    ///
    /// # Errors
    /// As [`Prometheus::instant`].
    pub async fn range(
        &self,
        cx: &StepContext,
        query: &str,
        span: Duration,
        step: Duration,
    ) -> Result<Reading, StepError> {
        let end = cx.clock.now();
        let start = jiff::SignedDuration::try_from(span)
            .ok()
            .and_then(|span| end.checked_sub(span).ok())
            .unwrap_or(end);
        let (start, end) = (start.to_string(), end.to_string());
        let step = format!("{}", step.as_secs_f64());
        let asked = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        let data = self.data(cx, "/api/v1/query_range", &asked).await?;
        Reading::parse(data).ok_or_else(not_understood)
    }

    /// The alerting rules that are loaded.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn alerting_rules(&self, cx: &StepContext) -> Result<Vec<Rule>, StepError> {
        let data = self.data(cx, "/api/v1/rules", &[("type", "alert")]).await?;
        Rule::parse_all(&data).ok_or_else(not_understood)
    }

    /// What is scraped.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn targets(&self, cx: &StepContext) -> Result<Vec<ScrapeTarget>, StepError> {
        let data = self
            .data(cx, "/api/v1/targets", &[("state", "active")])
            .await?;
        let targets = data.get("activeTargets").cloned().unwrap_or_default();
        serde_json::from_value(targets).map_err(|_| not_understood())
    }

    /// The names of all metrics.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn metric_names(&self, cx: &StepContext) -> Result<Vec<String>, StepError> {
        let data = self.data(cx, "/api/v1/label/__name__/values", &[]).await?;
        serde_json::from_value(data).map_err(|_| not_understood())
    }

    /// What there is of each series that an expression reads.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn presence(
        &self,
        cx: &StepContext,
        expression: &str,
    ) -> Result<Vec<Presence>, StepError> {
        let mut found = Vec::new();
        let mut names: Option<Vec<String>> = None;
        for selector in selectors::selectors(expression) {
            let mut presence = self.presence_of(cx, &selector).await?;
            let unknown = selector
                .metric
                .as_ref()
                .filter(|_| presence.series_of_name == 0);
            if let Some(metric) = unknown {
                let known = match &names {
                    Some(known) => known,
                    None => names.insert(self.metric_names(cx).await?),
                };
                presence.near = near::near(metric, known);
            }
            found.push(presence);
        }
        Ok(found)
    }

    async fn presence_of(
        &self,
        cx: &StepContext,
        selector: &Selector,
    ) -> Result<Presence, StepError> {
        let text = &selector.text;
        let series = self.number(cx, &format!("count({text})")).await?;
        let series_of_name = match (&selector.metric, series) {
            (Some(metric), None) => {
                let query = format!("count({{__name__={}}})", quoted(metric));
                self.number(cx, &query).await?
            }
            _ => series,
        };
        let age_seconds = match series {
            Some(_) => {
                let query = format!("time() - max(timestamp({text}))");
                self.number(cx, &query).await?
            }
            None => None,
        };
        // Counts of series are whole and far below 2^52.
        let whole = |number: Option<f64>| number.unwrap_or(0.0) as u64;
        Ok(Presence {
            selector: text.clone(),
            metric: selector.metric.clone(),
            may_be_absent: selector.may_be_absent,
            series: whole(series),
            series_of_name: whole(series_of_name),
            age_seconds,
            near: Vec::new(),
        })
    }

    /// The one value of an expression; `None` when it has none.
    async fn number(&self, cx: &StepContext, query: &str) -> Result<Option<f64>, StepError> {
        let reading = self.instant(cx, query).await?;
        Ok(reading
            .series
            .first()
            .and_then(|series| series.samples.last())
            .map(|sample| sample.value))
    }

    async fn data(
        &self,
        cx: &StepContext,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, StepError> {
        let reply = self.0.get(cx, path, query).await?;
        classify(&reply).unwrap_or_else(|| Err(self.0.unexpected("Prometheus", path, &reply)))
    }
}

/// The data of an answer, or what Prometheus says is wrong; `None` when it is not Prometheus that answered.
fn classify(reply: &Reply) -> Option<Result<Value, StepError>> {
    if reply.json["status"] == "success" {
        return Some(Ok(reply.json["data"].clone()));
    }
    let kind = reply.json["errorType"].as_str()?;
    let message = format!(
        "Prometheus: {}",
        reply.json["error"].as_str().unwrap_or(kind)
    );
    let code = format!("prometheus.{kind}");
    Some(Err(match kind {
        "timeout" | "canceled" | "internal" | "unavailable" => StepError::transient(code, message),
        _ => StepError::permanent(code, message),
    }))
}

fn not_understood() -> StepError {
    StepError::permanent(
        "prometheus.protocol",
        "Prometheus answered in a form that flowctl does not know",
    )
}

/// A string as PromQL writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use flowctl_workflows::result::ErrorClass;
    use serde_json::json;

    use super::*;

    fn reply(status: u16, json: Value) -> Reply {
        Reply {
            status,
            json,
            beginning: String::new(),
        }
    }

    #[test]
    fn what_prometheus_says_is_wrong_keeps_its_class() {
        let error =
            |kind: &str| json!({"status": "error", "errorType": kind, "error": "1:6: parse error"});
        for (kind, class) in [
            ("bad_data", ErrorClass::Permanent),
            ("execution", ErrorClass::Permanent),
            ("timeout", ErrorClass::Transient),
            ("unavailable", ErrorClass::Transient),
        ] {
            let found = classify(&reply(400, error(kind))).unwrap().unwrap_err();
            assert_eq!(
                (found.class, found.code),
                (class, format!("prometheus.{kind}"))
            );
            assert_eq!(found.message, "Prometheus: 1:6: parse error");
        }
        assert_eq!(classify(&reply(404, Value::Null)), None);
        assert_eq!(classify(&reply(200, json!({"ok": true}))), None);
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let mut presence = Presence {
            selector: "up{job=\"x\"}".to_owned(),
            metric: Some("up".to_owned()),
            may_be_absent: false,
            series: 1,
            series_of_name: 4,
            age_seconds: Some(1.0),
            near: Vec::new(),
        };
        assert_eq!(presence.missing(), None);
        presence.series = 0;
        assert_eq!(
            presence.missing().unwrap(),
            "`up` has 4 series, but none that `up{job=\"x\"}` selects"
        );
        presence.series_of_name = 0;
        assert_eq!(
            presence.missing().unwrap(),
            "the metric `up` does not exist"
        );
        presence.near = vec!["ups".to_owned()];
        assert_eq!(
            presence.missing().unwrap(),
            "the metric `up` does not exist; near it are ups"
        );
    }
}
