//! Prometheus' HTTP API over the series and the rules that there are.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::evaluate::{self, Labels, evaluate, seconds};
use super::expression;
use super::rules::{Alert, Rule};
use super::series::{self, Scraped};
use crate::testing::rehearsal::door::{Reply, Request};
use crate::testing::rehearsal::trino::nodes;
use crate::testing::rehearsal::world::World;

/// As many values as a server gives of a series.
const MOST: usize = 11_000;

/// The values of a series at their moments.
pub(super) type Values = BTreeMap<Labels, Vec<(Timestamp, f64)>>;

pub(super) fn answer(world: &World, request: &Request) -> Option<Reply> {
    match request.path.as_str() {
        "/-/ready" => Some(Reply::text(200, "Prometheus Server is Ready.\n")),
        "/api/v1/query" => Some(answered(instant(world, request))),
        "/api/v1/query_range" => Some(answered(range(world, request))),
        "/api/v1/rules" => Some(success(&json!({"groups": groups(world)}))),
        "/api/v1/alerts" => {
            let rules = world.alerts.rules.iter();
            let alerts = rules.flat_map(|rule| rule.active.iter().map(alert));
            Some(success(&json!({"alerts": alerts.collect::<Vec<_>>()})))
        }
        "/api/v1/label/__name__/values" => Some(success(&json!(series::names(world)))),
        "/api/v1/targets" => Some(success(&targets(world))),
        _ => None,
    }
}

fn success(data: &Value) -> Reply {
    Reply::json(200, &json!({"status": "success", "data": data}))
}

fn answered(data: Result<Value, String>) -> Reply {
    match data {
        Ok(data) => success(&data),
        Err(error) => Reply::json(
            400,
            &json!({"status": "error", "errorType": "bad_data", "error": error}),
        ),
    }
}

/// A value as text, since JSON has no word for what is no number.
fn text(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        value => value.to_string(),
    }
}

fn instant(world: &World, request: &Request) -> Result<Value, String> {
    let parsed = expression::parse(request.asked("query").unwrap_or_default())?;
    if request.asked("time").is_some() {
        return Err("the rehearsal does not know a query of another time than now".to_owned());
    }
    let (now, scraped) = (world.clock.now(), scraped(world));
    let pair = |value: f64| json!([seconds(now), text(value)]);
    Ok(match evaluate(&parsed, &scraped, now)? {
        evaluate::Value::Scalar(value) => json!({"resultType": "scalar", "result": pair(value)}),
        evaluate::Value::Vector(samples) => {
            let result: Vec<Value> = samples
                .iter()
                .map(|sample| json!({"metric": sample.labels, "value": pair(sample.value)}))
                .collect();
            json!({"resultType": "vector", "result": result})
        }
    })
}

fn scraped(world: &World) -> Scraped<'_> {
    Scraped {
        world,
        alerts: &world.alerts,
    }
}

fn range(world: &World, request: &Request) -> Result<Value, String> {
    let moment = |key: &str| -> Result<Timestamp, String> {
        let given = request.asked(key).unwrap_or_default();
        given.parse().map_err(|_| {
            format!("invalid parameter \"{key}\": the rehearsal reads only RFC 3339, not {given}")
        })
    };
    let step = request.asked("step").unwrap_or_default();
    let step: f64 = step
        .parse()
        .map_err(|_| format!("invalid parameter \"step\": {step}"))?;
    let step = SignedDuration::try_from_secs_f64(step)
        .ok()
        .filter(SignedDuration::is_positive)
        .ok_or("zero or negative query resolution step widths are not accepted")?;
    let query = request.asked("query").unwrap_or_default();
    let values = over(world, query, moment("start")?, moment("end")?, step)?;
    let result: Vec<Value> = values
        .iter()
        .map(|(labels, values)| {
            let pairs = values
                .iter()
                .map(|(at, value)| json!([seconds(*at), text(*value)]));
            json!({"metric": labels, "values": pairs.collect::<Vec<_>>()})
        })
        .collect();
    Ok(json!({"resultType": "matrix", "result": result}))
}

/// The values of an expression over a time.
///
/// # Errors
/// When it is not known, or would have too many values.
pub(super) fn over(
    world: &World,
    query: &str,
    start: Timestamp,
    end: Timestamp,
    step: SignedDuration,
) -> Result<Values, String> {
    let parsed = expression::parse(query)?;
    let scraped = scraped(world);
    let (mut values, mut at) = (Values::new(), start);
    for _ in 0..MOST {
        if at > end {
            return Ok(values);
        }
        match evaluate(&parsed, &scraped, at)? {
            evaluate::Value::Scalar(value) => {
                values.entry(Labels::new()).or_default().push((at, value))
            }
            evaluate::Value::Vector(samples) => {
                for sample in samples {
                    values
                        .entry(sample.labels)
                        .or_default()
                        .push((at, sample.value));
                }
            }
        }
        at = at.checked_add(step).map_err(|error| error.to_string())?;
    }
    Err("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)".to_owned())
}

fn groups(world: &World) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
    let evaluated = world.alerts.evaluated.map(|at| at.to_string());
    for rule in &world.alerts.rules {
        let key = (&*rule.written.file, &*rule.written.group);
        groups
            .entry(key)
            .or_default()
            .push(shown(rule, evaluated.as_deref()));
    }
    let groups = groups.into_iter();
    groups
        .map(|((file, name), rules)| {
            json!({"name": name, "file": file, "rules": rules, "interval": 0.05, "limit": 0,
                "evaluationTime": 0.001, "lastEvaluation": evaluated})
        })
        .collect()
}

fn shown(rule: &Rule, evaluated: Option<&str>) -> Value {
    let written = &rule.written;
    let fires = rule.active.iter().any(|alert| alert.fired_at.is_some());
    let state = match rule.active.is_empty() {
        true => "inactive",
        false if fires => "firing",
        false => "pending",
    };
    let alerts: Vec<Value> = rule.active.iter().map(alert).collect();
    json!({"type": "alerting", "name": written.alert, "query": written.expression, "state": state,
        "duration": written.holds_for.unwrap_or_default().as_secs_f64(), "keepFiringFor": 0,
        "labels": written.labels, "annotations": written.annotations, "alerts": alerts,
        "health": if rule.last_error.is_some() { "err" } else { "ok" },
        "lastError": rule.last_error.as_deref().unwrap_or_default(),
        "evaluationTime": 0.001, "lastEvaluation": evaluated})
}

fn alert(alert: &Alert) -> Value {
    let state = if alert.fired_at.is_some() {
        "firing"
    } else {
        "pending"
    };
    json!({"labels": alert.labels, "annotations": alert.annotations, "state": state,
        "activeAt": alert.active_at.to_string(), "value": text(alert.value)})
}

fn targets(world: &World) -> Value {
    let targets: Vec<Value> = nodes::all(world)
        .iter()
        .map(|node| {
            json!({"labels": series::labels_of(node), "discoveredLabels": {}, "scrapePool": "trino", "health": "up", "lastError": "",
                "scrapeUrl": format!("http://{}:8080/metrics", node.id), "lastScrape": world.clock.now().to_string(),
                "lastScrapeDuration": 0.01, "scrapeInterval": "15s", "scrapeTimeout": "10s"})
        })
        .collect();
    json!({"activeTargets": targets, "droppedTargets": []})
}
