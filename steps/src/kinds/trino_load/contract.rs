//! The contract of step kinds, held against a coordinator in memory.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::step_contract;
use crate::testing::trino::{FakeTrino, SECRET, trino_context};
use crate::testing::{Subject, TestContext};

struct World(FakeTrino, String);

impl World {
    fn new() -> Self {
        let trino = FakeTrino::default();
        let url = trino.start().unwrap();
        Self(trino, url)
    }
}

fn step(sql: &str) -> Box<dyn Step> {
    let with: Value = json!({"clients": 2, "queries": [{"name": "one", "sql": sql}]});
    TrinoLoad::build(serde_json::from_value(with).unwrap()).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        trino_context("load", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(&format!("SELECT '{SECRET}'"))
    }

    async fn effects(&self) -> usize {
        // It has none, so all that may be seen is a query left running.
        self.0.running()
    }

    async fn leave_half_done(&self, cx: &TestContext) {
        let source = source(&cx.context.attempt);
        self.0
            .left_running(&source, "flowctl", "SELECT * FROM endless");
        cx.context
            .sink
            .checkpoint(json!({"source": source}))
            .await
            .unwrap();
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step("SELECT * FROM endless"))
    }

    async fn endless_under_way(&self, _: &TestContext) {
        self.0.until_running(2).await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let write = format!("INSERT INTO t VALUES '{SECRET}'");
        vec![(step(&write), ErrorClass::Permanent, "trino.not_a_read")]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());
