//! Alerting rules out of the PrometheusRules that were applied, evaluated every so often, and what came of them: alerts
//! that are pending and fire, and what the receiver was told.
//!
//! Nothing runs for it: since every series is known for every moment, the evaluations that are due are made up for when
//! somebody asks. A rule that was just applied is evaluated from then on, never for the time before.

use std::collections::BTreeMap;

use flowctl_workflows::policy::Span;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::evaluate::{self, Labels, Sample, evaluate};
use super::expression::{self, Expression};
use super::series::Scraped;
use crate::clients::kube::object;
use crate::testing::rehearsal::world::World;

/// From one evaluation to the next.
const EVERY: SignedDuration = SignedDuration::from_millis(50);

/// A rule as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    /// The object that holds it.
    pub(super) file: String,
    pub(super) group: String,
    pub(super) alert: String,
    pub(super) expression: String,
    /// None, where it is no duration.
    pub(super) holds_for: Option<SignedDuration>,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
}

/// A rule that is loaded.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) written: Written,
    parsed: Result<Expression, String>,
    pub(super) last_error: Option<String>,
    /// What is pending or fires.
    pub(super) active: Vec<Alert>,
    ended: Vec<Alert>,
}

/// An alert.
#[derive(Debug, Clone)]
pub(super) struct Alert {
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) value: f64,
    pub(super) active_at: Timestamp,
    pub(super) fired_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
}

/// A message to the receiver.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) alert: Alert,
}

/// All rules with their alerts.
#[derive(Debug, Default)]
pub(in crate::testing::rehearsal) struct Alerts {
    pub(super) evaluated: Option<Timestamp>,
    pub(super) rules: Vec<Rule>,
    pub(super) told: Vec<Told>,
}

impl Alerts {
    /// What is pending or was, at some time between two moments: since when, in seconds.
    pub(super) fn active_within(&self, from: Timestamp, to: Timestamp) -> Vec<Sample> {
        let alerts = self
            .rules
            .iter()
            .flat_map(|rule| rule.ended.iter().chain(&rule.active));
        let mut newest: BTreeMap<Labels, f64> = BTreeMap::new();
        for alert in alerts {
            let over = alert.ended_at.is_some_and(|ended| ended <= from);
            if !over && alert.active_at <= to {
                let mut labels = alert.labels.clone();
                labels.insert("__name__".to_owned(), "ALERTS_FOR_STATE".to_owned());
                newest.insert(labels, alert.active_at.as_second() as f64);
            }
        }
        let samples = newest.into_iter();
        samples
            .map(|(labels, value)| Sample { labels, value })
            .collect()
    }

    /// What fires now.
    pub(super) fn firing(&self) -> impl Iterator<Item = &Alert> {
        let active = self.rules.iter().flat_map(|rule| &rule.active);
        active.filter(|alert| alert.fired_at.is_some())
    }
}

/// Makes up for the evaluations that are due.
pub(super) fn catch_up(world: &mut World) {
    let now = world.clock.now();
    let mut alerts = std::mem::take(&mut world.alerts);
    let mut known = std::mem::take(&mut alerts.rules);
    let written = written(world);
    known.retain(|rule| written.contains(&rule.written));
    let mut due = alerts.evaluated.map_or(now, |last| last + EVERY);
    while due < now {
        round(world, &mut known, due, &mut alerts.told);
        due += EVERY;
    }
    for written in written {
        if !known.iter().any(|rule| rule.written == written) {
            known.push(Rule::new(written));
        }
    }
    round(world, &mut known, now, &mut alerts.told);
    alerts.rules = known;
    alerts.evaluated = Some(now);
    world.alerts = alerts;
}

/// The rules of all objects. What is no alert is left out: nothing here records series.
fn written(world: &World) -> Vec<Written> {
    let mut found = Vec::new();
    for object in world.cluster.of_kind("PrometheusRule", None) {
        let namespace = object::namespace(object).unwrap_or_default();
        let file = format!("{namespace}-{}.yaml", object::name(object));
        for group in object::list(object, "/spec/groups") {
            let rules = object::list(group, "/rules").iter();
            found.extend(
                rules
                    .filter(|rule| rule["alert"].is_string())
                    .map(|rule| Written {
                        file: file.clone(),
                        group: object::text(group, "/name").to_owned(),
                        alert: object::text(rule, "/alert").to_owned(),
                        expression: object::text(rule, "/expr").to_owned(),
                        holds_for: span(object::text(rule, "/for")),
                        labels: texts(&rule["labels"]),
                        annotations: texts(&rule["annotations"]),
                    }),
            );
        }
    }
    found
}

fn span(text: &str) -> Option<SignedDuration> {
    match text {
        "" => Some(SignedDuration::ZERO),
        text => SignedDuration::try_from(text.parse::<Span>().ok()?.duration()).ok(),
    }
}

fn texts(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

fn round(world: &World, rules: &mut [Rule], at: Timestamp, told: &mut Vec<Told>) {
    for rule in rules {
        // A rule over the alerts of others is not played: it has no series.
        let series = Scraped {
            world,
            alerts: &Alerts::default(),
        };
        let value = rule
            .parsed
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|expression| evaluate(expression, &series, at));
        match value {
            Ok(evaluate::Value::Vector(samples)) => {
                rule.last_error = None;
                rule.take(samples, at, told);
            }
            Ok(evaluate::Value::Scalar(_)) => {
                rule.last_error = Some("a number is no alert".to_owned());
            }
            Err(error) => rule.last_error = Some(error),
        }
    }
}

