//! A Trino coordinator in memory that speaks `/v1/statement`, `/v1/query` and `/v1/info` on loopback, as far as
//! [`crate::clients::trino`] asks. Like the real one it begins a query when its first page is asked for, keeps what
//! ended in its history, and answers a query that it does not know with 410.
//!
//! It knows no SQL, only words: `missing` fails, `endless` runs until it is ended, INSERT has an effect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::TestContext;

/// The coordinator. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct FakeTrino {
    queries: Arc<Mutex<Vec<Query>>>,
    changed: Arc<Notify>,
    starting: Arc<AtomicBool>,
}

struct Query {
    id: String,
    sql: String,
    source: String,
    tags: Vec<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Sent, but nobody has asked for its first page.
    Announced,
    Running,
    Finished,
    Failed(&'static str),
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Announced => "QUEUED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed(_) => "FAILED",
        }
    }
}

impl FakeTrino {
    /// Starts it inside the current runtime and returns its address.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub(crate) fn start(&self) -> std::io::Result<String> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = format!("http://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    }

    /// Says from now on that it is still starting.
    pub(crate) fn start_slowly(&self) {
        self.starting.store(true, Ordering::Relaxed);
    }

    /// Lets a query run that a client left behind, and returns its id.
    pub(crate) fn left_running(&self, source: &str, tag: &str, sql: &str) -> String {
        let mut queries = self.queries();
        let id = format!("20261123_000000_{:05}_fake0", queries.len());
        queries.push(Query {
            id: id.clone(),
            sql: sql.to_owned(),
            source: source.to_owned(),
            tags: vec![tag.to_owned()],
            stage: Stage::Running,
        });
        id
    }

    /// How many INSERT statements took effect.
    #[must_use]
    pub(crate) fn inserts(&self) -> usize {
        self.queries()
            .iter()
            .filter(|query| query.inserts() && query.stage == Stage::Finished)
            .count()
    }

    /// How many queries run.
    #[must_use]
    pub(crate) fn running(&self) -> usize {
        self.queries()
            .iter()
            .filter(|query| query.stage == Stage::Running)
            .count()
    }

    /// Waits until so many queries run.
    pub(crate) async fn until_running(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.running() == count {
                return;
            }
            changed.await;
        }
    }

    fn queries(&self) -> MutexGuard<'_, Vec<Query>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, headers: &HeaderMap, sql: String) -> Value {
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let mut queries = self.queries();
        let id = format!("20261123_000000_{:05}_fake0", queries.len());
        let tags = header("x-trino-client-tags")
            .split(',')
            .map(str::to_owned)
            .collect();
        queries.push(Query {
            id,
            sql,
            source: header("x-trino-source"),
            tags,
            stage: Stage::Announced,
        });
        queries.last().map(Query::page).unwrap_or_default()
    }

    /// The next page of a query; one that runs is waited for.
    async fn page(&self, id: &str) -> Option<Value> {
        loop {
            let changed = self.changed.notified();
            let page = {
                let mut queries = self.queries();
                let query = queries.iter_mut().find(|query| query.id == id)?;
                if query.stage == Stage::Announced {
                    query.begin();
                    self.changed.notify_waiters();
                }
                (query.stage != Stage::Running).then(|| query.page())
            };
            if page.is_some() {
                return page;
            }
            changed.await;
        }
    }

    fn end(&self, id: &str) -> bool {
        let mut queries = self.queries();
        let Some(query) = queries.iter_mut().find(|query| query.id == id) else {
            return false;
        };
        if matches!(query.stage, Stage::Announced | Stage::Running) {
            query.stage = Stage::Failed("USER_CANCELED");
        }
        self.changed.notify_waiters();
        true
    }

    /// The history. A query that was only announced is not in it.
    fn history(&self) -> Vec<Value> {
        self.queries()
            .iter()
            .filter(|query| query.stage != Stage::Announced)
            .map(Query::summary)
            .collect()
    }
}

impl Query {
    fn inserts(&self) -> bool {
        self.sql.starts_with("INSERT")
    }

    fn begin(&mut self) {
        self.stage = if self.sql.contains("missing") {
            Stage::Failed("TABLE_NOT_FOUND")
        } else if self.sql.contains("endless") {
            Stage::Running
        } else {
            Stage::Finished
        };
    }

