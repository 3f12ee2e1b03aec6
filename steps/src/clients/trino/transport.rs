//! Requests to the coordinator: headers, credentials, and which lost answers are asked for again.
//! Knows HTTP; does not know what a query is.

use std::time::Duration;

use flowctl_workflows::result::ErrorClass;
use flowctl_workflows::target::Auth;
use rand::RngExt as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{TrinoClient, classify};
use crate::clients::http;
use crate::error::StepError;

/// Which lost requests may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A read, or the end of a query: any of them.
    Always,
    /// A new statement: only one that the server surely has not taken.
    Unprocessed,
}

/// An answer, and how long it took.
pub(super) struct Answer {
    /// Its body.
    pub(super) bytes: Vec<u8>,
    /// How long it took.
    pub(super) took: Took,
}

/// How long an answer took, from the moment at which its request was made and only had to be sent. What flowctl does before
/// and afterwards is not in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    /// Until its first byte.
    pub(super) first_byte: Duration,
    /// Until its last one, with lost tries and the waits between them.
    pub(super) whole: Duration,
}

/// Why one try came to nothing.
enum Lost {
    /// Not worth another try.
    Final(StepError),
    /// Worth another try, and whether the server may have taken it.
    Again {
        error: StepError,
        may_be_taken: bool,
    },
}

impl TrinoClient {
    /// A request with the user and the credentials on it.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, StepError> {
        let url = self.0.base.join(path).map_err(|error| {
            StepError::permanent(
                "trino.url",
                format!("`{}` and `{path}` make no address: {error}", self.address()),
            )
        })?;
        let mut request = self
            .0
            .http
            .request(method, url)
            .header("X-Trino-User", header("user", &self.0.user)?);
        request = match &self.0.auth {
            None => request,
            Some(Auth::Basic { user, password }) => {
                let password = password
                    .as_ref()
                    .map(|name| self.0.secrets.get(&name.secret))
                    .transpose()?;
                request.basic_auth(
                    user,
                    Some(password.as_ref().map_or("", |password| password.reveal())),
                )
            }
            Some(Auth::Bearer { token }) => {
                request.bearer_auth(self.0.secrets.get(&token.secret)?.reveal())
            }
        };
        Ok(request)
    }

    /// A GET.
    pub(super) fn get(&self, path: &str) -> Result<RequestBuilder, StepError> {
        self.request(Method::GET, path)
    }

    /// The path of an address that the server gave, to be asked at the address that the target gives: behind a proxy
    /// or a port-forward the server's own idea of its address leads nowhere, and credentials go to no other host.
    pub(super) fn own_path(&self, uri: &str) -> Result<String, StepError> {
        let url = reqwest::Url::parse(uri).map_err(|error| {
            StepError::transient(
                "trino.protocol",
                format!("the server gave `{uri}` as the next page's address: {error}"),
            )
        })?;
        let path = url.path().trim_start_matches('/');
        Ok(url
            .query()
            .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
    }

    /// One try.
    pub(super) async fn send_once(
        &self,
        what: &str,
        build: impl Fn() -> Result<RequestBuilder, StepError>,
    ) -> Result<Vec<u8>, StepError> {
        self.try_once(what, build()?)
            .await
            .map(|(bytes, _)| bytes)
            .map_err(|lost| match lost {
                Lost::Final(error) | Lost::Again { error, .. } => error,
            })
    }

    /// Sends until an answer comes, or patience ends.
    pub(super) async fn send(
        &self,
        what: &str,
        repeat: Repeat,
        build: impl Fn() -> Result<RequestBuilder, StepError>,
    ) -> Result<Vec<u8>, StepError> {
        Ok(self.answer(what, repeat, build).await?.bytes)
    }

    /// The same, with the time that it took.
    pub(super) async fn answer(
        &self,
        what: &str,
        repeat: Repeat,
        build: impl Fn() -> Result<RequestBuilder, StepError>,
    ) -> Result<Answer, StepError> {
        let patience = self.0.patience;
        let mut request = build()?;
        let first = Instant::now();
        let mut longest = patience.initial;
        loop {
            let error = match self.try_once(what, request).await {
                Ok((bytes, first_byte)) => {
                    let took = Took {
                        first_byte: first_byte - first,
                        whole: first.elapsed(),
                    };
                    return Ok(Answer { bytes, took });
                }
                Err(Lost::Final(error)) => return Err(error),
                Err(Lost::Again {
                    error,
                    may_be_taken: true,
                }) if repeat == Repeat::Unprocessed => return Err(error),
                Err(Lost::Again { error, .. }) => error,
            };
            let wait = jittered(longest);
            if first.elapsed() + wait > patience.total {
                return Err(error);
            }
            tracing::debug!(%what, error = %error, wait_ms = wait.as_millis(), "asking Trino again");
            tokio::time::sleep(wait).await;
            longest = (longest * 2).min(patience.max);
            request = build()?;
        }
    }

    /// The body, and when its first byte came: the head of the answer comes with it, or before.
    async fn try_once(
        &self,
        what: &str,
        request: RequestBuilder,
    ) -> Result<(Vec<u8>, Instant), Lost> {
        let unreachable = |error: reqwest::Error| {
            // Connecting failed: nothing was sent, so nothing was taken.
            let may_be_taken = !error.is_connect();
            // The address holds the key to the query's result.
            let text = self.0.secrets.redact(&http::chain(&error.without_url()));
            let error = StepError::transient(
                "trino.unreachable",
                format!("Trino at {} did not answer {what}: {text}", self.address()),
            )
            .help("is the coordinator up, and is its address right in the target?");
            Lost::Again {
                error,
                may_be_taken,
            }
        };
        let response = request.send().await.map_err(unreachable)?;
        let first_byte = Instant::now();
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok((bytes.into(), first_byte));
        }
        let said = self.0.secrets.redact(&String::from_utf8_lossy(&bytes));
        let error = classify::http_failed(what, status.as_u16(), &said);
        Err(match status.as_u16() {
            429 | 503 => Lost::Again {
                error,
                may_be_taken: false,
            },
            502 | 504 => Lost::Again {
                error,
                may_be_taken: true,
            },
            _ => Lost::Final(error),
        })
    }
}

