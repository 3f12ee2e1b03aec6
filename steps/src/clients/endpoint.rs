//! The target's HTTP services by name: where they are reached and with which credentials.
//!
//! Only finds the way; what is asked there is the step kind's.

use flowctl_workflows::target::{Auth, Endpoint, Target};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::Clients;
use super::service::{ResolvedEndpoint, resolve};
use crate::error::StepError;
use crate::secret::{Secret, Secrets};

/// A service that a target names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the target file's own")]
pub enum ServiceName {
    Trino,
    Prometheus,
    Alertmanager,
    AlertReceiver,
    Grafana,
    S3,
}

impl ServiceName {
    /// The key in the target file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceName::Trino => "trino",
            ServiceName::Prometheus => "prometheus",
            ServiceName::Alertmanager => "alertmanager",
            ServiceName::AlertReceiver => "alert_receiver",
            ServiceName::Grafana => "grafana",
            ServiceName::S3 => "s3",
        }
    }

    fn endpoint(self, target: &Target) -> Option<Endpoint> {
        match self {
            ServiceName::Prometheus => target.prometheus.clone(),
            ServiceName::Alertmanager => target.alertmanager.clone(),
            ServiceName::AlertReceiver => target.alert_receiver.clone(),
            ServiceName::Grafana => target.grafana.clone(),
            ServiceName::Trino => target.trino.as_ref().map(|trino| Endpoint {
                url: trino.url.clone(),
                service: trino.service.clone(),
                direct: trino.direct,
                auth: trino.auth.clone(),
                ca_file: trino.ca_file.clone(),
            }),
            // S3 signs its requests; what can be asked without is asked without credentials.
            ServiceName::S3 => target.s3.as_ref().map(|s3| Endpoint {
                url: Some(s3.url.clone()),
                service: None,
                direct: false,
                auth: None,
                ca_file: None,
            }),
        }
    }
}

/// The way to a service. Keep it as long as it is used: it may hold a port-forward open.
#[derive(Debug)]
pub struct Reached {
    /// `http://…` or `https://…` without a trailing slash.
    pub base_url: String,
    /// Value of the `Authorization` header.
    pub authorization: Option<Secret>,
    /// PEM file of a private CA.
    pub ca_file: Option<String>,
    _route: Option<ResolvedEndpoint>,
}

impl Clients {
    /// Finds the way to a service of the target.
    ///
    /// # Errors
    /// `target.no_endpoint` when the target does not name it, `secret.unknown`, `http.insecure_auth` when its
    /// credentials would cross the network in the clear, or why its Service in Kubernetes cannot be reached.
    pub async fn reach(&self, name: ServiceName) -> Result<Reached, StepError> {
        let name = (
            name.as_str(),
            self.target
                .as_ref()
                .and_then(|target| name.endpoint(target)),
        );
        let (name, Some(endpoint)) = name else {
            return Err(StepError::permanent(
                "target.no_endpoint",
                format!("the target names no `{}`", name.0),
            )
            .help("add it to the target file, by `url:` or by `service: NAMESPACE/NAME:PORT`"));
        };
        let (base_url, route) = match (&endpoint.url, &endpoint.service) {
            (Some(url), None) => (url.trim_end_matches('/').to_owned(), None),
            (None, Some(service)) => {
                let route = resolve(self, service, endpoint.direct).await?;
                (route.base_url.clone(), Some(route))
            }
            _ => {
                let message =
                    format!("`{name}` in the target needs exactly one of `url` and `service`");
                return Err(StepError::permanent("target.no_endpoint", message));
            }
        };
        let authorization = authorization(endpoint.auth.as_ref(), &self.secrets)?;
        if authorization.is_some() && in_the_clear(&base_url) {
            let message =
                format!("the credentials for `{name}` would cross the network in the clear");
            return Err(StepError::permanent("http.insecure_auth", message)
                .help("use https:// in the target, or take `auth:` out of it"));
        }
        Ok(Reached {
            base_url,
            authorization,
            ca_file: endpoint.ca_file,
            _route: route,
        })
    }
}

fn authorization(auth: Option<&Auth>, secrets: &Secrets) -> Result<Option<Secret>, StepError> {
    use base64::Engine;
    Ok(match auth {
        None => None,
        Some(Auth::Bearer { token }) => {
            Some(format!("Bearer {}", secrets.get(&token.secret)?.reveal()))
        }
        Some(Auth::Basic { user, password }) => {
            let password = password
                .as_ref()
                .map(|password| secrets.get(&password.secret))
                .transpose()?;
            let pair = format!("{user}:{}", password.as_ref().map_or("", Secret::reveal));
            Some(format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(pair)
            ))
        }
    }
    .map(Secret::new))
}

fn in_the_clear(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

/// Whether a URL leads to this machine itself, where no proxy can reach and nobody listens in.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    fn clients(target: serde_json::Value) -> Clients {
        let mut whole =
            json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "t"}});
        whole
            .as_object_mut()
            .unwrap()
            .extend(target.as_object().unwrap().clone());
        let secrets = Secrets::new(HashMap::from([("P".to_owned(), Secret::new("hunter2"))]));
        Clients::new(Some(serde_json::from_value(whole).unwrap()), secrets)
    }

    async fn code(clients: Clients, name: ServiceName) -> String {
        clients.reach(name).await.unwrap_err().code
    }

    #[tokio::test]
    async fn a_service_is_found_with_its_credentials() {
        let auth = json!({"basic": {"user": "me", "password": {"secret": "P"}}});
        let clients = clients(
            json!({"grafana": {"url": "https://g.example/x/", "auth": auth, "ca_file": "/ca.pem"}}),
        );
        let reached = clients.reach(ServiceName::Grafana).await.unwrap();
        assert_eq!(reached.base_url, "https://g.example/x");
        assert_eq!(
            reached.authorization.as_ref().unwrap().reveal(),
            "Basic bWU6aHVudGVyMg=="
        );
        assert_eq!(reached.ca_file.as_deref(), Some("/ca.pem"));
        assert!(!format!("{reached:?}").contains("bWU6"));
    }

    #[tokio::test]
    async fn credentials_do_not_cross_the_network_in_the_clear() {
        let with = |url: &str| {
            clients(
                json!({"prometheus": {"url": url, "auth": {"bearer": {"token": {"secret": "P"}}}}}),
            )
        };
        assert_eq!(
            code(with("http://p.example"), ServiceName::Prometheus).await,
            "http.insecure_auth"
        );
        for good in [
            "http://127.0.0.1:9090",
            "http://[::1]:9090",
            "http://localhost",
            "https://p.example",
        ] {
            let reached = with(good).reach(ServiceName::Prometheus).await.unwrap();
            assert_eq!(reached.authorization.unwrap().reveal(), "Bearer hunter2");
        }
    }

    #[tokio::test]
    async fn what_the_target_does_not_name_is_an_error() {
        assert_eq!(
            code(clients(json!({})), ServiceName::Trino).await,
            "target.no_endpoint"
        );
        assert_eq!(
            code(Clients::new(None, Secrets::default()), ServiceName::S3).await,
            "target.no_endpoint"
        );
        assert_eq!(
            code(clients(json!({"grafana": {}})), ServiceName::Grafana).await,
            "target.no_endpoint"
        );
        let both = json!({"grafana": {"url": "http://a", "service": "a/b:1"}});
        assert_eq!(
            code(clients(both), ServiceName::Grafana).await,
            "target.no_endpoint"
        );
    }
}