    fn page(&self) -> Value {
        let mut page = json!({
            "id": self.id,
            "infoUri": format!("http://trino/ui/query.html?{}", self.id),
            "stats": {"state": self.stage.name(), "queued": false, "scheduled": true, "nodes": 2, "totalSplits": 3,
                      "completedSplits": 3, "cpuTimeMillis": 4, "wallTimeMillis": 5, "queuedTimeMillis": 1,
                      "elapsedTimeMillis": 7, "processedRows": 10, "processedBytes": 100, "peakMemoryBytes": 1000},
            "warnings": []
        });
        match self.stage {
            Stage::Announced | Stage::Running => {
                page["nextUri"] =
                    json!(format!("http://trino/v1/statement/queued/{}/y0/1", self.id));
            }
            Stage::Failed(name) => {
                page["error"] = json!({"message": format!("no such thing as in {}", self.sql), "errorCode": 1,
                    "errorName": name, "errorType": "USER_ERROR", "failureInfo": {"type": "x", "stack": []}});
            }
            Stage::Finished if self.inserts() => {
                page["updateType"] = json!("INSERT");
                page["updateCount"] = json!(1);
            }
            Stage::Finished if self.sql.contains("system.runtime.nodes") => {
                page["data"] = json!([
                    ["c", "http://c:8080", "476", true, "active"],
                    ["w", "http://w:8080", "476", false, "active"]
                ]);
            }
            Stage::Finished => {
                page["columns"] = json!([{"name": "n", "type": "integer", "typeSignature": {"rawType": "integer"}}]);
                page["data"] = json!([[1]]);
            }
        }
        page
    }

    fn summary(&self) -> Value {
        json!({
            "queryId": self.id, "state": self.stage.name(), "query": self.sql,
            "session": {"user": "flowctl", "source": self.source, "clientTags": self.tags},
            "queryType": if self.inserts() { "INSERT" } else { "SELECT" },
            "queryStats": {"createTime": "2026-11-23T00:00:00.000Z", "executionStartTime": "2026-11-23T00:00:00.001Z",
                           "endTime": "2026-11-23T00:00:00.007Z", "totalMemoryReservation": "0B"}
        })
    }
}

/// The secret in [`trino_context`], by the name `PASSWORD`.
pub(crate) const SECRET: &str = "hunter2-and-more";

/// A context whose target is this coordinator, with a password.
///
/// # Panics
/// When `step` is not a step id.
pub(crate) fn trino_context(step: &str, url: &str) -> TestContext {
    let target = json!({
        "apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "fake"},
        "trino": {"url": url, "auth": {"basic": {"user": "someone", "password": {"secret": "PASSWORD"}}}}
    });
    let target = serde_json::from_value(target).expect("a target");
    TestContext::new(step)
        .expect("a step id")
        .secrets(&[("PASSWORD", SECRET)])
        .target(target)
}

async fn answer(
    State(trino): State<FakeTrino>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let ok = |value: Value| (StatusCode::OK, value.to_string());
    let gone = (StatusCode::GONE, "Query not found".to_owned());
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "info"]) => ok(
            json!({"nodeVersion": {"version": "476"}, "environment": "fake", "coordinator": true,
            "starting": trino.starting.load(Ordering::Relaxed), "uptime": "1.00m"}),
        ),
        (_, _) if !headers.contains_key("x-trino-user") => (
            StatusCode::UNAUTHORIZED,
            "X-Trino-User must be sent".to_owned(),
        ),
        ("POST", ["v1", "statement"]) => {
            ok(trino.announce(&headers, String::from_utf8_lossy(&body).into_owned()))
        }
        ("GET", ["v1", "statement", _, id, ..]) => trino.page(id).await.map_or(gone, ok),
        ("GET", ["v1", "query"]) => ok(Value::Array(trino.history())),
        ("GET", ["v1", "query", id]) => trino
            .history()
            .into_iter()
            .find(|query| query["queryId"] == **id)
            .map_or(gone, ok),
        ("DELETE", ["v1", "statement", _, id, ..] | ["v1", "query", id]) => {
            if trino.end(id) {
                (StatusCode::NO_CONTENT, String::new())
            } else {
                gone
            }
        }
        _ => (StatusCode::NOT_FOUND, "HTTP 404 Not Found".to_owned()),
    }
}
