//! What the cluster's controllers make of its objects. They are done at once: a Deployment's pods run and are ready as
//! soon as it is written, a HelmRelease is deployed as soon as it is applied. Faults come from the file of faults.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cluster::{Cluster, path_of};
use super::{flux, nodes};
use crate::clients::kube::object;

/// Brings everything to where its controllers would.
pub(super) fn settle(cluster: &mut Cluster) {
    flux::settle(cluster);
    let deployments: Vec<Value> = cluster.of_kind("Deployment", None).cloned().collect();
    for deployment in deployments {
        roll_out(cluster, &deployment);
    }
}

/// What an object leaves behind that its controller takes away.
pub(super) fn after_delete(cluster: &mut Cluster, gone: &Value) {
    if object::kind(gone) == "HelmRelease" {
        flux::uninstall(cluster, gone);
    }
}

/// The pods of a Deployment: those of its template, and no others.
fn roll_out(cluster: &mut Cluster, deployment: &Value) {
    let Some(path) = path_of(deployment) else {
        return;
    };
    let template = &deployment["spec"]["template"];
    let hash = short_hash(&template.to_string());
    let wanted = usize::try_from(object::number(deployment, "/spec/replicas").unwrap_or(1))
        .unwrap_or_default();
    let uid = object::uid(deployment).to_owned();
    let namespace = object::namespace(deployment).unwrap_or_default().to_owned();
    let own: Vec<Value> = cluster
        .of_kind("Pod", Some(&namespace))
        .filter(|pod| {
            object::list(pod, "/metadata/ownerReferences")
                .iter()
                .any(|owner| owner["uid"] == uid.as_str())
        })
        .cloned()
        .collect();
    let names: Vec<String> = (0..wanted)
        .map(|nth| {
            let suffix = short_hash(&format!("{uid}/{hash}/{nth}"));
            format!("{}-{hash}-{}", object::name(deployment), &suffix[..5])
        })
        .collect();
    // Those of an older template have other names, and so have those that are too many.
    let (mut current, surplus): (Vec<Value>, Vec<Value>) = own
        .into_iter()
        .partition(|pod| names.iter().any(|name| object::name(pod) == name));
    for pod in &surplus {
        if let Some(path) = path_of(pod) {
            cluster.forget(&path);
        }
    }
    for (nth, name) in names.iter().enumerate() {
        if current.iter().any(|pod| object::name(pod) == name) {
            continue;
        }
        let now = cluster.clock.now().to_string();
        let pod = cluster.keep(pod(deployment, name, &hash, nth, &now));
        current.push(pod);
    }
    let ready = current
        .iter()
        .filter(|pod| object::is_true(pod, "Ready"))
        .count();
    let generation = object::number(deployment, "/metadata/generation").unwrap_or(1);
    let available = if ready >= wanted { "True" } else { "False" };
    cluster.set_status(
        &path,
        json!({"observedGeneration": generation, "replicas": wanted, "updatedReplicas": current.len(), "readyReplicas": ready,
            "availableReplicas": ready, "unavailableReplicas": wanted.saturating_sub(ready),
            "conditions": [
                {"type": "Available", "status": available, "reason": "MinimumReplicasAvailable", "message": ""},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""}]}),
    );
}

fn pod(deployment: &Value, name: &str, hash: &str, nth: usize, now: &str) -> Value {
    let template = &deployment["spec"]["template"];
    let mut labels = template["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!(hash);
    let mut spec = template["spec"].clone();
    let node = nodes::place(&spec, nth);
    spec["nodeName"] = json!(node);
    let containers = object::list(&spec, "/containers");
    let statuses: Vec<Value> = containers
        .iter()
        .map(|container| {
            let image = object::text(container, "/image");
            json!({"name": container["name"], "image": image, "imageID": format!("sha256:{}", hex(&Sha256::digest(image))),
                "restartCount": 0, "ready": true, "started": true, "state": {"running": {"startedAt": now}}})
        })
        .collect();
    let status = match node {
        Some(_) => {
            json!({"phase": "Running", "startTime": now, "podIP": address(name),
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"},
                {"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "True", "lastTransitionTime": now}],
            "containerStatuses": statuses})
        }
        None => {
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector"}]})
        }
    };
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": deployment["metadata"]["namespace"], "labels": labels,
            "annotations": template["metadata"]["annotations"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": object::name(deployment),
                "uid": object::uid(deployment), "controller": true}]},
        "spec": spec, "status": status})
}

/// An address of the pods' network that belongs to a pod's name.
fn address(name: &str) -> String {
    let digest = Sha256::digest(name);
    format!("10.244.{}.{}", digest[0], digest[1])
}

/// Ten letters that belong to a text.
fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text))[..10].to_owned()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
