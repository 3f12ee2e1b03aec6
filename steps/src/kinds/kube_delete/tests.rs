use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::TestContext;

fn step(with: Value) -> Box<dyn Step> {
    KubeDelete::build(serde_json::from_value(with).unwrap()).unwrap()
}

fn by_labels() -> Value {
    json!({"namespace": "shop", "within": "10s", "objects": [{"kind": "Pod", "selector": "app=web"}, {"kind": "Secret", "name": "s"}]})
}

#[tokio::test(start_paused = true)]
async fn what_matches_goes_and_what_is_not_there_is_gone_already() {
    let server = FakeServer::with(vec![
        pod("shop", "a", json!({"app": "web"}), true),
        pod("shop", "b", json!({"app": "other"}), true),
    ]);
    let test = TestContext::new("delete").unwrap().cluster(server.kube());
    let output = step(by_labels()).run(&test.context).await.unwrap();
    assert_eq!(
        output.value,
        json!({"deleted": ["Pod shop/a"], "absent": ["Secret s"]})
    );
    assert!(server.at("/api/v1/namespaces/shop/pods/b").is_some());
    let again = step(by_labels())
        .run(&test.resumed().context)
        .await
        .unwrap();
    assert_eq!(again.value["deleted"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_is_named_with_what_holds_it() {
    let mut held = pod("shop", "a", json!({"app": "web"}), true);
    held["metadata"]["finalizers"] = json!(["example.io/keep"]);
    let server = FakeServer::with(vec![held])
        .hook(|call, _| (call.method == "DELETE").then(|| (200, json!({}))));
    let test = TestContext::new("delete").unwrap().cluster(server.kube());
    let error = step(by_labels()).run(&test.context).await.unwrap_err();
    assert_eq!(error.code, "kube.not_gone");
    assert!(
        error
            .message
            .contains("Pod shop/a (held by example.io/keep)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn files_are_deleted_in_the_opposite_order() {
    let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let mut config = object("ConfigMap", "c");
    config["metadata"]["namespace"] = json!("shop");
    let server = FakeServer::with(vec![object("Namespace", "shop"), config]);
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n";
    let test = TestContext::new("delete")
        .unwrap()
        .cluster(server.kube())
        .files(&[("m.yaml", text)]);
    step(json!({"files": ["m.yaml"]}))
        .run(&test.context)
        .await
        .unwrap();
    assert_eq!(
        server.writes(),
        [
            "DELETE /api/v1/namespaces/shop/configmaps/c",
            "DELETE /api/v1/namespaces/shop"
        ]
    );
}

#[test]
fn a_target_that_would_take_everything_is_refused() {
    for target in [
        json!({"kind": "Pod"}),
        json!({"kind": "Pod", "selector": ""}),
        json!({"kind": "Pod", "name": "a", "selector": "b=c"}),
        json!({"kind": "Thing", "name": "a"}),
    ] {
        let with = json!({"namespace": "shop", "objects": [target]});
        assert!(
            KubeDelete::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}
