//! The nodes of the Trino cluster: the ready pods of the chart, now and at an earlier moment, with the memory that each
//! has for queries.

use jiff::Timestamp;
use serde_json::Value;

use super::units;
use crate::clients::kube::object;
use crate::testing::rehearsal::kube::files;
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
    /// When it was started.
    pub(in crate::testing::rehearsal) since: Timestamp,
    /// Its memory for queries, in bytes.
    pub(in crate::testing::rehearsal) pool: u64,
}

/// All nodes, the coordinator first.
pub(in crate::testing::rehearsal) fn all(world: &World) -> Vec<Node> {
    let pods = world.cluster.of_kind("Pod", None);
    nodes_of(world, pods.filter(|pod| object::is_true(pod, "Ready")))
}

/// All nodes that there were at a moment.
pub(in crate::testing::rehearsal) fn at(world: &World, at: Timestamp) -> Vec<Node> {
    let pods = world.cluster.of_kind("Pod", None);
    let gone = world.cluster.gone.iter();
    let gone = gone.filter(|(_, when)| at < *when).map(|(pod, _)| pod);
    let there = pods.filter(|pod| object::is_true(pod, "Ready")).chain(gone);
    nodes_of(world, there.filter(|pod| started(pod) <= at))
}

fn nodes_of<'a>(world: &World, pods: impl Iterator<Item = &'a Value>) -> Vec<Node> {
    let mut nodes: Vec<Node> = pods.filter_map(|pod| node(world, pod)).collect();
    nodes.sort_by(|a, b| (b.coordinator, &a.id).cmp(&(a.coordinator, &b.id)));
    nodes
}

fn node(world: &World, pod: &Value) -> Option<Node> {
    let labels = &pod["metadata"]["labels"];
    let component = labels["app.kubernetes.io/component"].as_str()?;
    let is_node = ["coordinator", "worker"].contains(&component)
        && labels["app.kubernetes.io/name"] == "trino";
    let arguments = files::configured(&world.cluster, pod, "jvm.config");
    let config = files::configured(&world.cluster, pod, "config.properties");
    is_node.then(|| Node {
        id: object::name(pod).to_owned(),
        uri: format!("http://{}:8080", object::text(pod, "/status/podIP")),
        coordinator: component == "coordinator",
        version: object::text(pod, "/spec/containers/0/image")
            .rsplit_once(':')
            .map_or("", |(_, tag)| tag)
            .to_owned(),
        pool: pool(&arguments, &config),
        arguments: arguments.replace('\n', ", "),
        since: started(pod),
    })
}

fn started(pod: &Value) -> Timestamp {
    let text = object::text(pod, "/status/startTime");
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The heap without its headroom, which is three tenths of it where nothing is said.
fn pool(arguments: &str, config: &str) -> u64 {
    let heap = arguments.lines().find_map(|line| line.strip_prefix("-Xmx"));
    let heap = heap.and_then(units::bytes).unwrap_or_default();
    let settings = files::properties(config);
    let headroom = settings
        .iter()
        .find(|(name, _)| name == "memory.heap-headroom-per-node")
        .and_then(|(_, value)| units::bytes(value))
        .unwrap_or(heap / 10 * 3);
    heap.saturating_sub(headroom)
}

/// The coordinator's version, when there is one.
pub(super) fn version(world: &World) -> Option<String> {
    let first = all(world).into_iter().find(|node| node.coordinator);
    first.map(|node| node.version)
}

/// A file of the coordinator's configuration, or nothing.
pub(super) fn configured(world: &World, name: &str) -> String {
    let coordinator = all(world).into_iter().find(|node| node.coordinator);
    let mut pods = world.cluster.of_kind("Pod", None);
    let pod = coordinator.and_then(|node| pods.find(|pod| object::name(pod) == node.id));
    pod.map_or_else(String::new, |pod| {
        files::configured(&world.cluster, pod, name)
    })
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
