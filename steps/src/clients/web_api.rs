//! JSON over HTTP with one of the target's services: how it is asked, and what is wrong when it does not answer.
//!
//! Secrets are blotted out of an answer before anybody reads it. Knows no service's paths, and never judges an answer.

use std::path::Path;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use futures::StreamExt;
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use super::endpoint::{Reached, ServiceName};
use super::http;
use crate::context::StepContext;
use crate::error::StepError;
use crate::secret::Secrets;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

/// The way to a service, with its credentials.
#[derive(Debug)]
pub struct WebApi {
    client: Client,
    reached: Reached,
}

/// What a service answered, whatever it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, or null when it is not JSON.
    pub json: Value,
    /// The body as text, at most the first 500 characters, for error messages.
    pub beginning: String,
}

impl Reply {
    /// Reads a body, without the secrets in it.
    pub(crate) fn read(status: u16, body: &[u8], secrets: &Secrets) -> Self {
        let text = secrets.redact(&String::from_utf8_lossy(body));
        Self {
            status,
            json: serde_json::from_str(&text).unwrap_or_default(),
            beginning: text.chars().take(500).collect(),
        }
    }
}

impl WebApi {
    /// Finds the way to a service of the target.
    ///
    /// # Errors
    /// As [`super::Clients::reach`], and when its private CA cannot be read.
    pub async fn connect(cx: &StepContext, name: ServiceName) -> Result<Self, StepError> {
        let reached = cx.clients.reach(name).await?;
        let base = parsed(&reached.base_url)?;
        let ca_file = reached.ca_file.as_deref().map(Path::new);
        let mut builder = http::builder_for(&base, ca_file)?.timeout(ANSWER);
        if let Some(secret) = &reached.authorization {
            let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| {
                StepError::permanent(
                    "http.request",
                    format!(
                        "the credentials for `{}` hold a control character",
                        name.as_str()
                    ),
                )
                .help("a secret from a file may have a line break in it")
            })?;
            value.set_sensitive(true);
            builder = builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]));
        }
        Ok(Self {
            client: http::finish(builder)?,
            reached,
        })
    }

    /// Asks with GET.
    ///
    /// # Errors
    /// When there is no answer, or its end does not come.
    pub async fn get(
        &self,
        cx: &StepContext,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Reply, StepError> {
        let url = self.url(path, query)?;
        self.ask(cx, self.client.get(url.clone()), &url).await
    }

    /// Asks with POST and a JSON body.
    ///
    /// # Errors
    /// As [`WebApi::get`].
    pub async fn post(
        &self,
        cx: &StepContext,
        path: &str,
        body: &Value,
    ) -> Result<Reply, StepError> {
        let url = self.url(path, &[])?;
        self.ask(cx, self.client.post(url.clone()).json(body), &url)
            .await
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, StepError> {
        let mut url = parsed(&format!("{}{path}", self.reached.base_url))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn ask(
        &self,
        cx: &StepContext,
        request: RequestBuilder,
        url: &Url,
    ) -> Result<Reply, StepError> {
        // A query may hold a secret; the path says enough.
        let address = format!("{}{}", self.reached.base_url, url.path());
        let address = cx.secrets.redact(&address);
        let answer = async {
            let response = request
                .send()
                .await
                .map_err(|error| http::no_answer(&error, &address))?;
            let status = response.status().as_u16();
            let mut body = Vec::new();
            let mut stream = response.bytes_stream();
            while let Some(chunk) = stream.next().await {
                body.extend_from_slice(&chunk.map_err(|error| http::no_answer(&error, &address))?);
                if body.len() > LONGEST {
                    return Err(StepError::permanent(
                        "http.too_long",
                        format!("{address}: the answer is longer than {} MiB", LONGEST >> 20),
                    )
                    .help("ask for less: fewer series, or a shorter time"));
                }
            }
            Ok(Reply::read(status, &body, &cx.secrets))
        };
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(StepError::cancelled()),
            answer = answer => answer,
        }
    }

    /// An answer that is none of those that the service gives for this path.
    #[must_use]
    pub fn unexpected(&self, service: &str, path: &str, reply: &Reply) -> StepError {
        let what = if (200..300).contains(&reply.status) {
            "something else than its own JSON".to_owned()
        } else {
            format!("HTTP {}", reply.status)
        };
        let text = format!(
            "{service} at {} answered {path} with {what}: {}",
            self.reached.base_url, reply.beginning
        );
        let text = text.trim_end_matches([':', ' ']).to_owned();
        match reply.status {
            401 | 403 => StepError::permanent("http.refused", text)
                .help("look at `auth:` of this service in the target"),
            408 | 429 | 500..=599 => StepError::transient("http.unwell", text),
            _ => StepError::permanent("http.unexpected", text)
                .help("look whether the address in the target is really this service's"),
        }
    }
}
fn parsed(text: &str) -> Result<Url, StepError> {
    Url::parse(text).map_err(|error| {
        StepError::permanent("http.request", format!("`{text}` is no URL: {error}"))
    })
}
