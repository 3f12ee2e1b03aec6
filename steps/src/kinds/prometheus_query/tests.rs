//! Against Prometheus' own answers, served from memory.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::step_contract;
use crate::testing::monitoring::{FakeMonitoring, SECRET, monitoring_context, success};
use crate::testing::{Subject, TestContext, rejudged};

struct World(FakeMonitoring, String);

impl World {
    fn new() -> Self {
        let server = FakeMonitoring::default();
        let url = server.start();
        server.has("up", 2, "1.5");
        server.gives(
            "up",
            &[
                (json!({"__name__": "up", "job": "a"}), "1"),
                (json!({"__name__": "up", "job": SECRET}), "0"),
            ],
        );
        Self(server, url)
    }

    async fn judged(&self, with: Value) -> (Verdict, String, Value) {
        let cx = monitoring_context("asked", &self.1);
        let output = step(with).run(&cx.context).await.unwrap();
        assert_eq!(output.findings.len(), 1);
        assert_eq!(
            output.findings[0].evidence[0],
            cx.sink.evidence()[0].sha256,
            "every verdict has its evidence"
        );
        let found = &output.findings[0];
        (found.verdict, found.reason.clone(), output.value)
    }
}

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<PrometheusQuery>(with).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        monitoring_context("asked", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(json!({"query": "up", "min_series": 2}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step(json!({"query": "down", "within": "7d"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("0 of at least 1 series").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let bad = format!("up == {SECRET}");
        let body = json!({"status": "error", "errorType": "bad_data", "error": format!("parse error in {bad}")});
        self.0.answers("/api/v1/query", &bad, 400, body);
        self.0
            .answers("/api/v1/query", "busy", 503, json!("no healthy upstream"));
        let locked = json!(format!("who is {SECRET}"));
        self.0.answers("/api/v1/query", "locked", 403, locked);
        self.0
            .answers("/api/v1/query", "page", 200, json!("<html>welcome</html>"));
        let asking = |query: &str| step(json!({ "query": query }));
        vec![
            (asking(&bad), ErrorClass::Permanent, "prometheus.bad_data"),
            (asking("busy"), ErrorClass::Transient, "http.unwell"),
            (asking("locked"), ErrorClass::Permanent, "http.refused"),
            (asking("page"), ErrorClass::Permanent, "http.unexpected"),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn fresh_data_within_bounds_pass() {
    let world = World::new();
    let (verdict, reason, value) = world
        .judged(
            json!({"query": "up", "min_series": 2, "some": {"above": 0}, "each": {"at_least": 0}}),
        )
        .await;
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(
        reason,
        "2 series with 2 values between 0 and 1, the newest sample 1.5 s old"
    );
    assert_eq!(
        (&value["series_count"], &value["max"]),
        (&json!(2), &json!(1.0))
    );
    assert_eq!(value["series"][0]["labels"]["job"], "a");
}

#[tokio::test]
async fn nothing_is_never_a_pass_and_the_reason_says_why_there_is_nothing() {
    let world = World::new();
    world
        .0
        .names(&["up", "trino_execution_name_QueryManager_RunningQueries"]);
    world
        .0
        .gives("count({__name__=\"up\"})", &[(json!({}), "2")]);
    let cases = [
        (
            json!({"query": "trino_query_manager_running_queries"}),
            "0 of at least 1 series: the metric `trino_query_manager_running_queries` does not exist; near it are trino_execution_name_QueryManager_RunningQueries",
        ),
        (
            json!({"query": "up{job=\"b\"}"}),
            "0 of at least 1 series: `up` has 2 series, but none that `up{job=\"b\"}` selects",
        ),
        (
            json!({"query": "up > 7"}),
            "0 of at least 1 series: every metric in it has series, so a comparison or a join left nothing",
        ),
        (
            json!({"query": "up", "min_series": 3}),
            "2 of at least 3 series: up{job=\"a\"} has 1, up{job=\"***\"} has 1",
        ),
        (
            json!({"query": "up", "fresh": "1s"}),
            "the newest sample is 1.5 s old, older than 1 s",
        ),
    ];
    for (with, expected) in cases {
        let (verdict, reason, _) = world.judged(with).await;
        assert_eq!(
            (verdict, reason.as_str()),
            (Verdict::Inconclusive, expected)
        );
    }
}

#[tokio::test]
async fn a_constant_shows_nothing_of_the_platform() {
    let world = World::new();
    world.0.gives("vector(1)", &[(json!({}), "1")]);
    let (verdict, reason, _) = world.judged(json!({"query": "vector(1)"})).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("reads no metric"), "{reason}");
}

#[tokio::test]
async fn what_is_no_number_counts_as_no_sample() {
    let world = World::new();
    world.0.gives("up / 0", &[(json!({"job": "a"}), "NaN")]);
    let (verdict, reason, _) = world.judged(json!({"query": "up / 0"})).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(reason, "0 of at least 1 series: {job=\"a\"} has 0");
}

#[tokio::test]
async fn a_value_out_of_bounds_fails_and_is_named() {
    let world = World::new();
    let (verdict, reason, _) = world
        .judged(json!({"query": "up", "each": {"at_least": 1}}))
        .await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Fail, "up{job=\"***\"} is 0, not >= 1")
    );
    let (verdict, reason, _) = world
        .judged(json!({"query": "up", "some": {"above": 1, "below": 9}}))
        .await;
    assert_eq!(
        (verdict, reason.as_str()),
        (
            Verdict::Fail,
            "none of 2 values is > 1 and < 9; they lie between 0 and 1"
        )
    );
}

#[tokio::test]
async fn a_series_with_too_few_samples_counts_as_none() {
    let world = World::new();
    let values =
        |count: usize| -> Vec<Value> { (0..count).map(|at| json!([at, at.to_string()])).collect() };
    let result = json!([
        {"metric": {"job": "a"}, "values": values(5)},
        {"metric": {"job": "b"}, "values": values(2)}
    ]);
    let data = success(json!({"resultType": "matrix", "result": result}));
    world.0.answers("/api/v1/query_range", "up", 200, data);
    let with = |series: usize| json!({"query": "up", "range": {"last": "5m"}, "min_samples": 5, "min_series": series});
    let (verdict, _, value) = world.judged(with(1)).await;
    assert_eq!(
        (verdict, &value["sample_count"]),
        (Verdict::Pass, &json!(5))
    );
    let (verdict, reason, _) = world.judged(with(2)).await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(
        reason,
        "1 of at least 2 series with at least 5 samples: {job=\"a\"} has 5, {job=\"b\"} has 2"
    );
}

#[tokio::test]
async fn it_is_asked_until_the_data_come() {
    let world = World::new();
    let cx = monitoring_context("asked", &world.1);
    let asked = step(json!({"query": "late", "within": "1m"}));
    let running = asked.run(&cx.context);
    let data_come = async {
        cx.sink.progress_with("`late` does not exist").await;
        world.0.has("late", 1, "0.1");
        world.0.gives("late", &[(json!({}), "1")]);
    };
    let (output, ()) = tokio::join!(running, data_come);
    assert_eq!(output.unwrap().findings[0].verdict, Verdict::Pass);
}

#[test]
fn parameters_that_can_prove_nothing_are_refused() {
    for with in [
        json!({"query": " "}),
        json!({"query": "up", "min_series": 0}),
        json!({"query": "up", "min_samples": 0}),
        json!({"query": "up", "min_samples": 2}),
        json!({"query": "up", "each": {}}),
        json!({"query": "up", "range": {"last": "1s", "step": "5s"}}),
        json!({"query": "up", "range": {"last": "1s", "step": "0s"}}),
    ] {
        let params = serde_json::from_value(with.clone()).unwrap();
        assert!(PrometheusQuery::build(params).is_err(), "{with}");
    }
}

#[tokio::test]
async fn what_was_scraped_before_the_step_began_may_not_count() {
    // The newest sample is a second and a half old, and no time passes.
    let world = World::new();
    let (verdict, reason, _) = world
        .judged(json!({"query": "up", "min_series": 2, "scraped_anew": true}))
        .await;
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("not scraped anew"), "{reason}");
    let judged_after = |seconds: u64| {
        let metrics = [Presence {
            selector: "up".to_owned(),
            metric: Some("up".to_owned()),
            may_be_absent: false,
            series: 1,
            series_of_name: 1,
            age_seconds: Some(1.5),
            near: Vec::new(),
        }];
        let mut judgement = Judgement {
            verdict: Verdict::Pass,
            reason: String::new(),
        };
        judge::only_anew(
            &mut judgement,
            &metrics,
            std::time::Duration::from_secs(seconds),
        );
        judgement.verdict
    };
    assert_eq!(judged_after(1), Verdict::Inconclusive);
    assert_eq!(judged_after(2), Verdict::Pass);
}
