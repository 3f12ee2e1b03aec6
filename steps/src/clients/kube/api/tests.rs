//! The calls against a stand-in for the API server: what is sent, what is repeated, what is not.

use std::sync::Mutex;

use ::kube::client::Body;
use serde_json::json;

use super::*;

/// A server that gives these answers in turn, the last one for ever.
pub(crate) fn server(answers: Vec<(u16, Value)>) -> (Kube, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let answers = Arc::new(Mutex::new(answers));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        log.lock()
            .unwrap()
            .push(format!("{} {}", request.method(), request.uri()));
        let mut answers = answers.lock().unwrap();
        let (code, body) = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        async move {
            let answer = http::Response::builder()
                .status(code)
                .body(Body::from(body.to_string().into_bytes()));
            Ok::<_, std::convert::Infallible>(answer.unwrap())
        }
    });
    (Kube::new(::kube::Client::new(service, "default")), seen)
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"}),
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_transient_is_repeated_a_few_times_and_then_given_up() {
    let (kube, seen) = server(vec![
        refusal(503, "ServiceUnavailable"),
        (200, json!({"metadata": {"name": "p"}})),
    ]);
    assert!(
        kube.get(&Resource::pods(), Some("shop"), "p")
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(seen.lock().unwrap().len(), 2);

    let (kube, seen) = server(vec![refusal(503, "ServiceUnavailable")]);
    let error = kube
        .get(&Resource::pods(), Some("shop"), "p")
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(seen.lock().unwrap().len(), 1 + PAUSES.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_permanent_is_asked_once() {
    let (kube, seen) = server(vec![refusal(403, "Forbidden")]);
    let error = kube
        .list(&Resource::pods(), &Selection::all_in("shop"))
        .await
        .unwrap_err();
    assert_eq!(error.code, "kube.forbidden");
    assert_eq!(
        error.help.as_deref(),
        Some("kubectl auth can-i list pods -n shop")
    );
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_found_is_an_answer_for_get_and_delete_and_an_error_for_apply() {
    let (kube, _) = server(vec![refusal(404, "NotFound")]);
    assert_eq!(
        kube.get(&Resource::pods(), Some("shop"), "p")
            .await
            .unwrap(),
        None
    );
    assert!(
        !kube
            .delete(&Resource::pods(), Some("shop"), "p", None)
            .await
            .unwrap()
    );
    let applied = kube
        .apply(
            &Resource::pods(),
            Some("shop"),
            "p",
            &json!({}),
            ApplyMode::default(),
        )
        .await;
    assert_eq!(applied.unwrap_err().code, "kube.not_found");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_last_page_and_every_item_knows_its_kind() {
    let (kube, seen) = server(vec![
        (
            200,
            json!({"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]}),
        ),
        (
            200,
            json!({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
        ),
    ]);
    let pods = kube
        .list(
            &Resource::pods(),
            &Selection::labelled("shop", "app=web,tier in (a, b)"),
        )
        .await
        .unwrap();
    assert_eq!(pods.len(), 2);
    assert_eq!(
        (pods[1]["kind"].as_str(), pods[1]["apiVersion"].as_str()),
        (Some("Pod"), Some("v1"))
    );
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].contains("labelSelector=app%3Dweb%2Ctier+in+%28a%2C+b%29"),
        "{seen:?}"
    );
    assert!(seen[1].contains("continue=next"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_of_objects_is_an_error_and_not_a_shorter_list() {
    for page in [
        json!([]),
        json!("x"),
        json!({"metadata": {}}),
        json!({"metadata": {}, "items": {"metadata": {"name": "a"}}}),
        json!({"metadata": {}, "items": [{"metadata": {"name": "a"}}, null]}),
        json!({"metadata": {}, "items": [1]}),
    ] {
        let (kube, _) = server(vec![(200, page.clone())]);
        let listed = kube
            .list(&Resource::pods(), &Selection::all_in("shop"))
            .await;
        assert_eq!(listed.unwrap_err().code, "kube.protocol", "{page}");
    }
    let (kube, _) = server(vec![(200, json!({"metadata": {}, "items": null}))]);
    let listed = kube
        .list(&Resource::pods(), &Selection::all_in("shop"))
        .await;
    assert_eq!(listed.unwrap(), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_object_is_an_error() {
    for answer in [json!([]), json!("x"), json!(null)] {
        let (kube, _) = server(vec![(200, answer.clone())]);
        let got = kube.get(&Resource::pods(), Some("shop"), "p").await;
        assert_eq!(got.unwrap_err().code, "kube.protocol", "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_on_from_the_same_place_for_ever_is_given_up() {
    let page = |token: &str| json!({"metadata": {"continue": token}, "items": [{"metadata": {}}]});
    let (kube, seen) = server(vec![(200, page("next")), (200, page("same"))]);
    let listed = kube
        .list(&Resource::pods(), &Selection::all_in("shop"))
        .await;
    assert_eq!(listed.unwrap_err().code, "kube.protocol");
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_apply_is_strict_named_and_forceful_only_when_asked() {
    let (kube, seen) = server(vec![(200, json!({}))]);
    let object = json!({"metadata": {"name": "p"}});
    kube.apply(
        &Resource::pods(),
        Some("shop"),
        "p",
        &object,
        ApplyMode::default(),
    )
    .await
    .unwrap();
    kube.apply(
        &Resource::pods(),
        Some("shop"),
        "p",
        &object,
        ApplyMode {
            force: true,
            dry_run: true,
        },
    )
    .await
    .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].starts_with("PATCH /api/v1/namespaces/shop/pods/p?"),
        "{seen:?}"
    );
    assert!(
        seen[0].contains("fieldManager=flowctl") && seen[0].contains("fieldValidation=Strict"),
        "{seen:?}"
    );
    assert!(
        !seen[0].contains("force") && !seen[0].contains("dryRun"),
        "{seen:?}"
    );
    assert!(
        seen[1].contains("force=true") && seen[1].contains("dryRun=All"),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_by_our_own_deadline() {
    let service = tower::service_fn(|_: http::Request<Body>| {
        std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>()
    });
    let kube = Kube::new(::kube::Client::new(service, "default"));
    let error = kube
        .get(&Resource::pods(), Some("shop"), "p")
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "kube.no_answer")
    );
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_discovered_once_and_an_unknown_one_is_asked_for_again() {
    let list =
        json!({"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": true}]});
    let (kube, seen) = server(vec![(200, list)]);
    kube.resource("apps/v1", "Deployment").await.unwrap();
    kube.resource("apps/v1", "Deployment").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["GET /apis/apps/v1"]);
    for _ in 0..2 {
        assert_eq!(
            kube.resource("apps/v1", "Deploymint")
                .await
                .unwrap_err()
                .code,
            "kube.unknown_kind"
        );
    }
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_does_not_fit_the_schema_names_the_field_and_is_permanent() {
    let unnamed = (
        500,
        json!({"kind": "Status", "status": "Failure", "code": 500, "message": "failed to create typed patch object"}),
    );
    let (kube, seen) = server(vec![unnamed.clone(), refusal(400, "BadRequest")]);
    let object = json!({"metadata": {"name": "p"}, "spex": {}});
    let apply = async |kube: Kube| {
        kube.apply(
            &Resource::pods(),
            Some("shop"),
            "p",
            &object,
            ApplyMode::default(),
        )
        .await
    };
    let error = apply(kube).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.unknown_field")
    );
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2, "the apply is not repeated: {seen:?}");
    assert!(
        seen[1].starts_with("POST /api/v1/namespaces/shop/pods?dryRun=All"),
        "{seen:?}"
    );

    let (kube, _) = server(vec![unnamed, refusal(409, "AlreadyExists")]);
    assert_eq!(
        apply(kube).await.unwrap_err().class,
        ErrorClass::Transient,
        "it fits: a fault of the server"
    );
}
