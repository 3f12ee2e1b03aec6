//! Prometheus, Alertmanager, a receiver and Grafana in one server in memory, on loopback: it answers what a test has put there, in the
//! shapes that the real ones have. Unlike them it evaluates nothing: each query has the answer that was given for its very text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::TestContext;

/// The password that it asks for, by the name `PASSWORD`.
pub(crate) const SECRET: &str = "hunter2-and-more";

/// Status and body, by path and query.
type Answers = HashMap<(String, String), (u16, Value)>;

/// The server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct FakeMonitoring(Arc<Mutex<Answers>>);

impl FakeMonitoring {
    /// Starts it inside the current runtime and returns its address.
    pub(crate) fn start(&self) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// From now on this path, with this query, is answered so.
    pub(crate) fn answers(&self, path: &str, query: &str, status: u16, body: Value) {
        self.answers_of()
            .insert((path.to_owned(), query.to_owned()), (status, body));
    }

    /// From now on Prometheus gives these series for the query: labels and a value.
    pub(crate) fn gives(&self, query: &str, series: &[(Value, &str)]) {
        let result: Vec<Value> = series
            .iter()
            .map(|(labels, value)| json!({"metric": labels, "value": [1_795_440_817.25, value]}))
            .collect();
        let data = json!({"resultType": "vector", "result": result});
        self.answers("/api/v1/query", query, 200, success(data));
    }

    /// From now on a selector has so many series, the newest sample so old; each name is known.
    pub(crate) fn has(&self, selector: &str, series: usize, age: &str) {
        let one = |value: &str| vec![(json!({}), value.to_owned())];
        for (query, found) in [
            (format!("count({selector})"), one(&series.to_string())),
            (format!("time() - max(timestamp({selector}))"), one(age)),
        ] {
            let found: Vec<(Value, &str)> = found
                .iter()
                .map(|(labels, value)| (labels.clone(), value.as_str()))
                .collect();
            self.gives(&query, &found);
        }
    }

    /// From now on these names exist.
    pub(crate) fn names(&self, names: &[&str]) {
        self.answers(
            "/api/v1/label/__name__/values",
            "",
            200,
            success(json!(names)),
        );
    }

    fn answers_of(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Data as Prometheus wraps it.
pub(crate) fn success(data: Value) -> Value {
    json!({"status": "success", "data": data})
}

/// A context whose target has all its services in this server, with a password.
pub(crate) fn monitoring_context(step: &str, url: &str) -> TestContext {
    let all = ["prometheus", "alertmanager", "alert_receiver", "grafana"];
    context_of(step, url, &all)
}

/// A context whose target has only these services, in this server.
pub(crate) fn context_of(step: &str, url: &str, services: &[&str]) -> TestContext {
    let mut target =
        json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "fake"}});
    for service in services {
        target[*service] = json!({"url": url, "auth": {"basic": {"user": "someone", "password": {"secret": "PASSWORD"}}}});
    }
    TestContext::new(step)
        .expect("a step id")
        .secrets(&[("PASSWORD", SECRET)])
        .target(serde_json::from_value(target).expect("a target"))
}

async fn answer(
    State(server): State<FakeMonitoring>,
    headers: HeaderMap,
    uri: Uri,
) -> (StatusCode, String) {
    if !headers.contains_key("authorization") {
        return (StatusCode::UNAUTHORIZED, "Unauthorized".to_owned());
    }
    let url = reqwest::Url::parse(&format!("http://x{uri}")).expect("a URL");
    let query = url
        .query_pairs()
        .find(|(name, _)| name == "query")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let path = url.path().to_owned();
    let (status, body) = match server.answers_of().get(&(path.clone(), query)) {
        Some(answer) => answer.clone(),
        None if path == "/api/v1/query" => {
            (200, success(json!({"resultType": "vector", "result": []})))
        }
        None if path == "/api/v1/query_range" => {
            (200, success(json!({"resultType": "matrix", "result": []})))
        }
        None if path == "/api/v1/label/__name__/values" => (200, success(json!([]))),
        None => (404, Value::Null),
    };
    let text = match body {
        Value::String(text) => text,
        Value::Null => "404 page not found".to_owned(),
        body => body.to_string(),
    };
    (StatusCode::from_u16(status).expect("a status"), text)
}
