use flowctl_workflows::result::{ErrorClass, Verdict};

use super::progress::{Progress, progress};
use super::*;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::{TestContext, rejudged};

const PATH: &str = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/shop/helmreleases/web";

fn manifest() -> Value {
    json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web"},
        "spec": {"interval": "1m", "values": {"replicas": 2}}})
}

fn with(object: Value) -> Value {
    json!({"objects": [object], "namespace": "shop", "within": "30s"})
}

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<FluxRelease>(with).unwrap()
}

fn ready(generation: i64, status: &str) -> Value {
    json!([{"type": "Ready", "status": status, "reason": "R", "message": "words of Flux", "observedGeneration": generation}])
}

/// A server whose controller deploys after some looks, with Helm's record of it.
fn flux(release: Value) -> FakeServer {
    let mut secret = super::helm::tests::secret_of(&release);
    secret["apiVersion"] = json!("v1");
    secret["kind"] = json!("Secret");
    secret["metadata"] = json!({"name": "sh.helm.release.v1.web.v3", "namespace": "shop"});
    let mut looks = 0;
    FakeServer::with(vec![secret]).hook(move |call, objects| {
        if call.method == "GET" && call.path == PATH {
            looks += 1;
            if let Some(object) = objects.get_mut(PATH) {
                object["metadata"]["generation"] = json!(2);
                object["status"] = json!({"observedGeneration": 1, "conditions": ready(1, "True"), "lastHandledReconcileAt": "before"});
                if looks > 4 {
                    let request = object["metadata"]["annotations"][REQUESTED_AT].clone();
                    object["status"] = json!({"observedGeneration": 2, "conditions": ready(2, "True"), "lastHandledReconcileAt": request,
                        "storageNamespace": "shop", "lastAttemptedConfigDigest": "sha256:c",
                        "history": [{"name": "web", "version": 3, "chartName": "web", "chartVersion": "1.0.0", "status": "deployed", "configDigest": "sha256:c", "digest": "sha256:d"}]});
                }
            }
        }
        None
    })
}

fn recorded(values: Value) -> Value {
    json!({"config": values, "info": {"status": "deployed"}, "manifest": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "chart": {"metadata": {"name": "web"}, "templates": [{"data": "e3sgLlZhbHVlcy5yZXBsaWNhcyB9fQ=="}]}})
}

fn context(server: &FakeServer) -> TestContext {
    TestContext::new("deploy").unwrap().cluster(server.kube())
}

#[tokio::test(start_paused = true)]
async fn the_old_release_being_ready_is_not_taken_for_the_new_one() {
    let server = flux(recorded(json!({"replicas": 2})));
    let test = context(&server);
    let output = step(with(manifest())).run(&test.context).await.unwrap();
    assert_eq!(
        output
            .findings
            .iter()
            .map(|finding| finding.verdict)
            .collect::<Vec<_>>(),
        [Verdict::Pass; 2]
    );
    assert_eq!(
        (
            output.value["revision"].as_i64(),
            output.value["config_digest"].as_str()
        ),
        (Some(3), Some("sha256:c"))
    );
    assert_eq!(output.value["values_proven"], true);
    let progress = test.sink.progress_texts().join("\n");
    assert!(
        progress.contains("Flux has not taken up the request yet"),
        "{progress}"
    );
}

