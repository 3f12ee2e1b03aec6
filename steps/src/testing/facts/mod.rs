//! What services say over the wire, as facts: each is a name and a question to a platform whose answer is known. The same
//! ones are asked of a rehearsal's doubles (`cargo test`) and of the lab (`make contract`), so that the doubles cannot
//! drift away from what they stand for.
//!
//! A fact writes only what is its own (`flowctl-contract`), and takes it away again.

mod kubernetes;
mod prometheus;
mod s3;
mod trino;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::context::StepContext;

/// A platform to ask: its clients, and where its HTTP services are.
pub struct Platform {
    /// With the clients of its target.
    pub context: StepContext,
    /// `http://HOST:PORT` of Prometheus.
    pub prometheus: String,
    /// A bucket that objects may be put into.
    pub bucket: String,
}

/// What is wrong, when a fact does not hold.
pub type Holds = Result<(), String>;

/// A question with a known answer.
pub struct Fact {
    /// The answer, in words.
    pub name: &'static str,
    /// Asks it.
    pub ask: for<'a> fn(&'a Platform) -> BoxFuture<'a, Holds>,
}

/// All facts.
#[must_use]
pub fn all() -> Vec<Fact> {
    [
        kubernetes::FACTS,
        trino::FACTS,
        s3::FACTS,
        prometheus::FACTS,
    ]
    .concat()
    .into_iter()
    .map(|(name, ask)| Fact { name, ask })
    .collect()
}

/// A name with its question.
type Entry = (
    &'static str,
    for<'a> fn(&'a Platform) -> BoxFuture<'a, Holds>,
);

/// A status and a body.
#[derive(Debug)]
struct Answered {
    status: u16,
    body: Value,
}

impl Answered {
    fn of(status: u16, body: &[u8]) -> Self {
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        Self {
            status,
            body: serde_json::from_slice(body).unwrap_or_else(|_| text()),
        }
    }

    /// Whether a part of the answer is what is known.
    fn says(&self, pointer: &str, known: impl Into<Value>) -> Holds {
        let known = known.into();
        let found = self.body.pointer(pointer).unwrap_or(&Value::Null);
        must(
            *found == known,
            format!("{pointer} is {found}, not {known}: {self:?}"),
        )
    }

    /// Whether a part of the answer holds a text.
    fn mentions(&self, pointer: &str, text: &str) -> Holds {
        let found = self.body.pointer(pointer).unwrap_or(&Value::Null);
        must(
            found.as_str().is_some_and(|found| found.contains(text)),
            format!("{pointer} does not mention `{text}`: {self:?}"),
        )
    }

    fn is(&self, status: u16) -> Holds {
        must(
            self.status == status,
            format!("the status is {}, not {status}: {self:?}", self.status),
        )
    }
}

fn must(holds: bool, otherwise: String) -> Holds {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Asks an HTTP service without a client of ours between.
async fn http(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answered, String> {
    let method = method.parse::<reqwest::Method>().map_err(words)?;
    let mut request = reqwest::Client::new().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body.to_owned()).send().await.map_err(words)?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(words)?;
    Ok(Answered::of(status, &body))
}
