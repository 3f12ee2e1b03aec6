//! The way in to a double: HTTP on loopback, with the faults that were asked for before and after the answer. A connection
//! that is to be cut really is cut; nothing is written to it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flowctl_workflows::inject::{Failing, Protocol};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use super::faults::{Faults, Plan};
use super::kube::exec;
use super::world::{self, Shared};

/// A request as a double sees it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// A header, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The value of a key of the query.
    pub(super) fn asked(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a key of the query.
    pub(super) fn asked_all(&self, key: &str) -> Vec<String> {
        self.query
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

/// What a double answers.
pub(super) enum Answer {
    /// An answer.
    Reply(Reply),
    /// Nobody listens: the connection is closed.
    Silence,
    /// A program's streams, over a connection that is taken over for them.
    Streams(exec::Ended),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A status, headers and a body.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into(),
        }
    }

    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain".to_owned())],
            body: body.into().into(),
        }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// One service.
#[async_trait]
pub(super) trait Double: Send + Sync + 'static {
    /// What it speaks.
    fn protocol(&self) -> Protocol;

    /// Its answer, and its effect on the world.
    async fn answer(&self, request: &Request) -> Answer;

    /// How it says that it fails.
    fn failing(&self, failing: Failing, request: &Request) -> Answer;
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

/// Answers on a listener until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    double: Arc<impl Double>,
    world: Shared,
    faults: Arc<Faults>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // So many connections that there is no descriptor left: some end soon.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Small answers must not wait for the acknowledgement of the ones before.
        let _ = stream.set_nodelay(true);
        let (double, world, faults) =
            (Arc::clone(&double), Arc::clone(&world), Arc::clone(&faults));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (double, world, faults) =
                    (Arc::clone(&double), Arc::clone(&world), Arc::clone(&faults));
                async move { answer(&*double, &world, &faults, request).await }
            });
            // A connection that ends, whoever ended it, is no concern of the others.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(
    double: &impl Double,
    world: &Shared,
    faults: &Faults,
    mut request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
    };
    let Plan {
        latency,
        changes,
        failing,
        lose_answer,
    } = faults.plan(double.protocol(), &request);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    for change in &changes {
        world::lock(world).cluster.change_by_other(change);
    }
    let answer = match failing {
        Some(Failing::Reset) => return Err(Cut),
        Some(failing) => double.failing(failing, &request),
        None => double.answer(&request).await,
    };
    match answer {
        _ if lose_answer => Err(Cut),
        Answer::Silence => Err(Cut),
        Answer::Reply(reply) => Ok(reply.into_response()),
        Answer::Streams(ended) => {
            let reply = exec::accept(&request);
            tokio::spawn(exec::send(upgrade, ended));
            Ok(reply.into_response())
        }
    }
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    reqwest::Url::parse(&format!("http://x/?{query}"))
        .map(|url| {
            url.query_pairs()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect()
        })
        .unwrap_or_default()
}
