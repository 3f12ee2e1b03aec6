//! The nodes of the Trino cluster: the ready pods of the chart.

use serde_json::Value;

use crate::clients::kube::object;
use crate::testing::rehearsal::kube::exec;
use crate::testing::rehearsal::world::World;

/// A node.
#[derive(Debug, Clone)]
pub(in crate::testing::rehearsal) struct Node {
    pub(in crate::testing::rehearsal) id: String,
    pub(super) uri: String,
    pub(in crate::testing::rehearsal) coordinator: bool,
    pub(super) version: String,
    /// The arguments of its JVM.
    pub(super) arguments: String,
}

/// All nodes, the coordinator first.
pub(in crate::testing::rehearsal) fn all(world: &World) -> Vec<Node> {
    let mut nodes: Vec<Node> = ["coordinator", "worker"]
        .iter()
        .flat_map(|component| {
            world
                .cluster
                .of_kind("Pod", None)
                .filter(|pod| is(pod, component) && object::is_true(pod, "Ready"))
                .map(|pod| Node {
                    id: object::name(pod).to_owned(),
                    uri: format!("http://{}:8080", object::text(pod, "/status/podIP")),
                    coordinator: *component == "coordinator",
                    version: object::text(pod, "/spec/containers/0/image")
                        .rsplit_once(':')
                        .map_or("", |(_, tag)| tag)
                        .to_owned(),
                    arguments: exec::jvm_config(&world.cluster, pod).replace('\n', ", "),
                })
        })
        .collect();
    nodes.sort_by_key(|node| !node.coordinator);
    nodes
}

fn is(pod: &Value, component: &str) -> bool {
    let labels = &pod["metadata"]["labels"];
    labels["app.kubernetes.io/name"] == "trino"
        && labels["app.kubernetes.io/component"] == component
}

/// The coordinator's version, when there is one.
pub(super) fn version(world: &World) -> Option<String> {
    all(world)
        .into_iter()
        .find(|node| node.coordinator)
        .map(|node| node.version)
}

/// The catalogs of the release: those of its ConfigMap, and Trino's own.
pub(super) fn catalogs(world: &World) -> Vec<String> {
    let mut catalogs: Vec<String> = world
        .cluster
        .of_kind("ConfigMap", None)
        .filter(|map| {
            object::text(map, "/metadata/labels/app.kubernetes.io~1component") == "catalog"
        })
        .flat_map(|map| map["data"].as_object().into_iter().flatten())
        .filter_map(|(file, _)| file.strip_suffix(".properties").map(str::to_owned))
        .collect();
    catalogs.push("system".to_owned());
    catalogs.sort();
    catalogs
}
