use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::*;
use crate::clients::kube::fake::{FakeServer, refusal};
use crate::testing::TestContext;

const CONFIG: &str = "/api/v1/namespaces/shop/configmaps/web";

fn step(with: Value) -> Box<dyn Step> {
    KubeApply::build(serde_json::from_value(with).unwrap()).unwrap()
}

fn context(server: &FakeServer) -> TestContext {
    TestContext::new("deploy").unwrap().cluster(server.kube())
}

fn config(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"k": value}})
}

fn with(objects: Value) -> Value {
    json!({"objects": objects, "namespace": "shop"})
}

async fn actions(step: &dyn Step, cx: &StepContext) -> Vec<String> {
    let output = step.run(cx).await.unwrap();
    let objects = output.value["objects"].as_array().unwrap().clone();
    objects
        .iter()
        .map(|object| object["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_not_there_is_created_and_twice_is_the_same_as_once() {
    let server = FakeServer::default();
    let step = step(with(json!([config("1")])));
    assert_eq!(
        actions(&*step, &context(&server).context).await,
        ["created"]
    );
    let again = context(&server).run("later").unwrap();
    assert_eq!(actions(&*step, &again.context).await, ["unchanged"]);
    server.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "data": {"k": "0"}}));
    assert_eq!(actions(&*step, &again.context).await, ["configured"]);
    let annotations = &server.at(CONFIG).unwrap()["metadata"]["annotations"];
    assert_eq!(
        (
            annotations["flowctl.dev/run"].as_str(),
            annotations["flowctl.dev/step"].as_str()
        ),
        (Some("later"), Some("deploy"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_there_is_written_down_before_the_first_change_and_put_back() {
    let former = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "data": {"k": "old"}});
    let server = FakeServer::with(vec![former]);
    let test = context(&server);
    let sink = test.sink.clone();
    let server = server.hook(move |call, _| {
        assert!(
            call.method == "GET" || sink.checkpoints().len() == 1,
            "{call:?} before the checkpoint"
        );
        None
    });
    let new = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}});
    let step = step(with(json!([config("new"), new])));
    assert_eq!(
        actions(&*step, &test.context).await,
        ["configured", "created"]
    );

    let resumed = test.resumed();
    let Undone::Restored(words) = step.undo(&resumed.context).await.unwrap() else {
        panic!()
    };
    assert!(
        words.contains("ConfigMap shop/extra deleted")
            && words.contains("ConfigMap shop/web put back"),
        "{words}"
    );
    assert_eq!(server.at(CONFIG).unwrap()["data"]["k"], "old");
    assert!(
        server
            .at("/api/v1/namespaces/shop/configmaps/extra")
            .is_none()
    );
    assert!(
        step.undo(&resumed.context).await.is_ok(),
        "undoing twice is fine"
    );
}

#[tokio::test(start_paused = true)]
async fn undo_of_nothing_touches_nothing_and_leaves_what_others_made() {
    let server = FakeServer::default();
    let test = context(&server);
    let step = step(with(json!([config("1")])));
    assert!(matches!(
        step.undo(&test.context).await.unwrap(),
        Undone::Nothing(_)
    ));
    step.run(&test.context).await.unwrap();
    server.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "uid": "other"}}));
    step.undo(&test.resumed().context).await.unwrap();
    assert!(
        server.at(CONFIG).is_some(),
        "made anew by someone else: not ours to delete"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_still_knows_what_the_first_one_created() {
    let server = FakeServer::default();
    let step = step(with(json!([config("1")])));
    step.run(&context(&server).context).await.unwrap();
    let mut second = context(&server);
    second.context.attempt.attempt = 2;
    assert_eq!(actions(&*step, &second.context).await, ["created"]);
    step.undo(&second.resumed().context).await.unwrap();
    assert!(server.at(CONFIG).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_filled_in_on_the_wire_only() {
    let server = FakeServer::default();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": {"secret": "S3_KEY"}}});
    let step = step(with(json!([secret])));
    let test = TestContext::new("deploy")
        .unwrap()
        .secrets(&[("S3_KEY", "hunter2-hunter2")])
        .cluster(server.kube());
    let output = step.run(&test.context).await.unwrap();
    let sent = server
        .calls()
        .into_iter()
        .find(|call| call.method == "PATCH")
        .unwrap();
    assert_eq!(sent.body["stringData"]["key"], "hunter2-hunter2");
    let said = format!("{} {}", test.sink.everything(), output.value);
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        said.contains("\"key\": \"***\""),
        "the key itself is shown: {said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_server_throws_away_is_an_error() {
    let server = FakeServer::default().hook(|call, _| {
        (call.method == "PATCH").then(|| {
            let mut answer = call.body.clone();
            answer["data"] = json!({"other": "x"});
            (200, answer)
        })
    });
    let error = step(with(json!([config("1")])))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.pruned")
    );
    assert!(error.message.contains("data.k"), "{error}");
}

fn deployment(status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}}, "status": status})
}

