//! Where a workflow runs: the endpoints of one platform and where its credentials come from.
//! Credentials themselves are never in here.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A target file. In every string `{{ flowctl.lab }}` and a leading `~/` are replaced when it is read; in `kubeconfig`,
/// `ca_file` and under `secrets:` also `{{ env.NAME }}`. Everything else is stored with the plan of every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `flowctl/v1`.
    #[serde(rename = "apiVersion")]
    #[schemars(extend("enum" = ["flowctl/v1"]))]
    pub api_version: String,
    /// `Target`.
    #[schemars(extend("enum" = ["Target"]))]
    pub kind: String,
    /// Its name and title.
    pub metadata: TargetMetadata,
    /// No platform at all: flowctl plays every service that is named here itself, in its own process. The endpoints of
    /// this file are then only names; nothing is sent to them, and no verdict of such a run is PASS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// The Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// The Trino coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trino: Option<Trino>,
    /// The object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Endpoint>,
    /// Alertmanager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<Endpoint>,
    /// Where Alertmanager's notifications end, if that can be asked: `GET /notifications` answers with a list of
    /// `{receivedAt, notification}`, each notification as Alertmanager's webhook sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_receiver: Option<Endpoint>,
    /// Grafana.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grafana: Option<Endpoint>,
    /// Where each secret comes from, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, SecretSource>,
    /// Workflow parameters on this target; `--param` wins over them, they win over defaults.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Value>,
}

/// A target's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetMetadata {
    /// For `--target`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]*$"))]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The Kubernetes cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Path of the kubeconfig; left out: `KUBECONFIG` or the default path, or the pod's own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The context in it. There is no default on purpose: flowctl never guesses a cluster.
    pub context: String,
    /// The namespace of the Lease by which one flowctl at a time runs a workflow that writes; left out: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub lease_namespace: Option<String>,
}

/// How a service is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `http://…` or `https://…`. Exactly one of `url` and `service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `NAMESPACE/NAME:PORT`, reached through the API server's port-forward unless `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service's cluster IP can be reached from here, so no port-forward is used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Credentials and private CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Path of a PEM file with the CA to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// The Trino coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trino {
    /// `http://…` or `https://…`. Exactly one of `url` and `service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `NAMESPACE/NAME:PORT`, reached through the API server's port-forward unless `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service's cluster IP can be reached from here, so no port-forward is used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// `X-Trino-User`.
    #[serde(default = "default_user")]
    pub user: String,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Path of a PEM file with the CA to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Default catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
    /// Default schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

fn default_user() -> String {
    "flowctl".to_owned()
}

/// The object store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `http://…` or `https://…`.
    pub url: String,
    /// The region to sign for.
    #[serde(default = "default_region")]
    pub region: String,
    /// Access key id.
    pub access_key: SecretName,
    /// Secret access key.
    pub secret_key: SecretName,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// `{secret: NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretName {
    /// A name under `secrets:`.
    pub secret: String,
}

/// Credentials of an HTTP service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password; left out: an empty one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<SecretName>,
    },
    /// `Authorization: Bearer …`: a JWT or another token. Read again for each request when it comes from a file, since tokens expire.
    Bearer {
        /// The token.
        token: SecretName,
    },
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable of flowctl, taken out of the environment of its children.
    Env(String),
    /// A file; one trailing line break is dropped.
    File(String),
    /// A Kubernetes Secret: `NAMESPACE/NAME/KEY`.
    Kubernetes(String),
}