impl Rule {
    fn new(written: Written) -> Self {
        let parsed = match written.holds_for {
            Some(_) => expression::parse(&written.expression),
            None => Err("the rehearsal does not know the duration of its `for:`".to_owned()),
        };
        Self {
            written,
            parsed,
            last_error: None,
            active: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Takes an evaluation into account.
    fn take(&mut self, samples: Vec<Sample>, at: Timestamp, told: &mut Vec<Told>) {
        let found: Vec<(Labels, f64)> = samples
            .into_iter()
            .map(|sample| (self.labels_of(sample.labels), sample.value))
            .collect();
        let (active, over): (Vec<Alert>, Vec<Alert>) = std::mem::take(&mut self.active)
            .into_iter()
            .partition(|alert| found.iter().any(|(labels, _)| *labels == alert.labels));
        self.active = active;
        for mut alert in over {
            alert.ended_at = Some(at);
            if alert.fired_at.is_some() {
                let alert = alert.clone();
                told.push(Told { at, alert });
            }
            self.ended.push(alert);
        }
        for (labels, value) in found {
            let known = self.active.iter_mut().find(|alert| alert.labels == labels);
            let alert = match known {
                Some(alert) => alert,
                None => {
                    self.active.push(Alert {
                        labels,
                        annotations: self.written.annotations.clone(),
                        value,
                        active_at: at,
                        fired_at: None,
                        ended_at: None,
                    });
                    let Some(newest) = self.active.last_mut() else {
                        continue;
                    };
                    newest
                }
            };
            alert.value = value;
            let lasted = at.duration_since(alert.active_at);
            let long_enough = self.written.holds_for.is_some_and(|least| lasted >= least);
            if alert.fired_at.is_none() && long_enough {
                alert.fired_at = Some(at);
                let alert = alert.clone();
                told.push(Told { at, alert });
            }
        }
    }

    fn labels_of(&self, mut labels: Labels) -> Labels {
        labels.remove("__name__");
        labels.extend(self.written.labels.clone());
        labels.insert("alertname".to_owned(), self.written.alert.clone());
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(holds_for: &str) -> Rule {
        Rule::new(Written {
            file: "monitoring-r.yaml".to_owned(),
            group: "g".to_owned(),
            alert: "A".to_owned(),
            expression: "up".to_owned(),
            holds_for: span(holds_for),
            labels: [("severity".to_owned(), "page".to_owned())].into(),
            annotations: Labels::new(),
        })
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sample(pod: &str) -> Sample {
        let labels = [("__name__", "up"), ("pod", pod)];
        Sample {
            labels: labels.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            value: 1.0,
        }
    }

    #[test]
    fn an_alert_is_pending_before_it_fires_and_is_told_twice() {
        let (mut rule, mut told) = (rule("10s"), Vec::new());
        rule.take(Vec::new(), second(0), &mut told);
        assert!(rule.active.is_empty());
        rule.take(vec![sample("a")], second(5), &mut told);
        rule.take(vec![sample("a")], second(14), &mut told);
        assert!(rule.active[0].fired_at.is_none() && told.is_empty());
        rule.take(vec![sample("a")], second(15), &mut told);
        assert_eq!(rule.active[0].fired_at, Some(second(15)));
        assert_eq!(rule.active[0].active_at, second(5));
        assert_eq!(rule.active[0].labels["severity"], "page");
        rule.take(vec![sample("a")], second(16), &mut told);
        assert_eq!(told.len(), 1, "it is told once that it fires");
        rule.take(Vec::new(), second(20), &mut told);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].alert.ended_at, Some(second(20)));
    }

    #[test]
    fn one_that_does_not_last_never_fires_but_was_active() {
        let (mut rule, mut told) = (rule("10s"), Vec::new());
        rule.take(vec![sample("a")], second(5), &mut told);
        rule.take(Vec::new(), second(9), &mut told);
        rule.take(vec![sample("a")], second(12), &mut told);
        rule.take(vec![sample("a")], second(21), &mut told);
        assert!(told.is_empty());
        let alerts = Alerts {
            rules: vec![rule],
            ..Alerts::default()
        };
        let since = |from: i64, to: i64| -> Vec<f64> {
            let found = alerts.active_within(second(from), second(to));
            found.iter().map(|sample| sample.value).collect()
        };
        assert_eq!(since(0, 4), [0.0; 0]);
        assert_eq!(since(6, 8), [5.0]);
        assert_eq!(since(10, 11), [0.0; 0]);
        assert_eq!(since(0, 30), [12.0], "the newest");
    }

    #[test]
    fn a_duration_that_is_none_is_no_duration_of_nothing() {
        assert!(rule("two weeks").parsed.is_err());
        assert_eq!(span("1m30s"), Some(SignedDuration::from_secs(90)));
        assert_eq!(span(""), Some(SignedDuration::ZERO));
    }

    #[test]
    fn a_label_is_an_alert_of_its_own() {
        let (mut rule, mut told) = (rule("0s"), Vec::new());
        rule.take(vec![sample("a"), sample("b")], second(1), &mut told);
        rule.take(vec![sample("b")], second(2), &mut told);
        assert_eq!(rule.active.len(), 1);
        assert_eq!(rule.active[0].labels["pod"], "b");
        assert_eq!(told.len(), 3);
    }
}
