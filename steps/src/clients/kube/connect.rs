//! Connecting to the target's cluster, when it is first used. Never guesses a context.

use std::sync::Arc;
use std::time::Duration;

use ::kube::Config;
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use flowctl_workflows::target::Kubernetes;

use super::{Kube, Lease};
use crate::clients::Clients;
use crate::error::StepError;

/// The context that stands for the account of the pod that flowctl runs in.
const IN_CLUSTER: &str = "in-cluster";

impl Clients {
    /// The same target, but with this cluster, for tests against a stand-in.
    #[cfg(test)]
    pub(crate) fn with_cluster(&self, kube: Kube) -> Self {
        let mut clients = Self::new(self.target.clone(), self.secrets.clone());
        clients.kube = tokio::sync::OnceCell::new_with(Some(kube));
        clients
    }

    /// The target's Kubernetes cluster, connected when first asked for.
    ///
    /// # Errors
    /// Permanent, when the target names no cluster or its kubeconfig cannot be used.
    pub async fn kube(&self) -> Result<Kube, StepError> {
        let settings = || {
            self.target
                .as_ref()
                .and_then(|target| target.kubernetes.as_ref())
        };
        let connect = || async {
            let settings = settings().ok_or_else(|| {
                StepError::permanent("kube.no_target", "the target names no Kubernetes cluster")
                    .help("add `kubernetes: {context: NAME}` to the target file")
            })?;
            let kube = client(config(settings).await?)?;
            Ok(match &self.lease_settings {
                Some(settings) => {
                    let lease = Arc::new(Lease::new(kube.clone(), settings.clone()));
                    // Made here once, since the cell around it is filled once.
                    let lease = Arc::clone(self.lease.get_or_init(|| lease));
                    kube.fenced(lease)
                }
                None => kube,
            })
        };
        self.kube.get_or_try_init(connect).await.cloned()
    }

    /// The lease without which nothing is written, connected when first asked for; `None`: none is needed.
    ///
    /// # Errors
    /// As for [`Clients::kube`].
    pub async fn lease(&self) -> Result<Option<Arc<Lease>>, StepError> {
        if self.lease_settings.is_none() {
            return Ok(None);
        }
        self.kube().await?;
        Ok(self.lease.get().map(Arc::clone))
    }

    /// The same, if the cluster was ever connected.
    #[must_use]
    pub fn known_lease(&self) -> Option<Arc<Lease>> {
        self.lease.get().map(Arc::clone)
    }
}

async fn config(settings: &Kubernetes) -> Result<Config, StepError> {
    let unusable = |reason: String| {
        StepError::permanent("kube.kubeconfig", reason)
            .help("check `kubernetes.kubeconfig` and `kubernetes.context` in the target file")
    };
    if settings.context == IN_CLUSTER && settings.kubeconfig.is_none() {
        return Config::incluster().map_err(|error| unusable(error.to_string()));
    }
    let kubeconfig = match &settings.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|error| unusable(format!("the kubeconfig could not be read: {error}")))?;
    let contexts: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    if !contexts.contains(&settings.context.as_str()) {
        let known = if contexts.is_empty() {
            "none".to_owned()
        } else {
            contexts.join(", ")
        };
        return Err(unusable(format!(
            "the kubeconfig has no context `{}`; it has {known}",
            settings.context
        )));
    }
    let options = KubeConfigOptions {
        context: Some(settings.context.clone()),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| {
            unusable(format!(
                "the context `{}` cannot be used: {error}",
                settings.context
            ))
        })
}

fn client(mut config: Config) -> Result<Kube, StepError> {
    // The library would try 15 times over many minutes; `Kube` has its own short retries and deadlines.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    // The process-wide provider may have been chosen by another client already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = ::kube::Client::try_from(config).map_err(|error| {
        StepError::permanent(
            "kube.kubeconfig",
            format!("the cluster's settings cannot be used: {error}"),
        )
    })?;
    Ok(Kube::new(client))
}

#[cfg(test)]
impl crate::testing::TestContext {
    /// With a stand-in for the cluster.
    pub(crate) fn cluster(mut self, kube: Kube) -> Self {
        self.context.clients = std::sync::Arc::new(self.context.clients.with_cluster(kube));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: prod\n\
        clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n\
        contexts: [{name: prod, context: {cluster: c, user: u}}, {name: stage, context: {cluster: c, user: u, namespace: blue}}]\n";

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named_with_those_that_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, KUBECONFIG).unwrap();
        let path = path.to_str().unwrap().to_owned();

        let wrong = Kubernetes {
            kubeconfig: Some(path.clone()),
            context: "lab".into(),
            ..Kubernetes::default()
        };
        let error = config(&wrong).await.unwrap_err();
        assert_eq!(error.code, "kube.kubeconfig");
        assert!(
            error.message.contains("`lab`") && error.message.contains("prod, stage"),
            "{error}"
        );

        let right = Kubernetes {
            kubeconfig: Some(path),
            context: "stage".into(),
            ..Kubernetes::default()
        };
        assert_eq!(
            config(&right).await.unwrap().default_namespace,
            "blue",
            "the given context, not the current one"
        );
    }

    #[tokio::test]
    async fn without_a_cluster_the_answer_says_what_to_add() {
        let error = Clients::new(None, crate::secret::Secrets::default())
            .kube()
            .await
            .err()
            .unwrap();
        assert_eq!(error.code, "kube.no_target");
        assert!(error.help.unwrap().contains("kubernetes:"));
    }
}
