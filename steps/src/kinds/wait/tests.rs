//! All on paused time: a minute passes in no time, and exactly a minute.

use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::step_contract;
use crate::testing::{Subject, TestContext};

fn step(with: Value) -> Box<dyn Step> {
    Wait::build(serde_json::from_value(with).unwrap()).unwrap()
}

struct World;

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        TestContext::new("step").unwrap()
    }

    fn step(&self) -> Box<dyn Step> {
        step(json!({"for": "5ms"}))
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step(json!({"until": "2100-01-01T00:00:00Z"})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("waits until 2100").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let ages = Wait::For(Duration::from_secs(u64::MAX / 2));
        vec![(Box::new(ages), ErrorClass::Permanent, "wait.too_long")]
    }
}

step_contract!(World);

#[tokio::test(start_paused = true)]
async fn a_span_is_waited_for_to_the_end_and_no_longer() {
    let cx = TestContext::new("step").unwrap();
    let output = step(json!({"for": "1m30s"}))
        .run(&cx.context)
        .await
        .unwrap()
        .value;
    assert_eq!(
        output,
        json!({"until": "1970-01-01T00:01:30Z", "waited_ms": 90_000})
    );
    assert_eq!(cx.context.clock.elapsed(), Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_resumed_step_waits_for_the_rest_only() {
    let cx = TestContext::new("step").unwrap();
    let step = step(json!({"for": "10m"}));
    let killed = tokio::time::timeout(Duration::from_secs(400), step.run(&cx.context)).await;
    assert!(killed.is_err());
    let output = step.run(&cx.resumed().context).await.unwrap().value;
    assert_eq!(output["waited_ms"], 200_000);
    assert_eq!(cx.sink.checkpoints().len(), 1, "the end is reckoned once");
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_is_past_is_not_waited_for() {
    let cx = TestContext::new("step").unwrap();
    let output = step(json!({"until": "1969-12-31T23:59:59Z"}))
        .run(&cx.context)
        .await
        .unwrap()
        .value;
    assert_eq!(output["waited_ms"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_moment_with_an_offset_is_understood() {
    let cx = TestContext::new("step").unwrap();
    let output = step(json!({"until": "1970-01-01T02:00:05+02:00"}))
        .run(&cx.context)
        .await
        .unwrap()
        .value;
    assert_eq!(output["waited_ms"], 5_000);
}

#[test]
fn parameters_that_exclude_each_other_are_refused() {
    for with in [
        json!({}),
        json!({"for": "1s", "until": "2026-01-01T00:00:00Z"}),
        json!({"until": "tomorrow"}),
    ] {
        assert!(
            Wait::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}
