use flowctl_workflows::result::ErrorClass;

use super::*;
use crate::clients::kube::fake::{FakeServer, refusal};
use crate::testing::TestContext;

const PATH: &str = "/api/v1/namespaces/shop/configmaps/catalog";

fn catalog() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "catalog", "namespace": "shop", "uid": "u1", "resourceVersion": "5"},
        "data": {"hive.properties": "pushdown=false", "iceberg.properties": "x"}})
}

fn with(more: Value) -> Value {
    let mut with = json!({"kind": "ConfigMap", "namespace": "shop", "name": "catalog",
        "patch": {"data": {"hive.properties": "pushdown=true", "new.properties": "y"}}});
    with.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    with
}

fn step(more: Value) -> Box<dyn Step> {
    KubePatch::build(serde_json::from_value(with(more)).unwrap()).unwrap()
}

fn context(server: &FakeServer) -> TestContext {
    TestContext::new("patch").unwrap().cluster(server.kube())
}

/// The object without what the server writes.
fn content(server: &FakeServer) -> Value {
    object::restorable(&server.at(PATH).unwrap())
}

#[tokio::test(start_paused = true)]
async fn fields_are_changed_and_put_back_whatever_the_type() {
    let operations = json!([
        {"op": "replace", "path": "/data/hive.properties", "value": "pushdown=true"},
        {"op": "add", "path": "/data/new.properties", "value": "y"},
    ]);
    for more in [
        json!({}),
        json!({"type": "strategic", "field_manager": "tuning"}),
        json!({"type": "json", "patch": operations}),
    ] {
        let server = FakeServer::with(vec![catalog()]);
        let test = context(&server);
        let output = step(more.clone()).run(&test.context).await.unwrap();
        assert_eq!(
            output.value["changed"],
            json!(["/data/hive.properties", "/data/new.properties"])
        );
        assert_eq!(content(&server)["data"]["hive.properties"], "pushdown=true");
        let write = server
            .calls()
            .into_iter()
            .rfind(|call| call.method == "PATCH")
            .unwrap();
        assert!(
            write.query.contains("fieldValidation=Strict"),
            "{}",
            write.query
        );
        let manager = more["field_manager"].as_str().unwrap_or("flowctl");
        assert!(
            write.query.contains(&format!("fieldManager={manager}")),
            "{}",
            write.query
        );
        let undone = step(more).undo(&test.resumed().context).await.unwrap();
        let Undone::Restored(what) = undone else {
            panic!("{undone:?}");
        };
        assert!(
            what.ends_with("/data/hive.properties, /data/new.properties as before"),
            "{what}"
        );
        assert_eq!(content(&server), object::restorable(&catalog()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_original_is_written_down_before_the_write() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    let sink = std::sync::Arc::clone(&test.sink);
    let server = server.hook(move |call, _| {
        let writes = call.method == "PATCH" && !call.query.contains("dryRun");
        (writes && sink.checkpoints().is_empty()).then(|| refusal(500, "InternalError", "too soon"))
    });
    step(json!({})).run(&test.context).await.unwrap();
    let handle = &test.sink.checkpoints()[0];
    assert_eq!(handle["original"], object::restorable(&catalog()));
    assert_eq!(test.sink.checkpoints().len(), 1);
    assert_eq!(server.writes().len(), 2, "asked, then written");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_around_the_write_leaves_an_undo() {
    // Before the write, and after it.
    for written in [false, true] {
        let server = FakeServer::with(vec![catalog()]);
        let test = context(&server);
        step(json!({})).run(&test.context).await.unwrap();
        if !written {
            server.put(catalog());
        }
        let later = test.resumed();
        let output = step(json!({})).run(&later.context).await.unwrap();
        assert_eq!(output.value["changed"].as_array().unwrap().len(), 2);
        assert_eq!(content(&server)["data"]["new.properties"], "y");
        step(json!({}))
            .undo(&later.resumed().context)
            .await
            .unwrap();
        assert_eq!(content(&server), object::restorable(&catalog()));
    }
}

/// A second attempt would take what the first one made for the original.
#[tokio::test(start_paused = true)]
async fn the_next_attempt_knows_the_original_of_the_last() {
    let server = FakeServer::with(vec![catalog()]);
    let first = context(&server);
    step(json!({})).run(&first.context).await.unwrap();
    let mut second = context(&server);
    second.context.attempt.attempt = 2;
    second.context.left = first.sink.checkpoints().last().cloned();
    step(json!({})).run(&second.context).await.unwrap();
    step(json!({}))
        .undo(&second.resumed().context)
        .await
        .unwrap();
    assert_eq!(content(&server), object::restorable(&catalog()));
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_changed_is_shown_and_not_overwritten() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    step(json!({})).run(&test.context).await.unwrap();
    let mut theirs = server.at(PATH).unwrap();
    theirs["data"]["hive.properties"] = json!("theirs");
    server.put(theirs.clone());
    let error = step(json!({}))
        .undo(&test.resumed().context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.conflict")
    );
    assert!(
        error
            .message
            .contains("/data/hive.properties is \"theirs\""),
        "{error}"
    );
    assert_eq!(server.at(PATH).unwrap(), theirs);
}

#[tokio::test(start_paused = true)]
async fn other_fields_stay_as_others_made_them() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    step(json!({})).run(&test.context).await.unwrap();
    let mut theirs = server.at(PATH).unwrap();
    theirs["data"]["iceberg.properties"] = json!("theirs");
    server.put(theirs);
    let undone = step(json!({})).undo(&test.resumed().context).await.unwrap();
    assert!(
        matches!(&undone, Undone::Restored(what) if what.contains("left so: /data/iceberg.properties")),
        "{undone:?}"
    );
    assert_eq!(content(&server)["data"]["iceberg.properties"], "theirs");
    assert_eq!(
        content(&server)["data"]["hive.properties"],
        "pushdown=false"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_in_between_is_looked_at_again() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    step(json!({})).run(&test.context).await.unwrap();
    let mut touched = 0;
    let server = server.hook(move |call, objects| {
        if call.method == "PATCH" && touched < 2 {
            touched += 1;
            let live = objects.get_mut(PATH).unwrap();
            live["metadata"]["resourceVersion"] = json!(format!("touched-{touched}"));
        }
        None
    });
    step(json!({})).undo(&test.resumed().context).await.unwrap();
    assert_eq!(content(&server), object::restorable(&catalog()));
    // And one that never ends is an error that may be tried again.
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    step(json!({})).run(&test.context).await.unwrap();
    let server = server
        .hook(|call, _| (call.method == "PATCH").then(|| refusal(409, "Conflict", "modified")));
    let error = step(json!({}))
        .undo(&test.resumed().context)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_needs_no_undo_and_another_object_of_its_name_none_either() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    step(json!({})).run(&test.context).await.unwrap();
    let mut other = catalog();
    other["metadata"]["uid"] = json!("u2");
    server.put(other);
    step(json!({})).undo(&test.resumed().context).await.unwrap();
    server.remove(PATH);
    let gone = step(json!({})).undo(&test.resumed().context).await.unwrap();
    assert!(
        matches!(&gone, Undone::Restored(what) if what.contains("is gone")),
        "{gone:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_what_is_so_already_changes_nothing() {
    let server = FakeServer::with(vec![catalog()]);
    let test = context(&server);
    let same = json!({"patch": {"data": {"hive.properties": "pushdown=false"}}});
    let output = step(same).run(&test.context).await.unwrap();
    assert_eq!(output.value["changed"], json!([]));
    let writes = server
        .calls()
        .into_iter()
        .filter(|call| call.method == "PATCH");
    assert!(
        writes
            .into_iter()
            .all(|call| call.query.contains("dryRun=All"))
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    for (more, expected) in [
        (json!({"kind": "Secret"}), "former values"),
        (json!({"kind": "Unheard"}), "`api_version` is needed"),
        (json!({"patch": {}}), "not empty"),
        (
            json!({"patch": [{"op": "remove", "path": "/data/x"}]}),
            "is an object",
        ),
        (json!({"type": "json"}), "a list"),
        (json!({"field_manager": "a&b"}), "field_manager"),
    ] {
        let params = serde_json::from_value(with(more)).unwrap();
        let error = KubePatch::build(params).err().unwrap_or_default();
        assert!(error.contains(expected), "{error:?}");
    }
}

/// What was foreseen holds for the version that was looked at, and for no other.
#[tokio::test(start_paused = true)]
async fn a_write_onto_another_version_than_the_one_looked_at_is_refused() {
    let operation =
        json!([{"op": "replace", "path": "/data/hive.properties", "value": "pushdown=true"}]);
    for more in [
        json!({}),
        json!({"type": "strategic"}),
        json!({"type": "json", "patch": operation}),
    ] {
        let server = FakeServer::with(vec![catalog()]).hook(|call, objects| {
            if call.method == "PATCH" && !call.query.contains("dryRun") {
                let live = objects.get_mut(PATH).unwrap();
                live["metadata"]["resourceVersion"] = json!("6");
                live["data"]["hive.properties"] = json!("theirs");
            }
            None
        });
        let test = context(&server);
        let error = step(more.clone()).run(&test.context).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Transient, "kube.changed_meanwhile"),
            "{more}"
        );
        assert_eq!(content(&server)["data"]["hive.properties"], "theirs");
        // Nothing was written, so the next attempt takes what is there now for the original.
        let server = FakeServer::with(vec![server.at(PATH).unwrap()]);
        let mut next = context(&server);
        next.context.left = test.sink.checkpoints().last().cloned();
        let written = step(more.clone()).run(&next.context).await.unwrap();
        assert!(!written.value["changed"].as_array().unwrap().is_empty());
        step(more).undo(&next.resumed().context).await.unwrap();
        assert_eq!(content(&server)["data"]["hive.properties"], "theirs");
    }
}

const RELEASE: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/shop/helmreleases/trino";

/// A release whose controller looks at a change only when it was asked about it a few times.
fn slow_release() -> FakeServer {
    let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "trino", "namespace": "shop", "uid": "u2", "resourceVersion": "5", "generation": 1},
        "spec": {"values": {"heap": "1G"}},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}});
    let (mut generation, mut looks) = (1, 0);
    FakeServer::with(vec![release]).hook(move |call, objects| {
        let release = objects.get_mut(RELEASE)?;
        if call.method == "PATCH" && !call.query.contains("dryRun") {
            generation += 1;
            looks = 0;
            release["metadata"]["generation"] = json!(generation);
        }
        if call.method == "GET" && call.path == RELEASE {
            looks += 1;
            if looks == 8 {
                release["status"]["observedGeneration"] = json!(generation);
            }
        }
        None
    })
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_what_follows_both_ways() {
    let step = |more: Value| {
        let mut with = json!({"kind": "HelmRelease", "api_version": "helm.toolkit.fluxcd.io/v2", "namespace": "shop", "name": "trino",
            "patch": {"spec": {"values": {"heap": "2G", "spill": true}}}});
        with.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        KubePatch::build(serde_json::from_value(with).unwrap()).unwrap()
    };
    let observed = |server: &FakeServer| {
        let release = server.at(RELEASE).unwrap();
        let of = |pointer: &str| release.pointer(pointer).unwrap().as_i64().unwrap();
        (of("/metadata/generation"), of("/status/observedGeneration"))
    };
    let server = slow_release();
    let test = context(&server);
    let patient = json!({"settles_within": "1m"});
    step(patient.clone()).run(&test.context).await.unwrap();
    assert_eq!(observed(&server), (2, 2));
    step(patient).undo(&test.resumed().context).await.unwrap();
    assert_eq!(observed(&server), (3, 3));

    let server = slow_release();
    let test = context(&server);
    let late = step(json!({"settles_within": "1s"}));
    let error = late.run(&test.context).await.unwrap_err();
    assert_eq!(error.code, "kube.not_ready");
    // The fields are back, but it is not: the next try goes on waiting.
    assert!(late.undo(&test.resumed().context).await.is_err());
    assert!(late.undo(&test.resumed().context).await.is_ok());
    assert_eq!(observed(&server), (3, 3));
}
