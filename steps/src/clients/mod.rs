//! The clients of one target, built once for a run and connected when first used.

pub mod alertmanager;
pub mod endpoint;
pub mod grafana;
pub mod http;
pub mod kube;
pub mod port_forward;
pub mod prometheus;
pub mod s3;
pub mod service;
pub mod trino;
pub mod web_api;

use crate::secret::Secrets;
use flowctl_workflows::target::Target;

/// The clients of one target.
pub struct Clients {
    target: Option<Target>,
    secrets: Secrets,
    kube: tokio::sync::OnceCell<kube::Kube>,
    lease_settings: Option<kube::LeaseSettings>,
    lease: std::sync::OnceLock<std::sync::Arc<kube::Lease>>,
    forwards: service::Forwards,
}

impl Clients {
    /// Clients for this target; nothing is connected yet. Without a target every platform client
    /// answers with an error that says so.
    #[must_use]
    pub fn new(target: Option<Target>, secrets: Secrets) -> Self {
        Self {
            target,
            secrets,
            kube: tokio::sync::OnceCell::new(),
            lease_settings: None,
            lease: std::sync::OnceLock::new(),
            forwards: service::Forwards::default(),
        }
    }

    /// The same, but nothing is written to the cluster without this lease.
    #[must_use]
    pub fn fenced(self, lease: kube::LeaseSettings) -> Self {
        Self {
            lease_settings: Some(lease),
            ..self
        }
    }
}