/// Reads an answer.
pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StepError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Half an answer out of a proxy looks the same as a wrong one.
        StepError::new(
            ErrorClass::Transient,
            "trino.protocol",
            format!("the answer to {what} is not what Trino says: {error}"),
        )
        .help("does the target's address lead to Trino?")
    })
}

/// Full jitter with a floor, so that many clients do not come back at once and none comes back at the same moment.
fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(rand::rng().random_range(0.25..=1.0))
}

/// Adds headers, refusing a value that would break out of its line.
pub(super) fn headers(pairs: &[(&'static str, String)]) -> Result<HeaderMap, StepError> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.insert(HeaderName::from_static(name), header(name, value)?);
    }
    Ok(map)
}

fn header(name: &str, value: &str) -> Result<HeaderValue, StepError> {
    HeaderValue::from_str(value).map_err(|_| {
        StepError::permanent(
            "trino.header",
            format!(
                "the {name} `{}` holds what HTTP cannot carry",
                value.escape_debug()
            ),
        )
    })
}

/// Percent-encodes all but ASCII letters, digits and `keep`.
pub(super) fn escape(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_leaves_nothing_that_a_header_or_a_list_would_cut() {
        assert_eq!(escape("a=b, c", "-_."), "a%3Db%2C%20c");
        assert_eq!(escape("größe", ""), "gr%C3%B6%C3%9Fe");
    }

    #[test]
    fn a_wait_is_never_longer_than_asked_nor_zero() {
        for _ in 0..100 {
            let wait = jittered(Duration::from_millis(100));
            assert!((Duration::from_millis(25)..=Duration::from_millis(100)).contains(&wait));
        }
    }

    #[test]
    fn a_value_with_a_line_break_is_refused() {
        assert_eq!(
            headers(&[("x-trino-catalog", "a\r\nX-Evil: 1".to_owned())])
                .unwrap_err()
                .code,
            "trino.header"
        );
    }
}
