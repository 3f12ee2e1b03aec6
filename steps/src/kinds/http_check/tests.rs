//! Against a real server on loopback.

mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body as Sent;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use serde_json::json;

use super::*;
use crate::step_contract;
use crate::testing::{Subject, TestContext, rejudged};

const SECRET: &str = "hunter2-and-more";

/// A server whose paths say what they do. Serves until the test's runtime ends.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Server {
    /// Served by a thread of its own, so that it answers whatever the test's runtime does.
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let app = Router::new().fallback(move |request| answer(request, count.clone()));
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await
            })
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn step(&self, path: &str, other: Value) -> Box<dyn Step> {
        let mut with = json!({"url": self.url(path), "every": "20ms"});
        with.as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        step(with)
    }
}

async fn answer(request: Request<Sent>, count: Arc<AtomicU32>) -> Response<Sent> {
    let asked = count.fetch_add(1, Ordering::SeqCst) + 1;
    let (parts, body) = request.into_parts();
    let reply = |status: StatusCode, body: String| {
        Response::builder()
            .status(status)
            .body(Sent::from(body))
            .unwrap()
    };
    let header = |headers: &HeaderMap, name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    match parts.uri.path() {
        "/third" if asked < 3 => reply(StatusCode::SERVICE_UNAVAILABLE, "not yet".to_owned()),
        "/never" => reply(StatusCode::SERVICE_UNAVAILABLE, "not yet".to_owned()),
        "/silent" => std::future::pending().await,
        "/json" => reply(
            StatusCode::OK,
            r#"{"status": "success", "data": {"n": 3}}"#.to_owned(),
        ),
        "/headers" => reply(
            StatusCode::OK,
            format!("{{\"seen\": \"{}\"}}", header(&parts.headers, "x-token")),
        ),
        "/echo" => {
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            reply(
                StatusCode::CREATED,
                format!("{} {}", parts.method, String::from_utf8_lossy(&body)),
            )
        }
        "/large" => reply(StatusCode::OK, "x".repeat((1 << 20) + 1)),
        "/moved" => Response::builder()
            .status(302)
            .header("location", "/json")
            .body(Sent::empty())
            .unwrap(),
        "/away" => Response::builder()
            .status(302)
            .header(
                "location",
                format!("http://localhost:{}/json", header(&parts.headers, "x-port")),
            )
            .body(Sent::empty())
            .unwrap(),
        _ => reply(StatusCode::OK, "fine".to_owned()),
    }
}

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<HttpCheck>(with).unwrap()
}

fn context() -> TestContext {
    TestContext::new("step")
        .unwrap()
        .secrets(&[("TOKEN", SECRET)])
}

async fn run(step: Box<dyn Step>) -> (Output, TestContext) {
    let cx = context();
    (step.run(&cx.context).await.unwrap(), cx)
}

fn verdict(output: &Output) -> (Verdict, String) {
    assert_eq!(output.findings.len(), 1);
    assert_eq!(
        output.findings[0].evidence.len(),
        1,
        "every verdict has its evidence"
    );
    (
        output.findings[0].verdict,
        output.findings[0].reason.clone(),
    )
}

struct World {
    server: Server,
    closed: SocketAddr,
}

