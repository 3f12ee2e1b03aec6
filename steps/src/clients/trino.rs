//! Trino's client: `/v1/statement` and what stands beside it, on reqwest. Why not a crate:
//! `docs/decisions/0003-own-trino-client.md`.
//!
//! Every query carries the attempt's name as its source, so that a later process finds it again. A query
//! whose answer is no longer wanted is ended on the server, also when its future is dropped. The client
//! never judges a result, and never writes a credential into an error.

pub mod calibration;
pub mod classify;
mod connect;
mod flight;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
pub mod history;
pub mod protocol;
pub mod query;
pub mod result;
pub mod rows;
pub mod statement;
mod transport;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flowctl_workflows::target::{Auth, Trino};
use reqwest::Url;

use crate::clients::endpoint::is_loopback;
use crate::clients::http;
use crate::context::AttemptName;
use crate::error::StepError;
use crate::secret::Secrets;

pub use query::QueryOptions;
pub use result::{QueryRefusal, QueryResult};
pub use statement::Statement;

/// A client of one coordinator. Clones share its connections.
#[derive(Clone)]
pub struct TrinoClient(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: Url,
    user: String,
    auth: Option<Auth>,
    catalog: Option<String>,
    schema: Option<String>,
    secrets: Secrets,
    patience: Patience,
    forwarded: bool,
    /// Keeps a port-forward alive as long as the client.
    _route: Option<Box<dyn Any + Send + Sync>>,
}

/// How long the client itself puts up with a server that does not answer, before the step fails.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// No new try is made later than this after the first.
    pub total: Duration,
    /// The longest that one request may take. The server itself holds a page back for a second at most.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // The protocol's documentation asks for 50 to 100 ms before a page is asked for again.
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(2),
            total: Duration::from_secs(30),
            request: Duration::from_secs(60),
        }
    }
}

/// The way to the coordinator.
#[derive(Default)]
pub struct Route {
    /// `http://…` or `https://…`.
    pub base_url: String,
    /// Through the API server's port-forward, which is no way for load.
    pub forwarded: bool,
    /// What must live as long as the client.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

impl TrinoClient {
    /// A client for the target's coordinator, reached by `route`. Connects to nothing yet.
    ///
    /// # Errors
    /// Permanent: `trino.url` for an address that is none, `trino.insecure_auth` for credentials that would
    /// cross the network in the clear, `http.ca_file`.
    pub fn new(
        route: Route,
        target: &Trino,
        secrets: Secrets,
        patience: Patience,
    ) -> Result<Self, StepError> {
        let bad = |why: &str| {
            StepError::permanent(
                "trino.url",
                format!("`{}` is not Trino's address: {why}", route.base_url),
            )
        };
        // Paths are joined to it, so a prefix must end in a slash.
        let slashed = format!("{}/", route.base_url.trim_end_matches('/'));
        let base = Url::parse(&slashed).map_err(|error| bad(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(bad("expected http:// or https://"));
        }
        if sends_a_credential(target.auth.as_ref())
            && base.scheme() == "http"
            && !is_loopback(&base)
        {
            return Err(StepError::permanent(
                "trino.insecure_auth",
                format!(
                    "the credentials for {} would cross the network in the clear",
                    route.base_url
                ),
            )
            .help("use https:// in the target, or take `auth:` out of it"));
        }
        let ca_file = target.ca_file.as_deref().map(Path::new);
        let builder = http::builder_for(&base, ca_file)?.timeout(patience.request);
        Ok(Self(Arc::new(Inner {
            http: http::finish(builder)?,
            base,
            user: target.user.clone(),
            auth: target.auth.clone(),
            catalog: target.catalog.clone(),
            schema: target.schema.clone(),
            secrets,
            patience,
            forwarded: route.forwarded,
            _route: route.guard,
        })))
    }

    /// Whether its connections go through a port-forward: then times measured through it are not the platform's.
    #[must_use]
    pub fn forwarded(&self) -> bool {
        self.0.forwarded
    }

    /// The address, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        self.0.base.as_str().trim_end_matches('/')
    }

    /// `GET /v1/info`, asked once.
    ///
    /// # Errors
    /// Transient while nothing answers there.
    pub async fn info(&self) -> Result<protocol::ServerInfo, StepError> {
        let bytes = self
            .send_once("the request for /v1/info", || self.get("v1/info"))
            .await?;
        transport::decode("/v1/info", &bytes)
    }
}

/// The source of all queries of an attempt: `flowctl/RUN/STEP/ATTEMPT`.
#[must_use]
pub fn source(attempt: &AttemptName) -> String {
    format!("{}{}", source_prefix(attempt), attempt.attempt)
}

/// What the sources of all attempts of a step begin with.
#[must_use]
pub fn source_prefix(attempt: &AttemptName) -> String {
    // The key of a `foreach` may hold what a header may not.
    format!(
        "flowctl/{}/{}/",
        attempt.run,
        transport::escape(attempt.step.as_str(), "_-.[]:")
    )
}

fn sends_a_credential(auth: Option<&Auth>) -> bool {
    match auth {
        None | Some(Auth::Basic { password: None, .. }) => false,
        Some(
            Auth::Basic {
                password: Some(_), ..
            }
            | Auth::Bearer { .. },
        ) => true,
    }
}

#[cfg(test)]
pub(crate) mod tests;
