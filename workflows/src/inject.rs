//! What goes wrong in a rehearsal: a file of faults, each with what it is for and what it does. Data only; the doubles of
//! `flowctl-steps` do it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::policy::Span;

/// A file for `flowctl run --inject FILE`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// `flowctl/v1`.
    #[serde(rename = "apiVersion")]
    #[schemars(extend("enum" = ["flowctl/v1"]))]
    pub api_version: String,
    /// `Inject`.
    #[schemars(extend("enum" = ["Inject"]))]
    pub kind: String,
    /// Which requests `share:` draws; the same seed draws the same ones.
    #[serde(default)]
    pub seed: u64,
    /// The faults. A request that several are for meets them all, in this order.
    #[schemars(length(min = 1))]
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests.
    pub on: Matcher,
    /// Answers so much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// Fails, without any effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<Failing>,
    /// The effect happens, and the connection is cut before the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lose_answer: bool,
    /// Somebody else changes an object of the cluster just before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// Which requests a fault is for. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// To this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// With this method, for example `PATCH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z]+$"))]
    pub method: Option<String>,
    /// To this path, without the query; `*` stands for anything, for example `/apis/*/helmreleases/trino`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With this body: the whole of it, where `*` stands for anything; for Trino that is the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Only these of all that match, counted from 1 in the order in which they arrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nth: Vec<u64>,
    /// Only so many of all that match, between 0 and 1, drawn by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// The services that a rehearsal has a double of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The API server.
    Kubernetes,
    /// The coordinator.
    Trino,
    /// The object store.
    S3,
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
    /// What Alertmanager notifies.
    AlertReceiver,
    /// Grafana.
    Grafana,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failing {
    /// The service is overloaded: 503, in its own words. Transient.
    Unavailable,
    /// The connection is closed without an answer. Transient.
    Reset,
    /// The caller may not do this: in the service's own words. Permanent.
    Refused,
}

/// What somebody else does to an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its API version, for example `v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Its kind, for example `ConfigMap`.
    pub kind: String,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// A merge patch: fields with their new values, `null` for what goes.
    pub merge: Map<String, Value>,
    /// The field manager that they belong to afterwards.
    #[serde(default = "somebody_else")]
    pub manager: String,
}

fn somebody_else() -> String {
    "somebody-else".to_owned()
}
