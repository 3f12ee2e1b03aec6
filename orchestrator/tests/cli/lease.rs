//! One flowctl at a time for a workflow on a cluster, whatever state it keeps its runs in.

use rustix::process::Signal;
use serde_json::json;

use crate::cluster::Cluster;
use crate::support::{Place, starts};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/flowctl-w-t";
const CONFIG_MAP: &str = "/api/v1/namespaces/default/configmaps/x";

/// The first step does not end unless the file `go` exists; the second writes to the cluster.
const WORKFLOW: &str = "steps:
  - id: first
    uses: shell
    with: {run: \"test -e go || exec sleep 60\"}
  - id: second
    uses: kube.delete
    needs: [first]
    with: {objects: [{api_version: v1, kind: ConfigMap, namespace: default, name: x}]}
";

fn place(cluster: &Cluster) -> Place {
    let place = Place::new();
    place.workflow("w", WORKFLOW);
    place.workflow("reads", "steps: [{id: a, uses: noop}]\n");
    place.write("kubeconfig", &cluster.kubeconfig());
    place.write(
        "targets/t.yaml",
        "apiVersion: flowctl/v1\nkind: Target\nmetadata: {name: t}\nkubernetes: {kubeconfig: kubeconfig, context: it, lease_namespace: ops}\n",
    );
    place
}

fn holder(cluster: &Cluster) -> String {
    cluster.at(LEASE).unwrap()["spec"]["holderIdentity"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_second_flowctl_is_told_who_the_first_is() {
    let cluster = Cluster::start();
    let (one, two) = (place(&cluster), place(&cluster));
    let running = one.start(&["run", "w"], starts("first"));
    let identity = holder(&cluster);
    assert!(
        identity.contains(&format!("/{}/w-", running.pid())),
        "{identity}"
    );
    let refused = two.run(&["run", "w"]);
    assert_eq!(
        (refused.code(), refused.stdout().as_str()),
        (5, ""),
        "{}",
        refused.transcript()
    );
    assert!(
        refused.stderr().contains(&identity) && refused.stderr().contains(" since "),
        "{}",
        refused.stderr()
    );
    assert_eq!(
        two.run(&["runs", "--output", "json"]).json(),
        json!([]),
        "no run was begun"
    );

    assert_eq!(two.run(&["run", "w", "--dry-run"]).code(), 0);
    assert_eq!(two.run(&["run", "reads", "--quiet"]).code(), 0);
    let leases = |cluster: &Cluster| {
        cluster
            .writes()
            .iter()
            .filter(|write| write.contains("leases") && !write.contains("flowctl-w-t"))
            .count()
    };
    assert_eq!(leases(&cluster), 0, "what only reads takes none");

    assert_eq!(one.run(&["cancel"]).code(), 0);
    assert_eq!(running.end(), 4);
    assert_eq!(cluster.at(LEASE), None, "it is given back");
    two.write("go", "");
    assert_eq!(two.run(&["run", "w", "--quiet"]).code(), 0);
}

#[test]
fn the_lease_of_a_killed_flowctl_of_this_machine_is_not_waited_for() {
    let cluster = Cluster::start();
    let place = place(&cluster);
    place.start(&["run", "w"], starts("first")).kill();
    assert!(cluster.at(LEASE).is_some());
    place.write("go", "");
    let resumed = place.run(&["resume", "--quiet"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert_eq!(cluster.at(LEASE), None);
}

#[test]
fn who_wakes_up_after_its_lease_writes_nothing_more_and_says_why() {
    let cluster = Cluster::start();
    let place = place(&cluster);
    cluster.put(CONFIG_MAP, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default", "uid": "u"}}));
    let running = place.start(&["run", "w"], starts("first"));
    running.signal(Signal::STOP);
    // Meanwhile another has taken the lease, which never runs out.
    let mut lease = cluster.at(LEASE).unwrap();
    lease["spec"]["holderIdentity"] = json!("elsewhere/9/w-other");
    lease["spec"]["renewTime"] = json!("2999-01-01T00:00:00.000000Z");
    cluster.put(LEASE, lease);
    let before = cluster.writes();
    running.signal(Signal::CONT);
    let (code, said) = running.end_with_stderr();
    assert_eq!(code, 5, "{said}");
    for part in [
        "held by elsewhere/9/w-other",
        "nothing more is written",
        "was left as it is",
    ] {
        assert!(said.contains(part), "lacks {part}: {said}");
    }
    assert_eq!(cluster.writes(), before);
    assert!(cluster.at(CONFIG_MAP).is_some());
    assert_eq!(place.status()["state"], "interrupted");
    assert_eq!(holder(&cluster), "elsewhere/9/w-other");
    assert_eq!(place.run(&["resume"]).code(), 5);
}

#[test]
fn a_cluster_that_is_not_there_yet_is_no_obstacle_until_something_is_written() {
    let cluster = Cluster::start();
    let place = place(&cluster);
    std::fs::remove_file(place.path().join("kubeconfig")).unwrap();
    place.write("go", "");
    let ran = place.run(&["run", "w"]);
    assert_eq!(ran.code(), 1, "{}", ran.transcript());
    assert!(
        ran.stderr().contains("is not taken yet"),
        "{}",
        ran.stderr()
    );
    assert_eq!(place.status()["steps"][0]["state"], "succeeded");
    place.write("kubeconfig", &cluster.kubeconfig());
    assert_eq!(place.run(&["resume", "--quiet"]).code(), 0);
}
