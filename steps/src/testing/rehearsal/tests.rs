//! The doubles, held to the facts that the lab is held to as well, and to each other.

mod alerts;
mod settings;

use std::sync::Arc;

use flowctl_workflows::inject::{Inject, Protocol};
use serde_json::{Value, json};

use super::Rehearsal;
use crate::clients::kube::{ApplyMode, Kube, Selection, object};
use crate::clock::SystemClock;
use crate::testing::TestContext;
use crate::testing::facts::{self, Platform};

/// Doubles, and a context whose target leads to them. The directory holds the kubeconfig.
async fn platform() -> (Rehearsal, Platform, tempfile::TempDir) {
    let rehearsal = Rehearsal::start(Arc::new(SystemClock::new()), Inject::default())
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    std::fs::write(&kubeconfig, rehearsal.kubeconfig()).unwrap();
    let target = json!({"apiVersion": "flowctl/v1", "kind": "Target", "metadata": {"name": "doubles"},
        "kubernetes": {"context": "any"}, "trino": {"url": "http://any.invalid"}, "prometheus": {"url": "http://any.invalid"},
        "s3": {"url": "http://any.invalid", "access_key": {"secret": "A"}, "secret_key": {"secret": "B"}}});
    let target = serde_json::from_value(target).unwrap();
    let secrets = [("A", Rehearsal::secret("A")), ("B", Rehearsal::secret("B"))];
    let secrets: Vec<(&str, &str)> = secrets
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let test = TestContext::new("contract")
        .unwrap()
        .secrets(&secrets)
        .target(rehearsal.lead(target, kubeconfig.to_str().unwrap()));
    let platform = Platform {
        context: test.context,
        prometheus: rehearsal.address(Protocol::Prometheus).to_owned(),
        bucket: "lakehouse".to_owned(),
    };
    (rehearsal, platform, directory)
}

async fn apply(kube: &Kube, manifest: Value) -> Value {
    let resource = kube
        .resource(object::api_version(&manifest), object::kind(&manifest))
        .await
        .unwrap();
    let namespace = object::namespace(&manifest).map(str::to_owned);
    let name = object::name(&manifest).to_owned();
    kube.apply(
        &resource,
        namespace.as_deref(),
        &name,
        &manifest,
        ApplyMode::default(),
    )
    .await
    .unwrap()
}

/// A release of the chart, as phase 3 makes one.
async fn deploy(kube: &Kube, tag: &str, workers: u64) -> Value {
    let values = json!({"image": {"tag": tag}, "server": {"workers": workers}, "catalogs": {"iceberg": "connector.name=iceberg"}});
    release(kube, values).await
}

async fn release(kube: &Kube, values: Value) -> Value {
    let place = json!({"name": "trino", "namespace": "data-platform"});
    apply(
        kube,
        json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository", "metadata": place, "spec": {"url": "http://any.invalid"}}),
    )
    .await;
    let chart = json!({"spec": {"chart": "trino", "version": "1.42.2", "sourceRef": {"kind": "HelmRepository", "name": "trino"}}});
    apply(
        kube,
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": place, "spec": {"chart": chart, "values": values}}),
    )
    .await
}

#[tokio::test]
async fn the_doubles_hold_every_fact_of_the_contract() {
    let (_rehearsal, platform, _directory) = platform().await;
    deploy(&platform.context.clients.kube().await.unwrap(), "476", 2).await;
    let facts = facts::all();
    assert!(facts.len() > 25, "{} facts", facts.len());
    let mut broken = Vec::new();
    for fact in facts {
        if let Err(why) = (fact.ask)(&platform).await {
            broken.push(format!("{}: {why}", fact.name));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test]
async fn services_see_each_other_through_one_world() {
    let (_rehearsal, platform, _directory) = platform().await;
    let clients = &platform.context.clients;
    let kube = clients.kube().await.unwrap();
    let trino = clients.trino().await.unwrap();
    assert!(trino.info().await.is_err(), "there is no coordinator yet");

    let release = deploy(&kube, "476", 2).await;
    assert_eq!(release["status"]["history"][0]["version"], 1);
    assert_eq!(trino.info().await.unwrap().node_version.version, "476");
    let pods = |labels: &'static str| {
        let (kube, selection) = (kube.clone(), Selection::labelled("data-platform", labels));
        async move {
            let pods = kube
                .list(&crate::clients::kube::Resource::pods(), &selection)
                .await
                .unwrap();
            pods.iter()
                .map(|pod| object::name(pod).to_owned())
                .collect::<Vec<_>>()
        }
    };
    let workers = pods("app.kubernetes.io/component=worker").await;
    assert_eq!(workers.len(), 2);

    // Another version: a new revision, and other pods.
    let release = deploy(&kube, "368", 3).await;
    assert_eq!(release["status"]["history"][0]["version"], 2);
    assert_eq!(trino.info().await.unwrap().node_version.version, "368");
    let after = pods("app.kubernetes.io/component=worker").await;
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|pod| !workers.contains(pod)));

    let resource = kube
        .resource("helm.toolkit.fluxcd.io/v2", "HelmRelease")
        .await
        .unwrap();
    assert!(
        kube.delete(&resource, Some("data-platform"), "trino", None)
            .await
            .unwrap()
    );
    assert!(pods("app.kubernetes.io/name=trino").await.is_empty());
    assert!(
        trino.info().await.is_err(),
        "the coordinator has gone with the release"
    );
}

#[tokio::test]
async fn what_a_rehearsal_does_not_know_is_refused_by_name() {
    let (rehearsal, platform, _directory) = platform().await;
    let kube = platform.context.clients.kube().await.unwrap();
    deploy(&kube, "476", 1).await;
    let unknown = kube.resource("example.org/v1", "Thing").await.unwrap_err();
    assert_eq!(unknown.code, "kube.unknown_kind");

    let client = platform.context.clients.trino().await.unwrap();
    for sql in [
        "UPDATE t SET a = 1",
        "SELECT 1",
        "SHOW FUNCTIONS",
        "EXPLAIN SELECT 1",
    ] {
        let statement = crate::clients::trino::Statement::new(sql).unwrap();
        let options = crate::clients::trino::QueryOptions::default();
        let error = client
            .query(&platform.context, &statement, &options)
            .await
            .unwrap_err();
        assert!(
            error
                .message
                .contains("the rehearsal does not know this statement"),
            "{sql}: {error}"
        );
    }
    let address = rehearsal.address(Protocol::Prometheus);
    let answer = reqwest::get(format!("{address}/api/v1/query?query=rate(up[5m])"))
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("the rehearsal does not know")
    );
}