#[tokio::test(start_paused = true)]
async fn other_values_than_those_asked_for_fail_and_unread_ones_are_named() {
    let output = step(with(manifest()))
        .run(&context(&flux(recorded(json!({"replicas": 1})))).context)
        .await
        .unwrap();
    assert_eq!(output.findings[1].verdict, Verdict::Fail);
    assert!(
        output.findings[1]
            .reason
            .contains("other values for replicas"),
        "{:?}",
        output.findings[1]
    );

    let mut misspelt = manifest();
    misspelt["spec"]["values"]["replicaCount"] = json!(5);
    let given = json!({"replicas": 2, "replicaCount": 5});
    let output = step(with(misspelt.clone()))
        .run(&context(&flux(recorded(given.clone()))).context)
        .await
        .unwrap();
    assert_eq!(output.value["unread_values"], json!(["replicaCount"]));
    assert_eq!(
        output.findings[1].verdict,
        Verdict::Pass,
        "a warning unless asked otherwise"
    );
    let mut strict = with(misspelt);
    strict["unread_values"] = json!("fail");
    let output = step(strict)
        .run(&context(&flux(recorded(given))).context)
        .await
        .unwrap();
    assert_eq!(output.findings[1].verdict, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn without_helms_record_the_values_are_not_proven() {
    let server = flux(recorded(json!({})));
    let server = server.clone().hook({
        let mut inner = flux_status();
        move |call, objects| {
            if call.path.contains("/secrets/") {
                return Some(crate::clients::kube::fake::refusal(403, "Forbidden", "no"));
            }
            inner(call, objects);
            None
        }
    });
    let output = step(with(manifest()))
        .run(&context(&server).context)
        .await
        .unwrap();
    assert_eq!(output.findings[1].verdict, Verdict::Inconclusive);
    assert_eq!(output.value["values_proven"], false);
}

/// Deploys at once.
fn flux_status()
-> impl FnMut(&crate::clients::kube::fake::Call, &mut std::collections::BTreeMap<String, Value>) {
    |_, objects| {
        if let Some(object) = objects.get_mut(PATH) {
            let request = object["metadata"]["annotations"][REQUESTED_AT].clone();
            object["metadata"]["generation"] = json!(1);
            object["status"] = json!({"observedGeneration": 1, "conditions": ready(1, "True"), "lastHandledReconcileAt": request,
                "history": [{"name": "web", "version": 3, "status": "deployed", "configDigest": "sha256:c"}]});
        }
    }
}

#[tokio::test(start_paused = true)]
async fn crashing_new_pods_end_the_wait_with_their_last_words_and_old_ones_do_not() {
    let crashing = |name: &str| {
        let mut pod = pod(
            "shop",
            name,
            json!({"app.kubernetes.io/instance": "web"}),
            false,
        );
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(4);
        pod["status"]["containerStatuses"][0]["state"] =
            json!({"waiting": {"reason": "CrashLoopBackOff"}});
        pod
    };
    let mut looks = 0;
    let new = crashing("web-new");
    let server = FakeServer::with(vec![crashing("web-old")]).hook(move |call, objects| {
        looks += usize::from(call.path == PATH && call.method == "GET");
        if looks == 3 {
            objects.insert("/api/v1/namespaces/shop/pods/web-new".into(), new.clone());
        }
        call.path.ends_with("/log").then(|| (200, json!("boom\n")))
    });
    let error = step(with(manifest()))
        .run(&context(&server).context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "flux.pods_failing")
    );
    assert!(
        error.message.contains("pod `web-new`") && !error.message.contains("web-old"),
        "{error}"
    );
    assert!(error.message.contains("last words: boom"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_release_and_a_missing_one_are_refused_before_any_write() {
    let server = FakeServer::default();
    let mut suspended = manifest();
    suspended["spec"]["suspend"] = json!(true);
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    for (object, code) in [(suspended, "flux.suspended"), (config, "flux.one_release")] {
        let error = step(with(object))
            .run(&context(&server).context)
            .await
            .unwrap_err();
        assert_eq!(error.code, code);
    }
    assert!(server.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_attempt_asks_with_the_same_name_and_the_deadline_tells_what_flux_said() {
    let server = FakeServer::default();
    let test = context(&server);
    let error = step(with(manifest())).run(&test.context).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::TimedOut, "flux.not_deployed")
    );
    step(with(manifest()))
        .run(&test.resumed().context)
        .await
        .unwrap_err();
    let asked: Vec<Value> = server
        .calls()
        .iter()
        .filter(|call| call.method == "PATCH")
        .map(|call| call.body["metadata"]["annotations"][REQUESTED_AT].clone())
        .collect();
    assert_eq!(asked, [json!("test/deploy/1"), json!("test/deploy/1")]);
}

#[test]
fn progress_goes_by_request_generation_and_conditions() {
    let release = |status: Value| json!({"kind": "HelmRelease", "metadata": {"name": "web", "namespace": "shop", "generation": 2}, "status": status});
    let at = |status: Value| progress(&release(status), "me");
    let handled = "me";
    assert!(
        matches!(
            at(json!({"observedGeneration": 2, "conditions": ready(2, "True")})),
            Progress::Waiting(_)
        ),
        "not this request"
    );
    assert!(matches!(
        at(
            json!({"lastHandledReconcileAt": handled, "observedGeneration": 1, "conditions": ready(1, "True")})
        ),
        Progress::Waiting(_)
    ));
    assert_eq!(
        at(
            json!({"lastHandledReconcileAt": handled, "observedGeneration": 2, "conditions": ready(2, "True")})
        ),
        Progress::Deployed
    );
    let Progress::Waiting(words) = at(
        json!({"lastHandledReconcileAt": handled, "observedGeneration": 2, "conditions": ready(2, "Unknown")}),
    ) else {
        panic!()
    };
    assert!(words.contains("words of Flux"), "{words}");
    let stalled = json!([{"type": "Stalled", "status": "True", "reason": "RetriesExceeded", "observedGeneration": 2},
        {"type": "Released", "status": "False", "reason": "InstallFailed", "message": "context deadline exceeded", "observedGeneration": 2}]);
    let Progress::Failed(why) = at(
        json!({"lastHandledReconcileAt": handled, "observedGeneration": 2, "conditions": stalled}),
    ) else {
        panic!()
    };
    assert!(
        why.contains("RetriesExceeded") && why.contains("context deadline exceeded"),
        "{why}"
    );
    let old = json!([{"type": "Stalled", "status": "True", "reason": "RetriesExceeded", "observedGeneration": 1}]);
    assert!(
        matches!(
            at(
                json!({"lastHandledReconcileAt": handled, "observedGeneration": 1, "conditions": old})
            ),
            Progress::Waiting(_)
        ),
        "of the generation before"
    );
}

#[test]
fn a_failed_upgrade_ends_the_wait_when_no_further_try_is_asked_for() {
    let at = |failures: i64, reset: &str, remediation: Value| {
        let released = json!([{"type": "Released", "status": "False", "reason": "UpgradeFailed", "message": "not allowed", "observedGeneration": 2}]);
        let release = json!({"kind": "HelmRelease", "metadata": {"name": "web", "generation": 2}, "spec": {"upgrade": remediation},
            "status": {"lastHandledReconcileAt": "me", "lastHandledResetAt": reset, "observedGeneration": 1, "failures": failures,
                "lastAttemptedReleaseAction": "upgrade", "conditions": released}});
        matches!(progress(&release, "me"), Progress::Failed(why) if why.contains("not allowed"))
    };
    assert!(at(1, "me", json!({})));
    assert!(
        !at(0, "me", json!({})),
        "this condition is from before the request"
    );
    assert!(
        !at(8, "before", json!({})),
        "these failures are from before the request"
    );
    assert!(
        !at(2, "me", json!({"remediation": {"retries": 3}}))
            && at(4, "me", json!({"remediation": {"retries": 3}}))
    );
    assert!(
        !at(9, "me", json!({"remediation": {"retries": -1}}))
            && !at(9, "me", json!({"strategy": {"name": "RetryOnFailure"}}))
    );
}
