//! What a cluster has before anybody deploys to it: nodes and namespaces; and on which node a pod is placed.

use serde_json::{Value, json};

use crate::clients::kube::object;

/// The nodes that the phase document names.
const NODES: [&str; 3] = ["k8s-1", "k8s-2", "k8s-3"];
const NAMESPACES: [&str; 6] = [
    "default",
    "kube-system",
    "flux-system",
    "data-platform",
    "monitoring",
    "storage",
];

pub(super) fn seed() -> Vec<Value> {
    let nodes = NODES.iter().map(|name| {
        let size = json!({"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "512Gi"});
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name}},
            "spec": {},
            "status": {"allocatable": size.clone(), "capacity": size,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
                "nodeInfo": {"kubeletVersion": "v1.37.2", "operatingSystem": "linux", "architecture": "amd64",
                    "osImage": "rehearsal", "kernelVersion": "rehearsal", "containerRuntimeVersion": "rehearsal"}}})
    });
    let namespaces = NAMESPACES.iter().map(|name| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {}, "status": {"phase": "Active"}})
    });
    let store = json!({"apiVersion": "ceph.rook.io/v1", "kind": "CephObjectStore", "metadata": {"name": "storage", "namespace": "storage"},
        "spec": {"gateway": {"instances": 1, "port": 80}}, "status": {"phase": "Ready"}});
    nodes.chain(namespaces).chain([store]).collect()
}

/// The node for the `nth` pod of a template; `None` when its affinity leaves none.
pub(super) fn place(spec: &Value, nth: usize) -> Option<&'static str> {
    const TERMS: &str =
        "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = object::list(spec, TERMS);
    let allowed: Vec<&str> = NODES
        .iter()
        .copied()
        .filter(|node| terms.is_empty() || terms.iter().any(|term| holds(term, node)))
        .collect();
    allowed.get(nth % allowed.len().max(1)).copied()
}

/// Whether a term lets a pod onto a node; only host names are understood, and anything else holds nowhere.
fn holds(term: &Value, node: &str) -> bool {
    object::list(term, "/matchExpressions")
        .iter()
        .all(|expression| {
            expression["key"] == "kubernetes.io/hostname"
                && expression["operator"] == "In"
                && object::list(expression, "/values")
                    .iter()
                    .any(|value| value == node)
        })
}
