//! Statements that only read, by whom they are about.

use serde_json::{Value, json};

use super::about::about_the_server;
use super::lake::{Done, Failed};
use super::select::{pruned_to, select, tables};
use super::statements::{Statement, texts, unknown};
use super::tables::about_tables;
use crate::testing::rehearsal::world::World;

pub(super) fn read(world: &World, statement: &Statement<'_>) -> Result<Done, Failed> {
    if let Some(done) = about_the_server(world, statement) {
        return Ok(done);
    }
    if let Some(done) = about_tables(world, statement)? {
        return Ok(done);
    }
    if let Some(found) = statement.is(r"EXPLAIN \(TYPE IO, FORMAT JSON\) (SELECT .*)") {
        let tables = tables(world, statement, &found[0])?;
        let seen = pruned_to(&found[0], &tables);
        let columns: Vec<Value> = seen.iter().map(|value| json!({"columnName": "category", "domain": {"ranges": [{"low": {"value": value}}]}})).collect();
        let plan = json!({"inputTableColumnInfos": [{"constraint": {"columnConstraints": columns}}], "estimate": {}});
        return Ok(texts("Query Plan", [plan.to_string()]));
    }
    if statement.is("EXPLAIN .*").is_some() {
        return Err(unknown(statement));
    }
    select(world, statement)
}

/// Names of columns with their types.
pub(super) fn columns(names: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    names
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect()
}
