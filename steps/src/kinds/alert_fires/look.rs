//! One look at Prometheus, Alertmanager and the receiver. Thin: what it means is the way's and the verdict's.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::way::{Sight, Stage};
use super::{Delivery, Params};
use crate::clients::alertmanager::{Alertmanager, Receiver};
use crate::clients::prometheus::answer::{Labels, Rule};
use crate::clients::prometheus::{Presence, Prometheus};
use crate::context::StepContext;
use crate::error::StepError;

/// How many values of metrics are shown when an alert does not fire.
const VALUES: usize = 4;

/// The three services, and what was seen last.
pub(super) struct Platform {
    prometheus: Prometheus,
    alertmanager: Option<Alertmanager>,
    receiver: Option<Receiver>,
    /// When the step began, by Prometheus' clock.
    began: Timestamp,
    ahead: SignedDuration,
    /// The rule.
    pub(super) rule: Option<Rule>,
    /// The labels of what was pending or firing last.
    pub(super) fired: Labels,
    /// What there is of each metric in its expression.
    pub(super) metrics: Vec<Presence>,
    /// What was answered at each stage.
    pub(super) kept: Vec<Value>,
    raw: Value,
}

impl Platform {
    pub(super) async fn connect(cx: &StepContext, params: &Params) -> Result<Self, StepError> {
        let prometheus = Prometheus::connect(cx).await?;
        let needed = params.stages(true);
        let alertmanager =
            if needed.contains(&Stage::Alertmanager) || needed.contains(&Stage::Released) {
                Some(Alertmanager::connect(cx).await?)
            } else {
                None
            };
        let receiver = match params.delivery {
            Delivery::Receiver if alertmanager.is_some() => Receiver::connect(cx).await?,
            _ => None,
        };
        let began = server_time(cx, &prometheus).await?;
        Ok(Self {
            ahead: began.duration_since(cx.clock.now()),
            prometheus,
            alertmanager,
            receiver,
            began,
            rule: None,
            fired: Labels::new(),
            metrics: Vec::new(),
            kept: Vec::new(),
            raw: Value::Null,
        })
    }

    pub(super) fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// What keeps the alert from ever firing, if anything does.
    pub(super) async fn lacking(
        &mut self,
        cx: &StepContext,
        params: &Params,
    ) -> Result<Option<String>, StepError> {
        let rules = self.prometheus.alerting_rules(cx).await?;
        let Some(rule) = rules.iter().find(|rule| rule.name == params.alert) else {
            let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            let loaded = if names.is_empty() {
                "none is".to_owned()
            } else {
                names.join(", ")
            };
            return Ok(Some(format!(
                "Prometheus has no rule for the alert `{}`; loaded: {loaded}",
                params.alert
            )));
        };
        if let Some(text) = params.not_in(&rule.query) {
            return Ok(Some(format!(
                "the rule that is loaded for `{}` is another one: there is no `{text}` in {}",
                params.alert, rule.query
            )));
        }
        self.metrics = self.prometheus.presence(cx, &rule.query).await?;
        self.rule = Some(rule.clone());
        let exempt = |metric: &Presence| {
            metric.may_be_absent
                || metric
                    .metric
                    .as_ref()
                    .is_some_and(|name| params.may_be_absent.contains(name))
        };
        let missing: Vec<String> = self
            .metrics
            .iter()
            .filter(|metric| !exempt(metric))
            .filter_map(Presence::missing)
            .collect();
        Ok(if !missing.is_empty() {
            Some(format!("it can never fire, for {}", missing.join("; and ")))
        } else if rule.health == "err" {
            Some(format!("its rule fails: {}", rule.last_error))
        } else if !rule.was_evaluated() {
            Some("its rule was not evaluated yet".to_owned())
        } else {
            None
        })
    }