impl World {
    fn new() -> Self {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        Self {
            server: Server::start(),
            closed,
        }
    }
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        context()
    }

    fn step(&self) -> Box<dyn Step> {
        let url = format!("/headers?key={SECRET}");
        self.server
            .step(&url, json!({"headers": {"X-Token": {"secret": "TOKEN"}}}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(self.server.step("/never", json!({"within": "1h"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("HTTP 503 instead of 200").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let closed = json!({"url": format!("http://{}/{SECRET}", self.closed)});
        let tls = json!({"url": format!("https://{}/{SECRET}", self.server.address)});
        let silent = self
            .server
            .step("/silent", json!({"answer_within": "50ms"}));
        let headers = json!({"headers": {"A": {"secret": "NOPE"}}});
        vec![
            (step(closed), ErrorClass::Transient, "http.unreachable"),
            (step(tls), ErrorClass::Transient, "http.unreachable"),
            (silent, ErrorClass::TimedOut, "http.timeout"),
            (
                self.server.step("/", headers),
                ErrorClass::Permanent,
                "secret.unknown",
            ),
            (
                step(json!({"endpoint": "prometheus"})),
                ErrorClass::Permanent,
                "target.no_endpoint",
            ),
            (
                self.server.step("/", json!({"ca_file": "/nowhere"})),
                ErrorClass::Permanent,
                "http.ca_file",
            ),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn an_expected_answer_passes_with_its_raw_record() {
    let (output, cx) =
        run(Server::start().step("/json", json!({"body": {"json": {"/data/n": 3}}}))).await;
    assert_eq!(verdict(&output).0, Verdict::Pass);
    assert_eq!(output.value["json"]["status"], "success");
    let record: Value =
        serde_json::from_str(&cx.sink.evidence_text("answer.json").unwrap()).unwrap();
    assert_eq!(
        (&record["status"], &record["times"]),
        (&json!(200), &json!(1))
    );
    assert_eq!(cx.sink.evidence()[0].sha256, output.findings[0].evidence[0]);
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_told() {
    let server = Server::start();
    let cases = [
        ("/never", json!({}), "HTTP 503 instead of 200"),
        (
            "/json",
            json!({"status": [201, 204]}),
            "HTTP 200 instead of 201 or 204",
        ),
        (
            "/json",
            json!({"body": {"contains": "failure"}}),
            "the body does not contain `failure`",
        ),
        (
            "/json",
            json!({"body": {"json": {"/data/n": 4}}}),
            "/data/n is 3 instead of 4",
        ),
        (
            "/json",
            json!({"body": {"json": {"/data/m": 4}}}),
            "/data/m is not there",
        ),
        (
            "/",
            json!({"body": {"json": {"/a": 1}}}),
            "the body is not JSON",
        ),
        (
            "/large",
            json!({"body": {"json": {"/a": 1}}}),
            "the body is too long to be read as JSON",
        ),
        ("/moved", json!({}), "HTTP 302 instead of 200"),
    ];
    for (path, other, expected) in cases {
        let (output, _) = run(server.step(path, other)).await;
        assert_eq!(
            verdict(&output),
            (Verdict::Fail, expected.to_owned()),
            "{path}"
        );
        assert_eq!(output.value["passed"], false);
    }
}

#[tokio::test]
async fn it_is_asked_until_the_answer_is_as_expected() {
    let (output, _) = run(Server::start().step("/third", json!({"within": "1m"}))).await;
    assert_eq!(verdict(&output).0, Verdict::Pass);
    assert_eq!(output.value["asked"], 3);
}

#[tokio::test]
async fn without_time_to_wait_it_is_asked_once() {
    let server = Server::start();
    let (output, _) = run(server.step("/third", json!({}))).await;
    assert_eq!(verdict(&output).0, Verdict::Fail);
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_never_answers_within_the_time_is_no_verdict() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let step = step(json!({"url": format!("http://{closed}/"), "within": "60ms", "every": "20ms"}));
    let cx = context();
    let error = step.run(&cx.context).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "http.unreachable")
    );
    assert!(
        error
            .message
            .starts_with(&format!("GET http://{closed}/: ")),
        "{error}"
    );
    assert!(!cx.sink.progress_texts().is_empty(), "it was asked again");
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_only() {
    let server = Server::start();
    let (output, _) = run(server.step("/moved", json!({"follow_redirects": true}))).await;
    assert_eq!(verdict(&output).0, Verdict::Pass);
    let port = server.address.port().to_string();
    let away = json!({"follow_redirects": true, "headers": {"X-Port": port, "X-Token": {"secret": "TOKEN"}}});
    let (output, _) = run(server.step("/away", away)).await;
    assert_eq!(
        verdict(&output),
        (Verdict::Fail, "HTTP 302 instead of 200".to_owned())
    );
}

#[tokio::test]
async fn a_secret_reaches_the_service_and_nobody_else() {
    let with =
        json!({"headers": {"X-Token": {"secret": "TOKEN"}}, "body": {"json": {"/seen": SECRET}}});
    let (output, cx) = run(Server::start().step("/headers", with)).await;
    assert_eq!(verdict(&output).0, Verdict::Pass, "the service saw it");
    assert_eq!(output.value["json"]["seen"], "***");
    assert!(!format!("{output:?}{}", cx.sink.everything()).contains(SECRET));
    // Nor when the answer is not as expected, and what it holds is told.
    let with = json!({"headers": {"X-Token": {"secret": "TOKEN"}}, "body": {"json": {"/seen": "other"}}, "within": "30ms"});
    let (output, cx) = run(Server::start().step("/headers", with)).await;
    assert_eq!(verdict(&output).0, Verdict::Fail);
    assert!(!format!("{output:?}{}", cx.sink.everything()).contains(SECRET));
}

#[tokio::test]
async fn a_post_sends_its_body() {
    let with = json!({"method": "POST", "send": "hello", "status": [201], "body": {"contains": "POST hello"}});
    let (output, _) = run(Server::start().step("/echo", with)).await;
    assert_eq!(verdict(&output).0, Verdict::Pass);
}

#[tokio::test]
async fn a_large_body_is_read_and_shown_within_bounds() {
    let (output, cx) = run(Server::start().step("/large", json!({}))).await;
    assert!(output.value["body"].as_str().unwrap().len() < (64 << 10) + 100);
    let record: Value =
        serde_json::from_str(&cx.sink.evidence_text("answer.json").unwrap()).unwrap();
    assert_eq!(
        (
            record["body"].as_str().unwrap().len(),
            &record["body_truncated"]
        ),
        (1 << 20, &json!(true))
    );
}

#[test]
fn parameters_that_check_nothing_are_refused() {
    for with in [
        json!({}),
        json!({"url": "http://a", "endpoint": "trino"}),
        json!({"url": "ftp://a"}),
        json!({"url": "http://user:pw@a"}),
        json!({"url": "http://a", "path": "/x"}),
        json!({"endpoint": "trino", "path": "x"}),
        json!({"url": "http://a", "status": []}),
        json!({"url": "http://a", "status": [20]}),
        json!({"url": "http://a", "method": "HEAD", "body": {"contains": "x"}}),
        json!({"url": "http://a", "send": "x"}),
        json!({"url": "http://a", "body": {"contains": ""}}),
        json!({"url": "http://a", "body": {"json": {"status": 1}}}),
        json!({"url": "http://a", "headers": {"a b": "c"}}),
        json!({"url": "http://a", "headers": {"a": "b\nc"}}),
        json!({"url": "http://a", "every": "0s"}),
    ] {
        assert!(
            HttpCheck::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}
