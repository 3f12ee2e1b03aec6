//! The contract of step kinds, held against a coordinator in memory.

use async_trait::async_trait;

use super::*;
use crate::testing::trino::{FakeTrino, SECRET, trino_context};
use crate::testing::{Subject, TestContext, contract};

struct World(FakeTrino, String);

impl World {
    fn new() -> Self {
        let trino = FakeTrino::default();
        let url = trino.start().unwrap();
        Self(trino, url)
    }
}

fn step(with: Value) -> Box<dyn Step> {
    TrinoInfo::build(serde_json::from_value(with).unwrap()).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        trino_context("ready", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(json!({"within": "0s", "workers": {"min": 1}}))
    }

    async fn effects(&self) -> usize {
        self.0.running()
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step(json!({"within": "7d", "workers": {"min": 9}})))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        while !cx
            .sink
            .progress_texts()
            .iter()
            .any(|text| text.contains("1 of 9 workers"))
        {
            tokio::task::yield_now().await;
        }
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        vec![(
            step(json!({"within": "0s"})),
            ErrorClass::TimedOut,
            "trino.not_ready",
        )]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

#[tokio::test]
async fn the_contract_holds_with_a_server_that_is_ready() {
    assert_eq!(contract::succeeds(&World::new()).await, Ok(()));
    assert_eq!(
        contract::run_twice_is_one_effect(&World::new()).await,
        Ok(())
    );
    assert_eq!(contract::killed_then_resumed(&World::new()).await, Ok(()));
    assert_eq!(contract::cancel_is_prompt(&World::new()).await, Ok(()));
    assert_eq!(
        contract::undo_twice_and_of_nothing(&World::new()).await,
        Ok(())
    );
    assert_eq!(contract::secrets_stay_secret(&World::new()).await, Ok(()));
}

#[tokio::test]
async fn the_contract_holds_with_a_server_that_is_starting() {
    let world = World::new();
    world.0.start_slowly();
    assert_eq!(contract::errors_are_classified(&world).await, Ok(()));
    assert_eq!(contract::secrets_stay_secret(&world).await, Ok(()));
}
