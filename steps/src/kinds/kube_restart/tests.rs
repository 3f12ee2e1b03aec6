use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::TestContext;

const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}})
}

/// A server whose controller replaces the old pod some looks after the template was marked.
fn server() -> FakeServer {
    let mut looks = 0;
    FakeServer::with(vec![
        deployment(),
        pod("shop", "web-old", json!({"app": "web"}), true),
    ])
    .hook(move |call, objects| {
        let attempt = mark(&objects[PATH]["spec"]["template"]).to_owned();
        if !attempt.is_empty() && call.path.ends_with("/pods") {
            looks += 1;
            if looks == 3 {
                let mut new = pod("shop", "web-new", json!({"app": "web"}), true);
                new["metadata"]["annotations"] = json!({RESTARTED_BY: attempt});
                objects.insert("/api/v1/namespaces/shop/pods/web-new".into(), new);
            }
            if looks == 5 {
                objects.remove("/api/v1/namespaces/shop/pods/web-old");
            }
        }
        None
    })
}

fn step() -> Box<dyn Step> {
    KubeRestart::build(
        serde_json::from_value(json!({"namespace": "shop", "name": "web", "within": "1m"}))
            .unwrap(),
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_ends_only_when_every_pod_is_a_new_one() {
    let server = server();
    let output = step()
        .run(
            &TestContext::new("restart")
                .unwrap()
                .cluster(server.kube())
                .context,
        )
        .await
        .unwrap();
    let names: Vec<&str> = output.value["pods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["web-new"],
        "the status alone said that the old pod was the new version"
    );
}

#[tokio::test(start_paused = true)]
async fn a_resumed_attempt_follows_its_own_restart_and_a_new_attempt_restarts_again() {
    let server = server();
    let test = TestContext::new("restart").unwrap().cluster(server.kube());
    step().run(&test.context).await.unwrap();
    step().run(&test.resumed().context).await.unwrap();
    assert_eq!(server.writes(), [format!("PATCH {PATH}")]);
    let mut second = test.resumed();
    second.context.attempt.attempt = 2;
    assert_eq!(
        step().run(&second.context).await.unwrap_err().code,
        "kube.not_ready"
    );
    assert_eq!(server.writes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_pods_or_is_not_there_is_an_error() {
    let mut empty = deployment();
    empty["spec"]["replicas"] = json!(0);
    for (objects, code) in [
        (vec![empty], "kube.no_replicas"),
        (vec![], "kube.not_found"),
    ] {
        let server = FakeServer::with(objects);
        let error = step()
            .run(
                &TestContext::new("restart")
                    .unwrap()
                    .cluster(server.kube())
                    .context,
            )
            .await
            .unwrap_err();
        assert_eq!(error.code, code);
        assert!(server.writes().is_empty());
    }
}
