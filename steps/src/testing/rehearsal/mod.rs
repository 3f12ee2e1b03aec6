//! The doubles of a rehearsal: a cluster, a coordinator, an object store and their monitoring in this process, which speak
//! the real ones' protocols on loopback, so that the same clients and step kinds run against them as against a platform.
//!
//! They are one `World` with state, not a list of answers: a release makes pods, the pods make a coordinator, a
//! statement makes a table that the next one counts. What they do not know they refuse, and say so: a rehearsal never
//! makes up a success. `tests/contract/` holds them to the real services' behaviour.

mod door;
mod faults;
mod kube;
mod monitoring;
mod patterns;
mod s3;
mod trino;
mod world;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use flowctl_workflows::inject::{Inject, Protocol};
use flowctl_workflows::target::Target;
use tokio::task::JoinHandle;

use self::door::Double;
use self::faults::Faults;
#[cfg(any(test, feature = "testing"))]
pub use self::faults::meet;
use self::world::Shared;
use crate::context::Clock;

/// The context of the kubeconfig that leads to the double of the API server.
const CONTEXT: &str = "rehearsal";

/// Doubles that answer as long as this lives.
pub struct Rehearsal {
    addresses: Vec<(Protocol, String)>,
    world: Shared,
    serving: Vec<JoinHandle<()>>,
}

impl Rehearsal {
    /// Starts every double inside the current runtime.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub async fn start(clock: Arc<dyn Clock>, inject: Inject) -> std::io::Result<Self> {
        let world = world::seeded(clock);
        let faults = Arc::new(Faults::new(inject));
        let mut rehearsal = Self {
            addresses: Vec::new(),
            world: Arc::clone(&world),
            serving: Vec::new(),
        };
        let monitoring = |protocol| monitoring::Double {
            world: Arc::clone(&world),
            protocol,
        };
        rehearsal
            .open(kube::Double::new(Arc::clone(&world)), &faults)
            .await?;
        rehearsal
            .open(trino::Double::new(Arc::clone(&world)), &faults)
            .await?;
        rehearsal
            .open(s3::Double(Arc::clone(&world)), &faults)
            .await?;
        for protocol in [
            Protocol::Prometheus,
            Protocol::Alertmanager,
            Protocol::AlertReceiver,
            Protocol::Grafana,
        ] {
            rehearsal.open(monitoring(protocol), &faults).await?;
        }
        Ok(rehearsal)
    }

    async fn open(&mut self, double: impl Double, faults: &Arc<Faults>) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        self.addresses.push((double.protocol(), address));
        self.serving.push(tokio::spawn(door::serve(
            listener,
            Arc::new(double),
            Arc::clone(&self.world),
            Arc::clone(faults),
        )));
        Ok(())
    }

    /// Where a double answers.
    #[must_use]
    pub fn address(&self, protocol: Protocol) -> &str {
        self.addresses
            .iter()
            .find(|(known, _)| *known == protocol)
            .map_or("", |(_, address)| address)
    }

    /// A kubeconfig whose only context, `rehearsal`, leads to the double of the API server.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let server = self.address(Protocol::Kubernetes);
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
            "users": [{"name": CONTEXT, "user": {}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}]
        })
        .to_string()
    }

    /// The target with every service that it names led to its double; `kubeconfig` is the path of [`Self::kubeconfig`].
    #[must_use]
    pub fn lead(&self, mut target: Target, kubeconfig: &str) -> Target {
        if let Some(kubernetes) = &mut target.kubernetes {
            kubernetes.kubeconfig = Some(kubeconfig.to_owned());
            CONTEXT.clone_into(&mut kubernetes.context);
        }
        if let Some(trino) = &mut target.trino {
            trino.url = Some(self.address(Protocol::Trino).to_owned());
            (trino.service, trino.direct) = (None, false);
            (trino.auth, trino.ca_file) = (None, None);
        }
        if let Some(s3) = &mut target.s3 {
            self.address(Protocol::S3).clone_into(&mut s3.url);
        }
        for (endpoint, protocol) in [
            (&mut target.prometheus, Protocol::Prometheus),
            (&mut target.alertmanager, Protocol::Alertmanager),
            (&mut target.alert_receiver, Protocol::AlertReceiver),
            (&mut target.grafana, Protocol::Grafana),
        ] {
            if let Some(endpoint) = endpoint {
                endpoint.url = Some(self.address(protocol).to_owned());
                (endpoint.service, endpoint.direct) = (None, false);
                (endpoint.auth, endpoint.ca_file) = (None, None);
            }
        }
        target
    }

    /// What stands for a secret in a rehearsal. The real one is never read.
    #[must_use]
    pub fn secret(name: &str) -> String {
        format!("{}{name}", s3::KEYS_BEGIN)
    }

    /// How many times somebody else changed an object, by the file of faults.
    #[must_use]
    pub fn changes_by_others(&self) -> u64 {
        world::lock(&self.world).cluster.changed_by_others
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}
