//! One request, prepared once and sent as often as needed, and its answer.

use std::path::Path;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use futures::StreamExt;
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde_json::{Value, json};

use super::{Method, Params};
use crate::child::Capture;
use crate::clients::endpoint::{Reached, is_loopback};
use crate::clients::http;
use crate::context::StepContext;
use crate::error::StepError;
use crate::secret::{Secret, Secrets};

/// How much of a body is read; the rest is not asked for.
const READ: usize = 1 << 20;
/// How much of it goes into the step's output.
const SHOWN: usize = 64 << 10;
const REDIRECTS: usize = 10;

/// A request that can be sent again and again.
pub(super) struct Question {
    client: Client,
    method: Method,
    url: Url,
    address: String,
    headers: HeaderMap,
    send: Option<Secret>,
    /// Holds a port-forward open as long as it is asked.
    _reached: Option<Reached>,
}

impl Question {
    pub(super) async fn new(params: &Params, cx: &StepContext) -> Result<Self, StepError> {
        let reached = match params.endpoint {
            Some(name) => Some(cx.clients.reach(name).await?),
            None => None,
        };
        let text = match &reached {
            Some(reached) => format!(
                "{}{}",
                reached.base_url,
                params.path.as_deref().unwrap_or("/")
            ),
            None => params.url.clone().unwrap_or_default(),
        };
        let url = Url::parse(&text).map_err(|error| {
            StepError::permanent("http.request", format!("`{text}` is no URL: {error}"))
        })?;
        let ca_file = reached
            .as_ref()
            .map_or(params.ca_file.as_deref(), |reached| {
                reached.ca_file.as_deref()
            });
        let mut builder =
            http::builder(ca_file.map(Path::new))?.timeout(params.answer_within.duration());
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        if params.follow_redirects {
            builder = builder.redirect(same_host());
        }
        let mut headers = HeaderMap::new();
        let authorization = reached
            .as_ref()
            .and_then(|reached| reached.authorization.clone());
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, header("authorization", &value)?);
        }
        for (name, value) in &params.headers {
            let value = header(name, &value.resolve(&cx.secrets)?)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                StepError::permanent("http.request", format!("`{name}` is no name of a header"))
            })?;
            headers.insert(name, value);
        }
        let send = params
            .send
            .as_ref()
            .map(|text| text.resolve(&cx.secrets))
            .transpose()?;
        let verb = match params.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        };
        let address = cx.secrets.redact(&format!("{verb} {url}"));
        Ok(Self {
            client: http::finish(builder)?,
            method: params.method,
            url,
            address,
            headers,
            send,
            _reached: reached,
        })
    }

    /// Method and URL, for people.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sends it and reads the answer.
    pub(super) async fn ask(&self, cx: &StepContext) -> Result<Answer, StepError> {
        let begun = cx.clock.elapsed();
        let response = self
            .request()
            .send()
            .await
            .map_err(|error| self.no_answer(&error))?;
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut answer = Answer {
            status,
            content_type,
            body: Vec::new(),
            clean: String::new(),
            truncated: false,
            elapsed: Duration::ZERO,
        };
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.no_answer(&error))?;
            let room = READ - answer.body.len();
            answer
                .body
                .extend_from_slice(&chunk[..room.min(chunk.len())]);
            if chunk.len() > room {
                answer.truncated = true;
                break;
            }
        }
        answer.elapsed = cx.clock.elapsed().saturating_sub(begun);
        answer.clean = clean(&answer.body, answer.truncated, &cx.secrets);
        Ok(answer)
    }

    fn request(&self) -> RequestBuilder {
        let request = match self.method {
            Method::Get => self.client.get(self.url.clone()),
            Method::Head => self.client.head(self.url.clone()),
            Method::Post => self.client.post(self.url.clone()),
        };
        let request = request.headers(self.headers.clone());
        match &self.send {
            Some(body) => request.body(body.reveal().to_owned()),
            None => request,
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> StepError {
        http::no_answer(error, &self.address)
    }
}

/// Follows within one host and never from https down to http: headers may hold secrets.
fn same_host() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|from| {
            let to = attempt.url();
            from.host_str() == to.host_str()
                && (from.scheme() == to.scheme() || to.scheme() == "https")
        });
        if same && attempt.previous().len() <= REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

fn header(name: &str, value: &Secret) -> Result<HeaderValue, StepError> {
    // The value is not in the message: it may be a secret.
    let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| {
        StepError::permanent(
            "http.request",
            format!("the value of the header `{name}` holds a control character"),
        )
        .help("a secret from a file may have a line break in it")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body as text without secrets.
fn clean(body: &[u8], truncated: bool, secrets: &Secrets) -> String {
    let clean = match truncated {
        true => secrets.redact_cut(body).into(),
        false => secrets.redact_bytes(body),
    };
    String::from_utf8_lossy(&clean).into_owned()
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    /// As it came, at most [`READ`]; may hold secrets.
    pub(super) body: Vec<u8>,
    /// Without secrets.
    pub(super) clean: String,
    pub(super) truncated: bool,
    pub(super) elapsed: Duration,
}

impl Answer {
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The body parsed, to be judged; may hold secrets.
    pub(super) fn json(&self) -> Option<Value> {
        if self.truncated {
            None
        } else {
            serde_json::from_slice(&self.body).ok()
        }
    }

    /// The body parsed, to be shown.
    pub(super) fn json_without_secrets(&self) -> Option<Value> {
        if self.truncated || self.clean.len() > SHOWN {
            None
        } else {
            serde_json::from_str(&self.clean).ok()
        }
    }

    /// The body as text, to be shown.
    pub(super) fn text(&self) -> String {
        let mut capture = Capture::new(SHOWN);
        capture.push(self.clean.as_bytes());
        String::from_utf8_lossy(&capture.bytes()).into_owned()
    }

    /// The raw record.
    pub(super) fn record(&self, address: &str, asked: u32) -> Value {
        json!({
            "asked": address,
            "times": asked,
            "status": self.status,
            "content_type": self.content_type,
            "elapsed_ms": self.elapsed_ms(),
            "elapsed_nanos": u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            "body": self.clean,
            "body_truncated": self.truncated,
        })
    }
}