fn done() -> Value {
    json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_rollout_and_says_at_the_deadline_what_was_missing() {
    let step = step(json!({"objects": [deployment(json!({}))], "within": "10s"}));
    let server = FakeServer::default();
    let error = step.run(&context(&server).context).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::TimedOut, "kube.not_ready")
    );
    assert!(
        error
            .message
            .contains("Deployment shop/web its controller has not looked at it yet"),
        "{error}"
    );

    let mut looks = 0;
    let server = FakeServer::default().hook(move |call, objects| {
        if call.method == "GET" && call.path.ends_with("/deployments/web") {
            looks += 1;
            if let Some(object) = objects.get_mut(&call.path).filter(|_| looks > 3) {
                object["status"] = done();
            }
        }
        None
    });
    step.run(&context(&server).context).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_that_keep_crashing_end_the_wait_early_with_their_last_words() {
    let mut pod = crate::clients::kube::fake::pod("shop", "web-1", json!({"app": "web"}), false);
    pod["status"]["containerStatuses"][0]["restartCount"] = json!(4);
    pod["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let server = FakeServer::with(vec![pod]).hook(|call, _| {
        call.path
            .ends_with("/log")
            .then(|| (200, json!("starting\nERROR: property 'x' was not used\n")))
    });
    let test = context(&server);
    let error = step(json!({"objects": [deployment(json!({}))], "within": "10m"}))
        .run(&test.context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.pods_failing")
    );
    assert!(
        error
            .message
            .contains("last words: ERROR: property 'x' was not used"),
        "{error}"
    );
    assert!(test.sink.evidence_text("web-1-main.log").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_not_forced_unless_asked() {
    let server = FakeServer::default().hook(|call, _| {
        (call.method == "PATCH" && !call.query.contains("force=true")).then(|| {
            let (code, mut status) = refusal(409, "Conflict", "conflict");
            status["details"] = json!({"causes": [{"reason": "FieldManagerConflict", "field": ".data.k", "message": "conflict with \"helm\""}]});
            (code, status)
        })
    });
    let error = step(with(json!([config("1")])))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(error.code, "kube.conflict");
    let mut forced = with(json!([config("1")]));
    forced["force"] = json!(true);
    step(forced).run(&context(&server).context).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancel_is_prompt() {
    let test = context(&FakeServer::default());
    let cancel = test.context.cancel.clone();
    let waits_long = step(json!({"objects": [deployment(json!({}))], "within": "1h"}));
    let running = waits_long.run(&test.context);
    let (result, ()) = tokio::join!(running, async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
}

#[tokio::test]
async fn mistakes_are_found_before_the_first_write() {
    let server = FakeServer::default();
    for (with, words) in [
        (json!({"objects": [config("1")]}), "names no namespace"),
        (with(json!([config("1"), config("2")])), "stands twice"),
        (
            with(json!([{"apiVersion": "v1", "kind": "Wrong", "metadata": {"name": "x"}}])),
            "serves no `Wrong`",
        ),
    ] {
        let error = step(with).run(&context(&server).context).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(server.writes(), Vec::<String>::new());
    assert!(KubeApply::build(serde_json::from_value(json!({})).unwrap()).is_err());
}

#[tokio::test(start_paused = true)]
async fn files_and_folders_are_read_and_applied_in_order() {
    let server = FakeServer::default();
    let manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\nstatus: {phase: Active}\n";
    let test = context(&server).files(&[
        ("m/a.yaml", manifests),
        ("m/README.md", "no manifest"),
        (
            "n/b.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\n",
        ),
    ]);
    step(json!({"folder": "m", "files": ["n/b.yaml"]}))
        .run(&test.context)
        .await
        .unwrap();
    assert_eq!(
        server.writes(),
        [
            "PATCH /api/v1/namespaces/shop",
            "PATCH /api/v1/namespaces/shop/configmaps/b",
            "PATCH /api/v1/namespaces/shop/configmaps/web"
        ]
    );
}
