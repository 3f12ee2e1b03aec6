use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::{TestContext, rejudged};

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<KubeWait>(with).unwrap()
}

fn context(server: &FakeServer) -> TestContext {
    TestContext::new("ready").unwrap().cluster(server.kube())
}

fn workers(min: usize) -> Value {
    json!({"namespace": "shop", "selector": "component=worker", "min": min, "within": "20s"})
}

fn worker(name: &str, ready: bool) -> Value {
    pod(
        "shop",
        name,
        json!({"app": "trino", "component": "worker"}),
        ready,
    )
}

#[tokio::test(start_paused = true)]
async fn enough_ready_pods_pass_with_their_number_and_evidence() {
    let server = FakeServer::with(vec![worker("w1", true), worker("w2", true)]);
    let test = context(&server);
    let output = step(workers(2)).run(&test.context).await.unwrap();
    let finding = &output.findings[0];
    assert_eq!(
        (finding.verdict, finding.numbers[0].value),
        (Verdict::Pass, 2.0)
    );
    assert_eq!(finding.evidence, [test.sink.evidence()[0].sha256.clone()]);
    assert_eq!(output.value["pods"][0]["images"][0]["id"], "sha256:abc");
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_matches_nothing_fails_and_lists_the_labels_that_exist() {
    let server = FakeServer::with(vec![worker("w1", true)]);
    let with = json!({"namespace": "shop", "selector": "app.kubernetes.io/name=trino", "min": 1, "within": "20s"});
    let error = step(with).run(&context(&server).context).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::TimedOut, "kube.too_few_matches")
    );
    assert!(
        error
            .message
            .contains("0 of at least 1 Pod with `app.kubernetes.io/name=trino`"),
        "{error}"
    );
    assert_eq!(
        error.help.as_deref(),
        Some("the 1 pods there have these labels: app=trino, component=worker")
    );
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_ready_or_on_their_way_out_do_not_pass() {
    let mut leaving = worker("w2", true);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
    let error = step(workers(2))
        .run(&context(&FakeServer::with(vec![worker("w1", true), leaving])).context)
        .await;
    assert_eq!(error.unwrap_err().code, "kube.too_few_matches");
    let server = FakeServer::with(vec![worker("w1", true), worker("w2", false)]);
    let error = step(workers(1))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(
        error.code, "kube.not_ready",
        "every match must be ready, not only `min` of them"
    );
    assert!(
        error
            .message
            .contains("Pod shop/w2 is Running and not ready"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_looks_again_until_they_come_and_a_hiccup_of_the_server_does_not_end_it() {
    let mut looks = 0;
    let server = FakeServer::default().hook(move |call, objects| {
        if !call.path.ends_with("/pods") {
            return None;
        }
        looks += 1;
        if looks <= 5 {
            return Some(crate::clients::kube::fake::refusal(
                503,
                "ServiceUnavailable",
                "busy",
            ));
        }
        objects.insert("/api/v1/namespaces/shop/pods/w1".into(), worker("w1", true));
        None
    });
    step(workers(1))
        .run(&context(&server).context)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_ends_the_wait_early_unless_told_not_to() {
    let mut broken = worker("w1", false);
    broken["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}});
    let server = FakeServer::with(vec![broken]);
    let error = step(workers(1))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.pods_failing")
    );
    assert!(error.message.contains("ImagePullBackOff"), "{error}");
    let mut patient = workers(1);
    patient["fail_early"] = json!(false);
    assert_eq!(
        step(patient)
            .run(&context(&server).context)
            .await
            .unwrap_err()
            .class,
        ErrorClass::TimedOut
    );
}

#[test]
fn counts_conditions_and_empty_workloads_are_judged() {
    let params = |with: Value| serde_json::from_value::<Params>(with).unwrap();
    let two = [worker("w1", true), worker("w2", true)];
    assert_eq!(
        evaluate(&two, &params(json!({"min": 1, "max": 1}))).as_deref(),
        Some("2 Pod, at most 1 wanted")
    );
    assert!(
        evaluate(&two, &params(json!({"condition": "gone"})))
            .unwrap()
            .contains("w1, w2")
    );
    assert_eq!(evaluate(&[], &params(json!({"condition": "gone"}))), None);
    assert!(
        evaluate(&two, &params(json!({"min": 1, "condition": "Initialized"})))
            .unwrap()
            .contains("no condition Initialized")
    );
    let scaled_down = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "generation": 1},
        "spec": {"replicas": 0}, "status": {"observedGeneration": 1}});
    let missing = evaluate(
        &[scaled_down],
        &params(json!({"kind": "Deployment", "min": 1})),
    )
    .unwrap();
    assert!(missing.contains("wants 0 pods"), "{missing}");
    let mut finished = worker("w3", false);
    finished["status"]["phase"] = json!("Succeeded");
    assert!(
        evaluate(&[finished], &params(json!({"min": 1})))
            .unwrap()
            .contains("0 of at least 1")
    );
}

#[test]
fn parameters_that_could_pass_for_nothing_are_refused() {
    for with in [
        json!({"namespace": "shop"}),
        json!({"min": 0}),
        json!({"min": 2, "max": 1}),
        json!({"min": 1, "selector": "a=b", "name": "c"}),
        json!({"condition": "gone", "min": 1}),
        json!({"kind": "CephObjectStore", "min": 1}),
    ] {
        assert!(
            KubeWait::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_says_nothing_about_pods() {
    let server = FakeServer::with(vec![worker("w1", true)]).hook(|_, _| {
        Some(crate::clients::kube::fake::refusal(
            503,
            "ServiceUnavailable",
            "busy",
        ))
    });
    let error = step(workers(1))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "kube.server_error")
    );
}
