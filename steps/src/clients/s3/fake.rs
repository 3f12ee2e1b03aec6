//! A gateway in memory that speaks S3 on loopback as far as [`super`] asks: single objects, and SelectObjectContent.
//!
//! It knows no SQL, only words in it: each of [`answer_to`] gives an answer that a real gateway gave, or a way in which
//! the protocol can be broken; anything else selects the lines that hold the first text in single quotes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::testing::TestContext;

pub(crate) const ACCESS_KEY: &str = "AKIDOFTHETESTS";
pub(crate) const SECRET_KEY: &str = "hunter2-and-more";
/// 40 lines after the header; `category_3` in two of them.
pub(crate) const ROWS: u32 = 40;

/// The gateway. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Gateway {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
    selects: Arc<Mutex<u32>>,
    changed: Arc<Notify>,
}

#[derive(Clone, Default)]
pub(crate) struct Object {
    pub(crate) content: Bytes,
    pub(crate) note: Option<String>,
}

impl Gateway {
    /// Starts it inside the current runtime, with the object `shop/sample.csv`, and returns its address.
    pub(crate) fn start(&self) -> String {
        let mut text = "id,category\n".to_owned();
        for id in 0..ROWS {
            text.push_str(&format!("{id},category_{}\n", id % 20));
        }
        self.keep("/shop/sample.csv", text.into(), None);
        self.keep("/shop/empty.csv", Bytes::new(), None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let router = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    pub(crate) fn keep(&self, path: &str, content: Bytes, note: Option<String>) {
        let object = Object { content, note };
        self.objects().insert(path.to_owned(), object);
    }

    pub(crate) fn object(&self, path: &str) -> Option<Object> {
        self.objects().get(path).cloned()
    }

    /// Waits until somebody selects.
    pub(crate) async fn until_selected(&self) {
        loop {
            let changed = self.changed.notified();
            if *self.selects.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
                return;
            }
            changed.await;
        }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context whose target has this gateway, with the keys that it knows.
pub(crate) fn s3_context(step: &str, url: &str) -> TestContext {
    context(step, url, SECRET_KEY, ACCESS_KEY)
}

/// A context whose target has another access key than the gateway knows.
pub(crate) fn stranger(step: &str, url: &str) -> TestContext {
    context(step, url, SECRET_KEY, "AKIDOFASTRANGER")
}

fn context(step: &str, url: &str, secret: &str, access: &str) -> TestContext {
    let target = json!({
        "apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "fake"},
        "s3": {"url": url, "access_key": {"secret": "S3_ACCESS_KEY"}, "secret_key": {"secret": "S3_SECRET_KEY"}},
    });
    TestContext::new(step)
        .unwrap()
        .secrets(&[("S3_ACCESS_KEY", access), ("S3_SECRET_KEY", secret)])
        .target(serde_json::from_value(target).unwrap())
}

async fn answer(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    if !header("authorization").starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")) {
        return refuse(StatusCode::FORBIDDEN, "InvalidAccessKeyId", "no such key");
    }
    if header("x-amz-content-sha256") != hex(&Sha256::digest(&body)) {
        return refuse(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch", "");
    }
    let path = uri.path();
    let Some(object) = gateway.object(path) else {
        if method == Method::PUT {
            let note = headers.contains_key("x-amz-meta-flowctl");
            gateway.keep(path, body, note.then(|| header("x-amz-meta-flowctl")));
            return send(StatusCode::OK, &[("etag", "\"new\"")], Body::empty());
        }
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "there is no such key");
    };
    let etag = format!("\"{}\"", &hex(&Sha256::digest(&object.content))[..32]);
    let mut about = vec![("etag", etag.as_str())];
    if let Some(note) = &object.note {
        about.push(("x-amz-meta-flowctl", note));
    }
    match method.as_str() {
        "GET" | "HEAD" => send(StatusCode::OK, &about, Body::from(object.content)),
        "PUT" => {
            let note = headers.contains_key("x-amz-meta-flowctl");
            gateway.keep(path, body, note.then(|| header("x-amz-meta-flowctl")));
            send(StatusCode::OK, &about, Body::empty())
        }
        "DELETE" => {
            gateway.objects().remove(path);
            send(StatusCode::NO_CONTENT, &[], Body::empty())
        }
        "POST" if uri.query() == Some("select&select-type=2") => {
            *gateway
                .selects
                .lock()
                .unwrap_or_else(PoisonError::into_inner) += 1;
            gateway.changed.notify_waiters();
            let request = String::from_utf8_lossy(&body).into_owned();
            answer_to(&request, &object.content).await
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", ""),
    }
}

/// The answers, by a word of the SQL.
async fn answer_to(request: &str, object: &[u8]) -> Response<Body> {
    let sql = request
        .split_once("<Expression>")
        .and_then(|(_, rest)| rest.split_once("</Expression>"))
        .map_or("", |(sql, _)| sql);
    let rows = rows(sql, object);
    let good = [
        records(&rows),
        stats(object.len(), rows.len()),
        event("End", b""),
    ]
    .concat();
    let ok = |body: Vec<u8>| {
        send(
            StatusCode::OK,
            &[("x-amz-request-id", "tx1")],
            Body::from(body),
        )
    };
    match sql.split_whitespace().last().unwrap_or_default() {
        "refused" => refuse(
            StatusCode::BAD_REQUEST,
            "s3select-Syntax-Error",
            "failure --&gt;refused&lt;---",
        ),
        "unheard" => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "no select here"),
        "busy" => refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "later"),
        // Ceph 18 without Arrow, asked for Parquet.
        "empty" => ok(Vec::new()),
        // Ceph 16: rows in a wrapping of its own, its errors likewise, and never an end.
        "pacific" => ok(records(&format!(
            "\n<Payload>\n<Records>\n<Payload>\n{rows}\n</Payload></Records></Payload>"
        ))),
        "pacific_error" => ok(records(
            "\n<Payload>\n<Records>\n<Payload>\nfailure -->s3object;<---\n</Payload></Records></Payload>",
        )),
        "inside" => ok(b"<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>we met an error</Message></Error>".to_vec()),
        // Ceph 18, when an error comes up while rows are on their way.
        "midway" => ok([records(&rows), b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>s3select-ProcessingTime-Error</Code><Message>text cannot be converted</Message></Error>".to_vec()].concat()),
        "page" => ok(b"<!doctype html><title>Sign in</title>".to_vec()),
        "error_event" => ok([records("1,"), error_event()].concat()),
        "damaged" => {
            let mut damaged = good;
            damaged[20] ^= 1;
            ok(damaged)
        }
        "cut" => ok(good[..good.len() - 9].to_vec()),
        "no_stats" => ok([records(&rows), event("End", b"")].concat()),
        "wrong" => ok([records("99,category_3\n23,category_3\n"), event("End", b"")].concat()),
        "broken_off" => {
            let pieces = futures::stream::iter([
                Ok(Bytes::from(good)),
                Err(std::io::Error::other("the gateway died")),
            ]);
            send(StatusCode::OK, &[], Body::from_stream(pieces))
        }
        "endless" => std::future::pending().await,
        _ => ok(good),
    }
}

fn rows(sql: &str, object: &[u8]) -> String {
    let text = String::from_utf8_lossy(object);
    let wanted = sql.split('\'').nth(1);
    let lines: Vec<&str> = text
        .lines()
        .skip(1)
        .filter(|line| wanted.is_none_or(|wanted| line.split(',').any(|value| value == wanted)))
        .collect();
    if sql.contains("count(*)") {
        return format!("{}\n", lines.len());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

pub(crate) fn records(rows: &str) -> Vec<u8> {
    // A row may be cut anywhere between two messages.
    let middle = rows.len() / 2;
    let middle = (0..=middle)
        .rev()
        .find(|at| rows.is_char_boundary(*at))
        .unwrap_or(0);
    let (head, tail) = rows.split_at(middle);
    [
        event("Records", head.as_bytes()),
        event("Cont", b""),
        event("Records", tail.as_bytes()),
    ]
    .concat()
}

fn stats(scanned: usize, returned: usize) -> Vec<u8> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Stats><BytesScanned>{scanned}</BytesScanned><BytesProcessed>{scanned}</BytesProcessed><BytesReturned>{returned}</BytesReturned></Stats>"
    );
    event("Stats", xml.as_bytes())
}

pub(crate) fn event(kind: &'static str, payload: &[u8]) -> Vec<u8> {
    message(
        &[(":message-type", "event"), (":event-type", kind)],
        payload,
    )
}

fn error_event() -> Vec<u8> {
    let headers = [
        (":message-type", "error"),
        (":error-code", "s3select-ProcessingTime-Error"),
        (
            ":error-message",
            "int failed : text cannot be converted to a number",
        ),
    ];
    message(&headers, b"")
}

fn message(headers: &[(&'static str, &'static str)], payload: &[u8]) -> Vec<u8> {
    let message = headers
        .iter()
        .fold(Message::new(payload.to_vec()), |message, (name, value)| {
            let value = HeaderValue::String((*value).into());
            message.add_header(Header::new(*name, value))
        });
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn refuse(status: StatusCode, code: &str, words: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{words}</Message><RequestId>tx1</RequestId></Error>"
    );
    send(status, &[("x-amz-request-id", "tx1")], Body::from(xml))
}

fn send(status: StatusCode, headers: &[(&str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
