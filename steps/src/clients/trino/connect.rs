//! From the target's words to a client.

use super::{Patience, Route, TrinoClient};
use crate::clients::Clients;
use crate::clients::service::resolve;
use crate::error::StepError;

impl Clients {
    /// A client for the target's coordinator. It is made anew each time, because a service may have moved since.
    ///
    /// # Errors
    /// Permanent, `target.no_trino`, when the target has none; otherwise as the way to it fails.
    pub async fn trino(&self) -> Result<TrinoClient, StepError> {
        let trino = self
            .target
            .as_ref()
            .and_then(|target| target.trino.as_ref())
            .ok_or_else(|| {
                StepError::permanent("target.no_trino", "the target has no Trino")
                    .help("add `trino:` with `url:` or `service:` to the target file")
            })?;
        let route = match (&trino.url, &trino.service) {
            (Some(url), None) => Route {
                base_url: url.clone(),
                ..Route::default()
            },
            (None, Some(service)) => {
                let endpoint = resolve(self, service, trino.direct).await?;
                Route {
                    base_url: endpoint.base_url.clone(),
                    forwarded: endpoint.forwarded,
                    guard: Some(Box::new(endpoint)),
                }
            }
            _ => {
                return Err(StepError::permanent(
                    "target.trino",
                    "the target's `trino:` needs exactly one of `url:` and `service:`",
                ));
            }
        };
        TrinoClient::new(route, trino, self.secrets.clone(), Patience::default())
    }
}
