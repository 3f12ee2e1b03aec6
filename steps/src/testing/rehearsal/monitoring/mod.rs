//! The doubles of Prometheus, Alertmanager, its receiver and Grafana. In a rehearsal nothing is measured: a cluster whose
//! Trino is up has the few series that are named here, and no alert. Another expression is refused, never "empty".

use async_trait::async_trait;
use flowctl_workflows::inject::{Failing, Protocol};
use regex::Regex;
use serde_json::{Value, json};

use super::door::{self, Answer, Reply, Request};
use super::trino::nodes;
use super::world::{self, Shared, World};

/// The series of each node of Trino, with the value that stands for a measurement.
const SERIES: &[(&str, &str)] = &[
    ("up", "1"),
    ("trino_execution_name_QueryManager_RunningQueries", "0"),
    ("trino_execution_name_QueryManager_QueuedQueries", "0"),
    ("trino_execution_name_QueryManager_FullyBlockedQueries", "0"),
    (
        "trino_memory_type_ClusterMemoryPool_name_general_TotalDistributedBytes",
        "1073741824",
    ),
    (
        "trino_memory_type_ClusterMemoryPool_name_general_ReservedDistributedBytes",
        "0",
    ),
    (
        "trino_memory_type_MemoryPool_name_general_MaxBytes",
        "1073741824",
    ),
    (
        "trino_memory_type_MemoryPool_name_general_ReservedBytes",
        "0",
    ),
];

/// One of the four.
pub(super) struct Double {
    pub(super) world: Shared,
    pub(super) protocol: Protocol,
}

#[async_trait]
impl door::Double for Double {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    async fn answer(&self, request: &Request) -> Answer {
        let world = world::lock(&self.world);
        let known = match self.protocol {
            Protocol::Prometheus => prometheus(&world, request),
            Protocol::Alertmanager if request.path == "/api/v2/alerts" => {
                Some(Reply::json(200, &json!([])))
            }
            Protocol::AlertReceiver if request.path == "/notifications" => {
                Some(Reply::json(200, &json!([])))
            }
            Protocol::Grafana if request.path == "/api/health" => Some(Reply::json(
                200,
                &json!({"database": "ok", "version": "rehearsal"}),
            )),
            _ => None,
        };
        known
            .unwrap_or_else(|| {
                Reply::text(
                    404,
                    format!(
                        "the rehearsal does not know {} {}",
                        request.method, request.path
                    ),
                )
            })
            .into()
    }

    fn failing(&self, failing: Failing, _: &Request) -> Answer {
        match failing {
            Failing::Unavailable => Reply::text(503, "Service Unavailable").into(),
            Failing::Refused => Reply::text(403, "Forbidden: by the file of faults").into(),
            Failing::Reset => Answer::Silence,
        }
    }
}

fn success(data: &Value) -> Reply {
    Reply::json(200, &json!({"status": "success", "data": data}))
}

fn prometheus(world: &World, request: &Request) -> Option<Reply> {
    match request.path.as_str() {
        "/-/ready" => Some(Reply::text(200, "Prometheus Server is Ready.\n")),
        "/api/v1/query" => Some(query(world, request.asked("query").unwrap_or_default())),
        "/api/v1/rules" => Some(success(&json!({"groups": []}))),
        "/api/v1/alerts" => Some(success(&json!({"alerts": []}))),
        "/api/v1/label/__name__/values" => {
            let up = !nodes::all(world).is_empty();
            let names: Vec<&str> = SERIES
                .iter()
                .map(|(name, _)| *name)
                .filter(|_| up)
                .collect();
            Some(success(&json!(names)))
        }
        "/api/v1/targets" => {
            let targets: Vec<Value> = nodes::all(world)
                .iter()
                .map(|node| {
                    json!({"labels": labels(node), "discoveredLabels": {}, "scrapePool": "trino", "health": "up", "lastError": "",
                        "scrapeUrl": format!("http://{}:8080/metrics", node.id), "lastScrape": world.clock.now().to_string(),
                        "lastScrapeDuration": 0.01, "scrapeInterval": "15s", "scrapeTimeout": "10s"})
                })
                .collect();
            Some(success(
                &json!({"activeTargets": targets, "droppedTargets": []}),
            ))
        }
        _ => None,
    }
}

fn labels(node: &nodes::Node) -> Value {
    let job = if node.coordinator {
        "trino"
    } else {
        "trino-worker"
    };
    json!({"job": job, "instance": format!("{}:8080", node.id), "pod": node.id})
}

/// `name`, `name{label="value"}`, `count(…)` and `time() - max(timestamp(…))` of such a selector.
fn query(world: &World, expression: &str) -> Reply {
    let now = world.clock.now().as_millisecond() as f64 / 1000.0;
    let wrapped =
        |prefix: &str, suffix: &str| expression.strip_prefix(prefix)?.strip_suffix(suffix);
    let (selector, form) = if let Some(inner) = wrapped("count(", ")") {
        (inner, "count")
    } else if let Some(inner) = wrapped("time() - max(timestamp(", "))") {
        (inner, "age")
    } else {
        (expression, "plain")
    };
    let Some(found) = series(world, selector) else {
        let error = format!("the rehearsal does not know this expression: {expression}");
        return Reply::json(
            400,
            &json!({"status": "error", "errorType": "bad_data", "error": error}),
        );
    };
    let one = |value: String| vec![json!({"metric": {}, "value": [now, value]})];
    let result: Vec<Value> = match form {
        _ if found.is_empty() => Vec::new(),
        "count" => one(found.len().to_string()),
        "age" => one("1".to_owned()),
        _ => found
            .into_iter()
            .map(|(metric, value)| json!({"metric": metric, "value": [now, value]}))
            .collect(),
    };
    success(&json!({"resultType": "vector", "result": result}))
}

/// The series of a selector, with their values; `None` when it is none.
fn series(world: &World, selector: &str) -> Option<Vec<(Value, &'static str)>> {
    let form = Regex::new(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?$").ok()?;
    let matcher = Regex::new(r#"^\s*(\w+)\s*=\s*"([^"]*)"\s*$"#).ok()?;
    let found = form.captures(selector.trim())?;
    let mut wanted = Vec::new();
    for pair in found
        .get(2)
        .map_or("", |pairs| pairs.as_str())
        .split(',')
        .filter(|pair| !pair.trim().is_empty())
    {
        let pair = matcher.captures(pair)?;
        wanted.push((pair[1].to_owned(), pair[2].to_owned()));
    }
    let Some((name, value)) = SERIES.iter().find(|(name, _)| *name == &found[1]) else {
        return Some(Vec::new());
    };
    let all = nodes::all(world).into_iter().map(|node| {
        let mut labels = labels(&node);
        labels["__name__"] = json!(name);
        labels
    });
    let chosen = all.filter(|labels| {
        wanted
            .iter()
            .all(|(label, value)| labels[label] == value.as_str())
    });
    Some(chosen.map(|labels| (labels, *value)).collect())
}
