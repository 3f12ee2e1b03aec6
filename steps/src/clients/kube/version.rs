//! Which API version is meant when only a kind is named.

use crate::error::StepError;

/// The version that is given, else that of the kinds that everyone uses.
///
/// # Errors
/// In words, for another kind without a version.
pub fn version_of<'a>(kind: &str, given: Option<&'a str>) -> Result<&'a str, String> {
    given
        .or_else(|| usual(kind))
        .ok_or_else(|| format!("`api_version` is needed for the kind `{kind}`"))
}

/// The same while a step runs: what was checked when it was built does not fail here.
///
/// # Errors
/// As for [`version_of`].
pub fn checked_version_of<'a>(kind: &str, given: Option<&'a str>) -> Result<&'a str, StepError> {
    version_of(kind, given).map_err(|why| StepError::permanent("kube.api_version", why))
}

fn usual(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Pod"
        | "Service"
        | "ConfigMap"
        | "Secret"
        | "Namespace"
        | "Node"
        | "PersistentVolumeClaim"
        | "ServiceAccount" => "v1",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        _ => return None,
    })
}
