//! Against Prometheus' own answers, served from memory.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::Value;

use super::*;
use crate::step_contract;
use crate::testing::monitoring::{FakeMonitoring, SECRET, monitoring_context, success};
use crate::testing::{Subject, TestContext, rejudged};

struct World(FakeMonitoring, String);

fn target(job: &str, instance: &str, health: &str, error: &str, last: &str) -> Value {
    json!({"labels": {"job": job, "instance": instance}, "scrapeUrl": format!("http://{instance}/metrics"),
           "health": health, "lastError": error, "lastScrape": last, "scrapePool": "trino"})
}

const LONG_AGO: &str = "1970-01-01T00:00:01Z";
const NEVER: &str = "0001-01-01T00:00:00Z";

impl World {
    fn new() -> Self {
        let server = FakeMonitoring::default();
        let url = server.start();
        let world = Self(server, url);
        world.scrapes(&[
            target("trino-worker", "w1", "up", "", LONG_AGO),
            target("trino-worker", "w2", "up", "", LONG_AGO),
            target("other", "o", "down", SECRET, LONG_AGO),
            target("new", "n", "unknown", "", NEVER),
        ]);
        world
    }

    fn scrapes(&self, targets: &[Value]) {
        let data = success(json!({"activeTargets": targets, "droppedTargets": []}));
        self.0.answers("/api/v1/targets", "", 200, data);
    }

    async fn judged(&self, with: Value) -> (Verdict, String) {
        let cx = monitoring_context("scraped", &self.1);
        let output = step(with).run(&cx.context).await.unwrap();
        (
            output.findings[0].verdict,
            output.findings[0].reason.clone(),
        )
    }
}

fn step(with: Value) -> Box<dyn Step> {
    rejudged::<PrometheusTargets>(with).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        monitoring_context("scraped", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(json!({"job": "trino-worker", "min": 2, "within": "0s"}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step(json!({"job": "other", "min": 1, "within": "7d"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("0 of 1 targets").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let broken = json!(format!("bad gateway {SECRET}"));
        self.0.answers("/api/v1/targets", "", 502, broken);
        vec![(
            step(json!({"job": "a", "min": 1, "within": "0s"})),
            ErrorClass::Transient,
            "http.unwell",
        )]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn targets_that_are_there_and_up_pass() {
    let judged = World::new()
        .judged(json!({"job": "trino-worker", "min": 2}))
        .await;
    assert_eq!(judged, (Verdict::Pass, "2 targets are up".to_owned()));
}

#[tokio::test]
async fn what_is_missing_down_or_stale_fails_and_is_named() {
    let world = World::new();
    for (with, expected) in [
        (
            json!({"job": "trino-workers", "min": 1}),
            "Prometheus has 0 of at least 1 targets {job=\"trino-workers\"}; its jobs are: new, other, trino-worker",
        ),
        (
            json!({"job": "trino-worker", "labels": {"instance": "w1"}, "min": 2}),
            "Prometheus has 1 of at least 2 targets {job=\"trino-worker\", instance=\"w1\"}; its jobs are: new, other, trino-worker",
        ),
        (
            json!({"job": "other", "min": 1}),
            "0 of 1 targets {job=\"other\"} are up: o is down (***)",
        ),
        (
            json!({"job": "new", "min": 1}),
            "0 of 1 targets {job=\"new\"} are up: n was never scraped",
        ),
    ] {
        let mut with = with;
        with["within"] = json!("0s");
        let judged = world.judged(with).await;
        assert_eq!(judged, (Verdict::Fail, expected.to_owned()));
    }
}

#[tokio::test]
async fn a_target_that_is_down_is_allowed_only_when_asked() {
    let world = World::new();
    world.scrapes(&[
        target("a", "x", "up", "", LONG_AGO),
        target("a", "y", "down", "context deadline exceeded", LONG_AGO),
    ]);
    let with = |allow: bool| json!({"job": "a", "min": 1, "allow_down": allow, "within": "0s"});
    assert_eq!(
        world.judged(with(false)).await,
        (
            Verdict::Fail,
            "1 of 2 targets {job=\"a\"} are up: y is down (context deadline exceeded)".to_owned()
        )
    );
    assert_eq!(world.judged(with(true)).await.0, Verdict::Pass);
}

#[test]
fn a_scrape_of_long_ago_does_not_count() {
    let params: Params =
        serde_json::from_value(json!({"job": "a", "min": 1, "fresh": "30s"})).unwrap();
    let judged = |second: i64| {
        let all = vec![serde_json::from_value(target("a", "x", "up", "", LONG_AGO)).unwrap()];
        let seen = params.seen(all, Timestamp::from_second(second).unwrap());
        params.judge(&seen).missing
    };
    assert_eq!(judged(31), None);
    let why = judged(33).unwrap();
    assert!(why.contains("x was last scraped 32 s ago"), "{why}");
}

#[test]
fn parameters_that_can_prove_nothing_are_refused() {
    for with in [json!({"min": 1}), json!({"job": "a", "min": 0})] {
        let params = serde_json::from_value(with.clone()).unwrap();
        assert!(PrometheusTargets::build(params).is_err(), "{with}");
    }
}
