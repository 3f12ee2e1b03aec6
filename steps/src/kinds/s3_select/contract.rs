//! The contract of step kinds, held against a gateway in memory.

use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::clients::s3::fake::{ACCESS_KEY, Gateway, SECRET_KEY, s3_context};
use crate::step_contract;
use crate::testing::{Subject, TestContext};

struct World(Gateway, String);

impl World {
    fn new() -> Self {
        let gateway = Gateway::default();
        let url = gateway.start();
        Self(gateway, url)
    }
}

fn step(key: &str, sql: &str) -> Box<dyn Step> {
    let with: Value = json!({
        "bucket": "shop", "key": key, "sql": sql, "input": {"csv": {"header": "ignore"}},
        "plain": {"where": "col._2 == 'category_3'"}, "runs": 2,
    });
    S3Select::build(serde_json::from_value(with).unwrap()).unwrap()
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        s3_context("select", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        step(
            "sample.csv",
            "SELECT * FROM S3Object s WHERE s._2 = 'category_3'",
        )
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(step("sample.csv", "SELECT endless"))
    }

    async fn endless_under_way(&self, _: &TestContext) {
        self.0.until_selected().await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        use ErrorClass::{Permanent, Transient};
        let with_sql = |word: &str| step("sample.csv", &format!("SELECT '{SECRET_KEY}' {word}"));
        vec![
            (step("gone.csv", "SELECT 1"), Permanent, "s3.NoSuchKey"),
            (with_sql("refused"), Permanent, "s3.s3select-Syntax-Error"),
            (with_sql("busy"), Transient, "s3.SlowDown"),
            (with_sql("empty"), Permanent, "s3.select_empty"),
            (with_sql("pacific"), Permanent, "s3.select_no_end"),
            (with_sql("inside"), Permanent, "s3.select_error_inside"),
            (with_sql("error_event"), Permanent, "s3.select_error_event"),
            (with_sql("damaged"), Permanent, "s3.select_checksum"),
            (with_sql("cut"), Permanent, "s3.select_cut"),
            (with_sql("broken_off"), Transient, "s3.unreachable"),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET_KEY, ACCESS_KEY]
    }
}

step_contract!(World::new());
