//! The tables that phase3 makes on the lab: whether they are whole, and how they are made anew.

use crate::World;
use crate::check::{Outcome, must};

/// The tables that phase3 makes on the lab, with their rows.
const TABLES: &[(&str, i64)] = &[
    ("sample_data", 10_000),
    ("processed_data", 20_000),
    ("etl_test", 100),
    ("benchmark_data", 100_000),
];

/// The steps that make them.
pub(crate) const SEEDS: [&str; 4] = [
    "seed_sample_data",
    "seed_processed_data",
    "seed_etl_test",
    "seed_benchmark_data",
];

/// Drops what is there of them and makes them anew, by phase3's own steps.
pub(crate) fn sow(world: &World) -> Outcome {
    let steps = [&["own_tables", "drop_old"][..], &SEEDS].concat();
    world.flowctl.only(&steps, &[])?;
    has_its_rows(world)
}

/// The tables hold exactly what they must, and nothing of flowctl runs any more.
pub(crate) fn has_its_rows(world: &World) -> Outcome {
    // What was put back last restarted the servers.
    world.lab.workers(2)?;
    let trino = world.lab.trino()?;
    for (table, rows) in TABLES {
        let found = trino.rows(&format!(
            "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM {table}"
        ))?;
        let wanted = serde_json::json!([[rows, rows, 1, rows]]);
        must(serde_json::Value::Array(found.clone()) == wanted, || {
            format!("{table} holds {found:?}, expected {wanted}")
        })?;
    }
    let unfinished = trino.unfinished()?;
    must(unfinished.is_empty(), || {
        format!("still running on Trino: {unfinished:?}")
    })
}
