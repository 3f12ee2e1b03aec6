//! Flux: repositories are ready, releases are deployed as Helm would record them. It knows one chart, [`super::chart`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chart;
use super::cluster::{Cluster, path_of};
use super::controllers::hex;
use crate::clients::kube::object;

/// What Flux is asked with.
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";

pub(super) fn settle(cluster: &mut Cluster) {
    let repositories: Vec<Value> = cluster.of_kind("HelmRepository", None).cloned().collect();
    for repository in repositories {
        let generation = object::number(&repository, "/metadata/generation").unwrap_or(1);
        if let Some(path) = path_of(&repository) {
            cluster.set_status(
                &path,
                json!({"observedGeneration": generation, "conditions": [ready(generation, "True", "Succeeded", "stored artifact")]}),
            );
        }
    }
    let releases: Vec<Value> = cluster.of_kind("HelmRelease", None).cloned().collect();
    for release in releases {
        reconcile(cluster, &release);
    }
}

fn reconcile(cluster: &mut Cluster, release: &Value) {
    let Some(path) = path_of(release) else { return };
    if release["spec"]["suspend"] == true {
        return;
    }
    let annotation = |name: &str| release["metadata"]["annotations"][name].clone();
    let generation = object::number(release, "/metadata/generation").unwrap_or(1);
    let handled = release["status"]["lastHandledReconcileAt"] == annotation(REQUESTED_AT);
    if handled && object::number(release, "/status/observedGeneration") == Some(generation) {
        return;
    }
    let mut status = match deploy(cluster, release, generation) {
        Ok(status) => status,
        Err(why) => json!({
            "conditions": [ready(generation, "False", "ArtifactFailed", &why),
                {"type": "Stalled", "status": "True", "reason": "ArtifactFailed", "message": why, "observedGeneration": generation}],
            "history": release["status"]["history"]}),
    };
    status["observedGeneration"] = json!(generation);
    status["lastHandledReconcileAt"] = annotation(REQUESTED_AT);
    status["lastHandledResetAt"] = annotation(RESET_AT);
    status["storageNamespace"] = json!(object::namespace(release));
    cluster.set_status(&path, status);
}

/// Renders the chart, and records the release as Helm does.
fn deploy(cluster: &mut Cluster, release: &Value, generation: i64) -> Result<Value, String> {
    let namespace = object::namespace(release).unwrap_or_default().to_owned();
    let spec = &release["spec"]["chart"]["spec"];
    let (name, version) = (object::text(spec, "/chart"), object::text(spec, "/version"));
    let source = object::text(spec, "/sourceRef/name");
    let from = spec["sourceRef"]["namespace"]
        .as_str()
        .unwrap_or(&namespace);
    let known = cluster
        .of_kind("HelmRepository", Some(from))
        .any(|repository| object::name(repository) == source);
    if !known {
        return Err(format!(
            "there is no HelmRepository `{source}` in namespace `{from}`"
        ));
    }
    let instance = match object::text(release, "/spec/releaseName") {
        "" => object::name(release),
        name => name,
    };
    let values = match &release["spec"]["values"] {
        Value::Null => json!({}),
        values => values.clone(),
    };
    let objects = chart::render(name, instance, &namespace, &values)?;
    let digest = format!("sha256:{}", hex(&Sha256::digest(values.to_string())));
    let newest = &release["status"]["history"][0];
    let former = object::number(newest, "/version").unwrap_or(0);
    let same = newest["configDigest"] == digest.as_str() && newest["chartVersion"] == version;
    let revision = if same { former } else { former + 1 };
    for object in &objects {
        cluster.keep(object.clone());
    }
    let manifest: String = objects
        .iter()
        .map(|object| format!("---\n{object}\n"))
        .collect();
    let record = json!({"name": instance, "namespace": namespace, "version": revision, "config": values,
        "info": {"status": "deployed"}, "manifest": manifest,
        "chart": {"metadata": {"name": name, "version": version, "dependencies": []},
            "templates": [{"name": "templates/all.yaml", "data": STANDARD.encode(chart::TEMPLATE)}]}});
    let zipped = zip(&record.to_string())?;
    cluster.keep(json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": format!("sh.helm.release.v1.{instance}.v{revision}"), "namespace": namespace,
            "labels": {"owner": "helm", "name": instance, "status": "deployed", "version": revision.to_string()}},
        "data": {"release": STANDARD.encode(STANDARD.encode(zipped))}}));
    let entry = json!({"name": instance, "namespace": namespace, "version": revision, "status": "deployed", "chartName": name,
        "chartVersion": version, "appVersion": values["image"]["tag"], "configDigest": digest,
        "digest": format!("sha256:{}", hex(&Sha256::digest(&manifest)))});
    let mut history = vec![entry];
    let older = object::list(release, "/status/history").iter();
    history.extend(
        older
            .filter(|entry| object::number(entry, "/version") != Some(revision))
            .take(4)
            .cloned(),
    );
    let words = format!(
        "Helm install succeeded for release {namespace}/{instance}.v{revision} with chart {name}@{version}"
    );
    Ok(
        json!({"history": history, "lastAttemptedConfigDigest": digest, "lastAttemptedGeneration": generation,
        "lastAttemptedReleaseAction": if revision > 1 { "upgrade" } else { "install" }, "lastAttemptedRevision": version,
        "conditions": [ready(generation, "True", "InstallSucceeded", &words),
            {"type": "Released", "status": "True", "reason": "InstallSucceeded", "message": words, "observedGeneration": generation}]}),
    )
}

/// Takes away what a release made.
pub(super) fn uninstall(cluster: &mut Cluster, release: &Value) {
    let namespace = object::namespace(release).unwrap_or_default().to_owned();
    let instance = match object::text(release, "/spec/releaseName") {
        "" => object::name(release).to_owned(),
        name => name.to_owned(),
    };
    let made: Vec<String> = ["Deployment", "ConfigMap", "Service", "Secret"]
        .iter()
        .flat_map(|kind| cluster.of_kind(kind, Some(&namespace)))
        .filter(|object| {
            let labels = &object["metadata"]["labels"];
            labels[chart::INSTANCE] == instance.as_str()
                || (labels["owner"] == "helm" && labels["name"] == instance.as_str())
        })
        .filter_map(path_of)
        .collect();
    for path in made {
        cluster.forget(&path);
    }
}

fn ready(generation: i64, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation})
}

fn zip(text: &str) -> Result<Vec<u8>, String> {
    use std::io::Write as _;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(text.as_bytes())
        .and_then(|()| zip.finish())
        .map_err(|error| error.to_string())
}
