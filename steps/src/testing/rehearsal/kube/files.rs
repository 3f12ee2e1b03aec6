//! What a container finds on its disk: the files that its pod's volumes hold, and the file system that it writes to.

use serde_json::Value;

use super::cluster::Cluster;
use crate::clients::kube::{object, quantity};

/// What the system, the images and the logs take of a node's disk.
const TAKEN: f64 = 32.0 * 1_073_741_824.0;

/// A file that a ConfigMap brings into a pod, or nothing.
pub(in crate::testing::rehearsal) fn configured(
    cluster: &Cluster,
    pod: &Value,
    name: &str,
) -> String {
    let namespace = object::namespace(pod);
    object::list(pod, "/spec/volumes")
        .iter()
        .filter_map(|volume| volume["configMap"]["name"].as_str())
        .filter_map(|map| {
            cluster
                .of_kind("ConfigMap", namespace)
                .find(|object| object::name(object) == map)
        })
        .find_map(|map| map["data"][name].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// The properties of a configuration file, each with its value, in their order.
pub(in crate::testing::rehearsal) fn properties(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// What `df -P -k` says of a directory in a container; `None` when there is none. Everything that is written outside of a
/// volume goes to the disk of the pod's node. The directories are those of any image, and the one that Trino makes to
/// spill into.
pub(super) fn disk_free(cluster: &Cluster, pod: &Value, directory: &str) -> Option<String> {
    let settings = properties(&configured(cluster, pod, "config.properties"));
    let spills = settings
        .iter()
        .any(|(name, value)| name == "spiller-spill-path" && value == directory);
    if !spills && !["/", "/tmp", "/var", "/etc"].contains(&directory) {
        return None;
    }
    let on = object::text(pod, "/spec/nodeName");
    let node = cluster
        .of_kind("Node", None)
        .find(|node| object::name(node) == on)?;
    let size = quantity::parse(object::text(node, "/status/capacity/ephemeral-storage"))?;
    let kibibytes = |bytes: f64| (bytes / 1024.0) as u64;
    let (all, used) = (kibibytes(size), kibibytes(TAKEN));
    Some(format!(
        "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay {all} {used} {} {}% /\n",
        all.saturating_sub(used),
        used * 100 / all.max(1)
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_directory_has_the_room_of_its_node_and_one_that_is_not_there_has_none() {
        let cluster = Cluster::seeded(Arc::new(SystemClock::new()));
        let pod = json!({"metadata": {"namespace": "default"}, "spec": {"nodeName": "k8s-2"}});
        let table = disk_free(&cluster, &pod, "/tmp").unwrap();
        let free: Option<u64> = table
            .split_whitespace()
            .rev()
            .nth(2)
            .and_then(|free| free.parse().ok());
        assert_eq!(free, Some(480 << 20));
        assert_eq!(disk_free(&cluster, &pod, "/tmp/spill"), None);
        let nowhere = json!({"metadata": {"namespace": "default"}, "spec": {}});
        assert_eq!(disk_free(&cluster, &nowhere, "/tmp"), None);
    }

    #[test]
    fn a_comment_is_no_property() {
        let text = "# a=1\n b = 2 \n\nc=d=e\nno";
        let pairs = [("b", "2"), ("c", "d=e")];
        assert_eq!(
            properties(text),
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
