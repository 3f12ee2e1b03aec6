//! The contract of step kinds, held against a coordinator in memory.

use serde_json::{Value, json};

use super::*;
use crate::step_contract;
use crate::testing::reads::Reads;

fn step(sql: &str) -> Box<dyn Step> {
    let with: Value = json!({"clients": 2, "queries": [{"name": "one", "sql": sql}]});
    TrinoLoad::build(serde_json::from_value(with).unwrap()).unwrap()
}

step_contract!(Reads::new("load", 2, step));
