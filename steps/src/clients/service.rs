//! How a Service of the target's cluster is reached from here: at its cluster IP when the target
//! says that this works, else through a port-forward, which callers are told of, since it is no way for load.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use super::Clients;
use super::kube::object::{list, number, text};
use super::kube::{Kube, Resource, Selection};
use super::port_forward::PortForward;
use crate::error::StepError;

/// `NAMESPACE/NAME:PORT`; the port is a number or a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceAddress {
    /// Namespace.
    pub namespace: String,
    /// Name of the Service.
    pub name: String,
    /// Port of the Service: its number or its name.
    pub port: String,
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}

impl FromStr for ServiceAddress {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let parts = text.split_once('/').and_then(|(namespace, rest)| {
            let (name, port) = rest.split_once(':')?;
            let filled = [namespace, name, port]
                .iter()
                .all(|part| !part.is_empty() && !part.contains(['/', ':']));
            filled.then(|| Self {
                namespace: namespace.into(),
                name: name.into(),
                port: port.into(),
            })
        });
        parts.ok_or_else(|| {
            StepError::permanent(
                "target.service",
                format!("`{text}` does not name a Service"),
            )
            .help("write NAMESPACE/NAME:PORT, for example data-platform/trino:8080")
        })
    }
}

/// Where a Service can be reached from here. Keep it as long as it is used: it holds the forward open.
#[derive(Debug, Clone)]
pub struct ResolvedEndpoint {
    /// `http://HOST:PORT`, without a trailing slash.
    pub base_url: String,
    /// `HOST:PORT`.
    pub authority: String,
    /// Whether it goes through the API server; then it is no way for load.
    pub forwarded: bool,
    _guard: Option<Arc<PortForward>>,
}

/// The forwards that are open, by address: one for all steps of a run.
#[derive(Debug, Default)]
pub(super) struct Forwards(Mutex<HashMap<ServiceAddress, Arc<PortForward>>>);

/// Finds a way to a Service; `direct` when its cluster IP can be reached from here.
///
/// # Errors
/// [`StepError`]: a bad address, no such Service or port, or no ready pod behind it.
pub async fn resolve(
    clients: &Clients,
    service: &str,
    direct: bool,
) -> Result<ResolvedEndpoint, StepError> {
    let address: ServiceAddress = service.parse()?;
    let kube = clients.kube().await?;
    if direct {
        let object = service_object(&kube, &address).await?;
        let authority = cluster_address(&object, &address)?;
        return Ok(ResolvedEndpoint {
            base_url: format!("http://{authority}"),
            authority,
            forwarded: false,
            _guard: None,
        });
    }
    let mut open = clients.forwards.0.lock().await;
    let forward = match open.get(&address) {
        Some(forward) => Arc::clone(forward),
        None => {
            let forward = Arc::new(PortForward::open(kube, address.clone()).await?);
            open.insert(address, Arc::clone(&forward));
            forward
        }
    };
    let authority = format!("127.0.0.1:{}", forward.port);
    Ok(ResolvedEndpoint {
        base_url: format!("http://{authority}"),
        authority,
        forwarded: true,
        _guard: Some(forward),
    })
}

async fn service_object(kube: &Kube, address: &ServiceAddress) -> Result<Value, StepError> {
    let services = Resource::core("Service", "services");
    // It may be deployed by an earlier step that is only just done.
    kube.get(&services, Some(&address.namespace), &address.name)
        .await?
        .ok_or_else(|| {
            StepError::permanent(
                "kube.no_service",
                format!(
                    "there is no Service `{}` in namespace `{}`",
                    address.name, address.namespace
                ),
            )
            .help(format!("kubectl get services -n {}", address.namespace))
        })
}

/// The entry of `spec.ports` that an address means.
fn service_port<'a>(service: &'a Value, address: &ServiceAddress) -> Result<&'a Value, StepError> {
    let ports = list(service, "/spec/ports");
    ports
        .iter()
        .find(|port| {
            port["name"] == *address.port
                || port["port"]
                    .as_i64()
                    .is_some_and(|n| n.to_string() == address.port)
        })
        .ok_or_else(|| {
            let has: Vec<String> = ports
                .iter()
                .map(|port| {
                    format!(
                        "{} {}",
                        number(port, "/port").unwrap_or(0),
                        text(port, "/name")
                    )
                    .trim_end()
                    .to_owned()
                })
                .collect();
            StepError::permanent(
                "kube.no_service_port",
                format!(
                    "the Service {address} has no such port; it has {}",
                    has.join(", ")
                ),
            )
        })
}

/// `CLUSTER_IP:PORT`, with brackets round an IPv6 address.
fn cluster_address(service: &Value, address: &ServiceAddress) -> Result<String, StepError> {
    let port = number(service_port(service, address)?, "/port").unwrap_or(0);
    match text(service, "/spec/clusterIP") {
        "" | "None" => Err(StepError::permanent(
            "kube.no_cluster_ip",
            format!("the Service {address} has no cluster IP"),
        )
        .help("leave `direct` out, so that a port-forward is used, or give a `url:`")),
        ip if ip.contains(':') => Ok(format!("[{ip}]:{port}")),
        ip => Ok(format!("{ip}:{port}")),
    }
}

/// A pod behind a Service, with the port that it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pod: String,
    pub(super) port: u16,
}

/// The ready pods behind a Service, as its endpoint slices have them.
pub(super) async fn backends(
    kube: &Kube,
    address: &ServiceAddress,
) -> Result<Vec<Backend>, StepError> {
    let service = service_object(kube, address).await?;
    let port = service_port(&service, address)?;
    let slices = kube
        .resource("discovery.k8s.io/v1", "EndpointSlice")
        .await?;
    let owned = Selection::labelled(
        &address.namespace,
        &format!("kubernetes.io/service-name={}", address.name),
    );
    let slices = kube.list(&slices, &owned).await?;
    let found = backends_in(&slices, text(port, "/name"));
    if found.is_empty() && slices.iter().any(leads_outside) {
        return Err(StepError::permanent(
            "kube.not_forwardable",
            format!("the Service {address} leads to no pods, so it cannot be forwarded"),
        )
        .help("give a `url:`, or `direct: true` if its cluster IP can be reached from here"));
    }
    Ok(found)
}

fn backends_in(slices: &[Value], port_name: &str) -> Vec<Backend> {
    let mut found = Vec::new();
    for slice in slices {
        let port = list(slice, "/ports")
            .iter()
            .find(|port| text(port, "/name") == port_name);
        let Some(port) = port.and_then(|port| u16::try_from(number(port, "/port")?).ok()) else {
            continue;
        };
        for endpoint in list(slice, "/endpoints") {
            // No word on readiness means ready, says the API.
            let ready = endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
            if ready && text(endpoint, "/targetRef/kind") == "Pod" {
                found.push(Backend {
                    pod: text(endpoint, "/targetRef/name").to_owned(),
                    port,
                });
            }
        }
    }
    found
}

/// Whether a slice has endpoints that are no pods: a Service without a selector.
fn leads_outside(slice: &Value) -> bool {
    list(slice, "/endpoints")
        .iter()
        .any(|endpoint| text(endpoint, "/targetRef/kind") != "Pod")
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
