//! The calls themselves. Each one has a deadline and a few quick repetitions, then fails with a class; a write asks the
//! fence first, whatever made it.

mod read;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::kube::core::request;
use serde_json::Value;

use super::discovery::Resource;
use super::error::{Subject, UNNAMED, classify, is_not_found};
use super::lease::Fence;
use crate::error::StepError;
use flowctl_workflows::result::ErrorClass;

pub use read::{LogWindow, Selection};
pub use write::ApplyMode;

/// One call is given up after this time: the library itself would wait for ever.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Waits between the repetitions of one call; longer trouble is the retry policy's.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct Kube {
    client: ::kube::Client,
    fence: Option<Arc<dyn Fence>>,
    resources: Arc<Mutex<HashMap<(String, String), Resource>>>,
}

impl Kube {
    /// A cluster behind this client.
    #[must_use]
    pub fn new(client: ::kube::Client) -> Self {
        Self {
            client,
            fence: None,
            resources: Arc::default(),
        }
    }

    /// The same cluster, but each write asks first.
    #[must_use]
    pub fn fenced(self, fence: Arc<dyn Fence>) -> Self {
        Self {
            fence: Some(fence),
            ..self
        }
    }

    /// Whether something may be written now, for writes that go through [`Kube::client`].
    ///
    /// # Errors
    /// Of the fence.
    pub async fn may_write(&self) -> Result<(), StepError> {
        match &self.fence {
            Some(fence) => fence.check().await,
            None => Ok(()),
        }
    }

    /// The client itself, for what needs an upgraded connection (exec, port-forward).
    #[must_use]
    pub fn client(&self) -> ::kube::Client {
        self.client.clone()
    }

    pub(super) fn remembered(&self, api_version: &str, kind: &str) -> Option<Resource> {
        let known = self
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known
            .get(&(api_version.to_owned(), kind.to_owned()))
            .cloned()
    }

    pub(super) fn remember(&self, resource: &Resource) {
        let mut known = self
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(
            (resource.api_version.clone(), resource.kind.clone()),
            resource.clone(),
        );
    }

    /// Sends, repeats what is transient, and answers `None` for "not found".
    pub(super) async fn send(
        &self,
        build: impl Fn() -> Result<http::Request<Vec<u8>>, request::Error>,
        subject: &Subject,
    ) -> Result<Option<String>, StepError> {
        let mut pauses = PAUSES.iter();
        loop {
            let request = build().map_err(|error| {
                StepError::permanent("kube.request", format!("could not {subject}: {error}"))
            })?;
            if changes(&request) {
                self.may_write().await?;
            }
            let error = match tokio::time::timeout(CALL_DEADLINE, self.client.request_text(request))
                .await
            {
                Ok(Ok(text)) => return Ok(Some(text)),
                Ok(Err(error)) if is_not_found(&error) => return Ok(None),
                Ok(Err(error)) => classify(&error, subject),
                Err(_) => StepError::transient(
                    "kube.no_answer",
                    format!(
                        "could not {subject}: no answer within {} s",
                        CALL_DEADLINE.as_secs()
                    ),
                ),
            };
            match pauses.next() {
                Some(pause) if error.class == ErrorClass::Transient && error.code != UNNAMED => {
                    tokio::time::sleep(*pause).await
                }
                _ => return Err(error),
            }
        }
    }
}

/// Whether a request changes something in the cluster. One that only asks what would come of it does not, nor does a
/// question of who may do what, which is a POST all the same.
fn changes(request: &http::Request<Vec<u8>>) -> bool {
    let uri = request.uri();
    let asks = matches!(*request.method(), http::Method::GET | http::Method::HEAD)
        || uri
            .query()
            .is_some_and(|query| query.contains("dryRun=All"))
        || uri.path().starts_with("/apis/authorization.k8s.io/");
    !asks
}

pub(super) fn subject(
    verb: &'static str,
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Subject {
    Subject {
        verb,
        resource: resource.qualified(),
        namespace: namespace.filter(|_| resource.namespaced).map(str::to_owned),
        name: name.map(str::to_owned),
    }
}

/// An answer, which is an object whatever was asked: callers write into its fields.
pub(super) fn parse(text: &str, subject: &Subject) -> Result<Value, StepError> {
    let refused =
        |why: String| StepError::permanent("kube.protocol", format!("could not {subject}: {why}"));
    let answer: Value = serde_json::from_str(text)
        .map_err(|error| refused(format!("the answer is not JSON: {error}")))?;
    match answer {
        Value::Object(_) => Ok(answer),
        _ => Err(refused("the answer is no JSON object".to_owned())),
    }
}

pub(super) fn present(text: Option<String>, subject: &Subject) -> Result<Value, StepError> {
    let text = text.ok_or_else(|| {
        StepError::permanent(
            "kube.not_found",
            format!("could not {subject}: the object or its namespace is not there"),
        )
    })?;
    parse(&text, subject)
}

#[cfg(test)]
#[path = "api/tests.rs"]
mod tests;
