//! The kinds that the double of the API server serves, and as much of their schemas as tells a misspelt field.

use serde_json::Value;

/// A kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) group_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) namespaced: bool,
    /// Fields beside `apiVersion`, `kind`, `metadata` and `status`.
    fields: &'static [&'static str],
    /// Fields of `spec`; none: any.
    spec: &'static [&'static str],
}

const fn kind(
    group_version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    fields: &'static [&'static str],
    spec: &'static [&'static str],
) -> Served {
    Served {
        group_version,
        kind,
        plural,
        namespaced,
        fields,
        spec,
    }
}

const SPEC: &[&str] = &["spec"];
const NONE: &[&str] = &[];

/// All of them. A rehearsal that needs another kind gets it here.
#[rustfmt::skip]
const SERVED: &[Served] = &[
    kind("v1", "Pod", "pods", true, SPEC, NONE),
    kind("v1", "ConfigMap", "configmaps", true, &["data", "binaryData", "immutable"], NONE),
    kind("v1", "Secret", "secrets", true, &["data", "stringData", "type", "immutable"], NONE),
    kind("v1", "Service", "services", true, SPEC, NONE),
    kind("v1", "ServiceAccount", "serviceaccounts", true, &["secrets", "imagePullSecrets", "automountServiceAccountToken"], NONE),
    kind("v1", "Event", "events", true, &["involvedObject", "reason", "message", "source", "type", "count", "firstTimestamp", "lastTimestamp", "eventTime", "reportingComponent", "reportingInstance"], NONE),
    kind("v1", "Namespace", "namespaces", false, SPEC, NONE),
    kind("v1", "Node", "nodes", false, SPEC, NONE),
    kind("apps/v1", "Deployment", "deployments", true, SPEC, &["replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit", "paused", "progressDeadlineSeconds"]),
    kind("apps/v1", "ReplicaSet", "replicasets", true, SPEC, NONE),
    kind("apps/v1", "StatefulSet", "statefulsets", true, SPEC, NONE),
    kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true, &["addressType", "endpoints", "ports"], NONE),
    kind("coordination.k8s.io/v1", "Lease", "leases", true, SPEC, NONE),
    kind("ceph.rook.io/v1", "CephObjectStore", "cephobjectstores", true, SPEC, &["allowUsersInNamespaces", "auth", "dataPool", "defaultRealm", "gateway", "healthCheck", "hosting", "metadataPool", "preservePoolsOnDelete", "protocols", "security", "sharedPools", "zone"]),
    kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", true, SPEC, &["groups"]),
    kind("metrics.k8s.io/v1beta1", "PodMetrics", "pods", true, &["timestamp", "window", "containers"], NONE),
    kind("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", true, SPEC, &["chart", "chartRef", "commonMetadata", "dependsOn", "driftDetection", "install", "interval", "kubeConfig", "maxHistory", "persistentClient", "postRenderers", "releaseName", "rollback", "serviceAccountName", "storageNamespace", "suspend", "targetNamespace", "test", "timeout", "uninstall", "upgrade", "values", "valuesFrom"]),
    kind("source.toolkit.fluxcd.io/v1", "HelmRepository", "helmrepositories", true, SPEC, &["accessFrom", "certSecretRef", "insecure", "interval", "passCredentials", "provider", "secretRef", "suspend", "timeout", "type", "url"]),
];

/// The metrics of pods: served, but kept by nobody.
pub(super) const METRICS: &str = "metrics.k8s.io/v1beta1";

/// The kind behind a plural.
pub(super) fn by_plural(group_version: &str, plural: &str) -> Option<Served> {
    SERVED
        .iter()
        .copied()
        .find(|served| served.group_version == group_version && served.plural == plural)
}

/// The kind by its name.
pub(super) fn by_kind(group_version: &str, kind: &str) -> Option<Served> {
    SERVED
        .iter()
        .copied()
        .find(|served| served.group_version == group_version && served.kind == kind)
}

/// All kinds of a group's version.
pub(super) fn of(group_version: &str) -> Vec<Served> {
    SERVED
        .iter()
        .copied()
        .filter(|served| served.group_version == group_version)
        .collect()
}

impl Served {
    /// Where its objects stand.
    pub(super) fn path(self, namespace: Option<&str>, name: &str) -> String {
        let root = match self.group_version.contains('/') {
            true => format!("/apis/{}", self.group_version),
            false => format!("/api/{}", self.group_version),
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}/{name}", self.plural),
            None => format!("{root}/{}/{name}", self.plural),
        }
    }

    /// The fields of an object that the schema lacks, as `.spec.nope`.
    pub(super) fn unknown(self, object: &Value) -> Vec<String> {
        let known = ["apiVersion", "kind", "metadata", "status"];
        let top = object.as_object().into_iter().flatten();
        let mut unknown: Vec<String> = top
            .map(|(field, _)| field.as_str())
            .filter(|field| !known.contains(field) && !self.fields.contains(field))
            .map(|field| format!(".{field}"))
            .collect();
        let spec = object["spec"].as_object().into_iter().flatten();
        unknown.extend(
            spec.map(|(field, _)| field.as_str())
                .filter(|field| !self.spec.is_empty() && !self.spec.contains(field))
                .map(|field| format!(".spec.{field}")),
        );
        unknown
    }
}
