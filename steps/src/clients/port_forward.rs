//! A local port that leads to the pods behind a Service, through the API server.
//!
//! Each connection gets a forward of its own and a pod that is ready at that moment, so one broken
//! connection breaks no other, and a pod that went away is replaced at the next. Never meant for
//! load: the API server carries every byte. It lives as long as its guard.

use std::net::Ipv4Addr;

use ::kube::Api;
use k8s_openapi::api::core::v1::Pod;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::kube::Kube;
use super::service::{Backend, ServiceAddress, backends};
use crate::error::StepError;

/// A running forward; it ends when this is dropped.
#[derive(Debug)]
pub struct PortForward {
    /// The port on 127.0.0.1.
    pub port: u16,
    listening: JoinHandle<()>,
}

impl Drop for PortForward {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl PortForward {
    /// Opens a local port that leads to a Service, and proves that a pod answers behind it.
    ///
    /// # Errors
    /// [`StepError`]: no ready pod behind the Service, or no free local port.
    pub async fn open(kube: Kube, address: ServiceAddress) -> Result<Self, StepError> {
        // The first connection would find out too, but its error would reach nobody.
        connect(&kube, &address).await?;
        let no_port = |error: std::io::Error| {
            StepError::transient(
                "kube.forward",
                format!("no local port could be opened: {error}"),
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(no_port)?;
        let port = listener.local_addr().map_err(no_port)?.port();
        let listening = tokio::spawn(listen(listener, kube, address));
        Ok(Self { port, listening })
    }
}

async fn listen(listener: TcpListener, kube: Kube, address: ServiceAddress) {
    // Owned by this task, so that the connections end with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((local, _)) => {
                    connections.spawn(serve(local, kube.clone(), address.clone()));
                }
                // Out of file handles, say: the next accept may work.
                Err(error) => {
                    tracing::warn!(%address, %error, "could not take a local connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection. When no pod can be reached it is closed at once, which the client sees.
async fn serve(mut local: TcpStream, kube: Kube, address: ServiceAddress) {
    match connect(&kube, &address).await {
        Ok(mut remote) => {
            // Either side may break off at any time: that is how connections end.
            let _ = copy_bidirectional(&mut local, &mut remote.stream).await;
            remote.forwarder.abort();
        }
        Err(error) => {
            tracing::warn!(%address, %error, "could not forward a connection");
            let _ = local.shutdown().await;
        }
    }
}

struct Remote {
    stream: Box<dyn Duplex>,
    forwarder: ::kube::api::Portforwarder,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection to the first ready pod that takes one.
async fn connect(kube: &Kube, address: &ServiceAddress) -> Result<Remote, StepError> {
    let mut last = None;
    for backend in backends(kube, address).await? {
        match connect_to(kube, address, &backend).await {
            Ok(remote) => return Ok(remote),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        StepError::transient(
            "kube.no_backend",
            format!("no pod behind the Service {address} is ready"),
        )
        .help(format!(
            "kubectl get endpointslices -n {} -l kubernetes.io/service-name={}",
            address.namespace, address.name
        ))
    }))
}

async fn connect_to(
    kube: &Kube,
    address: &ServiceAddress,
    backend: &Backend,
) -> Result<Remote, StepError> {
    let subject = super::kube::Subject {
        verb: "create",
        resource: "pods/portforward".into(),
        namespace: Some(address.namespace.clone()),
        name: Some(backend.pod.clone()),
    };
    let pods: Api<Pod> = Api::namespaced(kube.client(), &address.namespace);
    let ports = [backend.port];
    let opening = tokio::time::timeout(
        std::time::Duration::from_secs(15),
        pods.portforward(&backend.pod, &ports),
    );
    let mut forwarder = opening
        .await
        .map_err(|_| {
            StepError::transient(
                "kube.no_answer",
                format!("could not {subject}: no answer within 15 s"),
            )
        })?
        .map_err(|error| super::kube::error::classify(&error, &subject))?;
    let stream = forwarder.take_stream(backend.port).ok_or_else(|| {
        StepError::transient(
            "kube.forward",
            format!("could not {subject}: the stream was not opened"),
        )
    })?;
    Ok(Remote {
        stream: Box::new(stream),
        forwarder,
    })
}