    /// Looks at all that the stage waited for needs.
    pub(super) async fn look(
        &mut self,
        cx: &StepContext,
        params: &Params,
        stage: Stage,
    ) -> Result<Sight, StepError> {
        let rules = self.prometheus.alerting_rules(cx).await?;
        // Several rules may have one name, for example a warning and a page.
        let rules: Vec<Rule> = rules
            .into_iter()
            .filter(|rule| rule.name == params.alert)
            .collect();
        let alerts: Vec<_> = rules
            .iter()
            .flat_map(|rule| rule.alerts.clone())
            .filter(|alert| params.matches(&alert.labels, false))
            .collect();
        let evaluated = |rule: &&Rule| rule.health == "ok" && rule.last_evaluation >= self.began;
        let rule = rules.iter().find(evaluated).cloned();
        let mut raw = json!({"stage": stage, "alerts": alerts.iter().map(|alert| json!({
            "labels": alert.labels, "state": alert.state, "activeAt": alert.active_at.to_string(), "value": alert.value
        })).collect::<Vec<_>>(), "lastEvaluation": rule.as_ref().map(|rule| rule.last_evaluation.to_string())});
        if let Some(alert) = alerts.first() {
            self.fired = alert.labels.clone();
        }
        let told = stage >= Stage::Firing;
        let held = match &self.alertmanager {
            Some(alertmanager) if told => {
                let (held, answer) = alertmanager.alerts(cx).await?;
                raw["alertmanager"] = of_this(&answer, params, "/labels");
                Some(
                    held.into_iter()
                        .filter(|alert| params.matches(&alert.labels, true))
                        .collect(),
                )
            }
            _ => None,
        };
        let received = match &self.receiver {
            Some(receiver) if told => {
                let (received, answer) = receiver.notifications(cx).await?;
                raw["receiver"] = of_this(&answer, params, "/notification/commonLabels");
                Some(
                    received
                        .into_iter()
                        .filter(|received| params.matches(&received.alert.labels, true))
                        .collect(),
                )
            }
            _ => None,
        };
        let now = cx.clock.now();
        raw["at"] = json!(now.to_string());
        self.raw = raw;
        Ok(Sight {
            now,
            ahead: self.ahead,
            rule,
            alerts,
            held,
            received,
        })
    }

    /// Keeps what the last look showed.
    pub(super) fn keep(&mut self) {
        self.kept.push(std::mem::take(&mut self.raw));
    }

    /// Since when the alert was active, if it was after that moment, from Prometheus' own history.
    pub(super) async fn active_since(
        &self,
        cx: &StepContext,
        params: &Params,
        since: Timestamp,
    ) -> Result<Option<Timestamp>, StepError> {
        let span = cx.clock.now().duration_since(since).as_secs().max(1) + 1;
        let labels: Vec<String> = params
            .labels
            .iter()
            .map(|(label, value)| format!(", {label}={value:?}"))
            .collect();
        let query = format!(
            "max(last_over_time(ALERTS_FOR_STATE{{alertname={:?}{}}}[{span}s]))",
            params.alert,
            labels.concat()
        );
        let reading = self.prometheus.instant(cx, &query).await?;
        let seconds = reading.values().next();
        Ok(seconds
            .and_then(|seconds| Timestamp::from_second(seconds as i64).ok())
            .filter(|at| *at >= since - SignedDuration::from_secs(2)))
    }

    /// What the metrics of the expression are now, in words.
    pub(super) async fn values(&self, cx: &StepContext) -> Result<String, StepError> {
        let mut words = Vec::new();
        for metric in &self.metrics {
            let reading = self.prometheus.instant(cx, &metric.selector).await?;
            for series in reading.series.iter().take(VALUES - words.len()) {
                if let Some(sample) = series.samples.last() {
                    // Not a number is worth showing: a quantile of no queries at all is none.
                    words.push(format!("{} is {}", series.name(), sample.value));
                }
            }
            if words.len() >= VALUES {
                break;
            }
        }
        Ok(words.join(", "))
    }
}

/// What an answer says of this alert; others' are not this step's evidence.
fn of_this(answer: &Value, params: &Params, labels: &str) -> Value {
    let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let own = entries.iter().filter(|entry| {
        entry
            .pointer(labels)
            .and_then(|labels| labels.get("alertname"))
            .is_some_and(|name| *name == *params.alert)
    });
    Value::Array(own.cloned().collect())
}

/// Now, by Prometheus' clock.
async fn server_time(cx: &StepContext, prometheus: &Prometheus) -> Result<Timestamp, StepError> {
    let reading = prometheus.instant(cx, "time()").await?;
    let seconds = reading.values().next();
    seconds
        .and_then(|seconds| Timestamp::from_microsecond((seconds * 1e6) as i64).ok())
        .ok_or_else(|| {
            StepError::permanent(
                "prometheus.protocol",
                "Prometheus does not say what time it is",
            )
        })
}
