//! The contract of step kinds, held against a coordinator in memory.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::*;
use crate::clients::trino::query::sql_tag;
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

fn insert() -> String {
    format!("INSERT INTO t VALUES '{SECRET}'")
}

fn step(sql: &str) -> Box<dyn Step> {
    TrinoQuery::build(serde_json::from_value(json!({"sql": sql})).unwrap()).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        trino_context("seed", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(&insert())
    }

    fn expected_effects(&self) -> usize {
        1
    }

    async fn effects(&self) -> usize {
        // A query that is left running is an effect too much.
        self.0.inserts() + self.0.running()
    }

    async fn leave_half_done(&self, cx: &TestContext) {
        let tag = sql_tag(&Statement::new(&insert()).unwrap());
        let id = self
            .0
            .left_running(&source(&cx.context.attempt), &tag, &insert());
        let handle = json!({"query_id": id, "sql": tag, "at": cx.context.clock.now()});
        cx.context.sink.checkpoint(handle).await.unwrap();
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step("SELECT * FROM endless"))
    }

    async fn endless_under_way(&self, _: &TestContext) {
        self.0.until_running(1).await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        vec![
            (
                step(&format!("SELECT '{SECRET}' FROM missing")),
                ErrorClass::Permanent,
                "trino.TABLE_NOT_FOUND",
            ),
            (
                step("SELECT 1; SELECT 2"),
                ErrorClass::Permanent,
                "trino.several_statements",
            ),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());
