//! The object store of the target, over its S3 protocol: reads, writes and takes away single objects, and asks for
//! `SelectObjectContent`. Paths only, no bucket in the host name: gateways of one's own are asked that way.
//!
//! Owns signatures, the event stream and the store's error answers. Judges nothing and never retries: that is the
//! step's, whose errors carry their class.

mod broken;
mod event;
mod frames;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod objects;
mod refusal;
mod select;
mod sign;
mod words;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use broken::{Broken, Failure};
pub use event::Stats;
pub use objects::{Head, Reading};
pub use refusal::Refusal;
pub use select::{Input, Selected, Selection};
pub use words::{HeaderLine, Place};

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::Clients;
use super::endpoint::ServiceName;
use super::http;
use crate::error::StepError;
use crate::secret::Secret;

/// How long the store may say nothing in the middle of an answer. A select over a large object is silent while it
/// scans, so this is longer than for other services.
const SILENCE: Duration = Duration::from_secs(120);

/// A client for one object store. Clones are the same one.
#[derive(Clone)]
pub struct S3Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: String,
    region: String,
    access_key: Secret,
    secret_key: Secret,
}

impl Clients {
    /// A client for the target's object store.
    ///
    /// # Errors
    /// Permanent: `target.no_endpoint` when the target has none, `secret.unknown`, `s3.url`.
    pub async fn s3(&self) -> Result<S3Client, StepError> {
        let reached = self.reach(ServiceName::S3).await?;
        let s3 = self
            .target
            .as_ref()
            .and_then(|target| target.s3.as_ref())
            .ok_or_else(|| {
                StepError::permanent("target.no_endpoint", "the target names no `s3`")
            })?;
        S3Client::new(
            &reached.base_url,
            &s3.region,
            self.secrets.get(&s3.access_key.secret)?,
            self.secrets.get(&s3.secret_key.secret)?,
        )
    }
}

impl S3Client {
    fn new(
        base: &str,
        region: &str,
        access_key: Secret,
        secret_key: Secret,
    ) -> Result<Self, StepError> {
        let url = Url::parse(base).map_err(|error| {
            StepError::permanent("s3.url", format!("`{base}` is no address: {error}"))
        })?;
        let builder = http::builder_for(&url, None)?.read_timeout(SILENCE);
        Ok(Self(Arc::new(Inner {
            http: http::finish(builder)?,
            base: base.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            access_key,
            secret_key,
        })))
    }

    /// Where an object is, for people.
    #[must_use]
    pub fn address(&self, place: &Place) -> String {
        format!("{}/{}", self.0.base, place.path())
    }
}
