//! A coordinator that says what a test tells it to, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

/// One request that the coordinator got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A coordinator with its answers in order; after the last it says 410 Gone, like Trino of a query it does not know.
#[derive(Clone, Default)]
pub(crate) struct Coordinator {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    changed: Arc<tokio::sync::Notify>,
    /// An answer whose path ends so never comes.
    pub(super) silent: Option<&'static str>,
}

impl Coordinator {
    pub(crate) fn answering(answers: Vec<(u16, Value)>) -> Self {
        let text = |value: Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let answers = answers
            .into_iter()
            .map(|(status, value)| (status, text(value)))
            .collect();
        Self {
            answers: Arc::new(Mutex::new(answers)),
            ..Self::default()
        }
    }

    pub(crate) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked()
            .iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    /// Waits for a request. The limit is only there so that a broken client fails a test instead of hanging it.
    pub(super) async fn until_asked(&self, line: &str) {
        let asked = async {
            loop {
                let changed = self.changed.notified();
                if self.lines().iter().any(|asked| asked == line) {
                    return;
                }
                changed.await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, asked)
            .await
            .unwrap_or_else(|_| panic!("nobody asked {line}"));
    }
}

async fn answer(
    State(coordinator): State<Coordinator>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let path = uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    coordinator.asked.lock().unwrap().push(Asked {
        method: method.clone(),
        path: path.clone(),
        headers,
        body,
    });
    coordinator.changed.notify_waiters();
    if method == Method::DELETE {
        return (StatusCode::NO_CONTENT, String::new());
    }
    if coordinator.silent.is_some_and(|end| path.ends_with(end)) {
        std::future::pending::<()>().await;
    }
    let next = coordinator.answers.lock().unwrap().pop_front();
    let (status, text) = next.unwrap_or((410, "Query not found".to_owned()));
    (StatusCode::from_u16(status).unwrap(), text)
}

/// A page of query `q_1_a`; the address of the next page names a host that is not to be asked.
pub(crate) fn page(state: &str, next: Option<u32>, more: Value) -> Value {
    let mut page = json!({
        "id": "q_1_a", "infoUri": "http://trino.internal:8080/ui/query.html?q_1_a",
        "stats": {"state": state, "queued": state == "QUEUED", "scheduled": true, "nodes": 1, "totalSplits": 7,
                  "completedSplits": 7, "cpuTimeMillis": 104, "wallTimeMillis": 948, "queuedTimeMillis": 5,
                  "elapsedTimeMillis": 1794, "processedRows": 10000, "peakMemoryBytes": 496988, "spilledBytes": 0},
        "warnings": []
    });
    if let Some(next) = next {
        page["nextUri"] = json!(format!(
            "http://trino.internal:8080/v1/statement/executing/q_1_a/y0/{next}"
        ));
    }
    for (name, value) in more.as_object().unwrap() {
        page[name] = value.clone();
    }
    page
}
