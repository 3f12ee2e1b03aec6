//! What the contract asks of a step kind that measures queries and changes nothing, against a coordinator in memory.

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::trino::{FakeTrino, SECRET, trino_context};
use super::{Subject, TestContext};
use crate::clients::trino::source;
use crate::step::Step;

/// A kind that runs the statement it is given.
pub(crate) struct Reads {
    trino: FakeTrino,
    url: String,
    name: &'static str,
    at_once: usize,
    step: fn(&str) -> Box<dyn Step>,
}

impl Reads {
    /// `name` is a step's, `at_once` how many of its queries are under way together, `step` makes one of a statement.
    pub(crate) fn new(name: &'static str, at_once: usize, step: fn(&str) -> Box<dyn Step>) -> Self {
        let trino = FakeTrino::default();
        let url = trino.start().expect("a port");
        Self {
            trino,
            url,
            name,
            at_once,
            step,
        }
    }
}

#[async_trait]
impl Subject for Reads {
    fn context(&self) -> TestContext {
        trino_context(self.name, &self.url)
    }

    fn step(&self) -> Box<dyn Step> {
        (self.step)(&format!("SELECT '{SECRET}'"))
    }

    async fn effects(&self) -> usize {
        // It has none, so all that may be seen is a query left running.
        self.trino.running()
    }

    async fn leave_half_done(&self, cx: &TestContext) {
        let source = source(&cx.context.attempt);
        self.trino
            .left_running(&source, "flowctl", "SELECT * FROM endless");
        let kept = cx.context.sink.checkpoint(json!({"source": source})).await;
        kept.expect("memory keeps it");
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some((self.step)("SELECT * FROM endless"))
    }

    async fn endless_under_way(&self, _: &TestContext) {
        self.trino.until_running(self.at_once).await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let write = format!("INSERT INTO t VALUES '{SECRET}'");
        vec![(
            (self.step)(&write),
            ErrorClass::Permanent,
            "trino.not_a_read",
        )]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}
