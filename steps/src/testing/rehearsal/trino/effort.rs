//! What a query takes: how long it works, how much memory it reserves, and what it spills. Three forms of query that phase 3
//! has take much, in proportion to their tables: a join without a condition, arrays of whole groups, and groups as many
//! as rows. Every other one is small. Pure.

use std::time::Duration;

use super::lake::{Effort, Query};
use super::settings::Session;
use super::statements::Statement;
use super::{nodes, select, units};
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

/// A small query's memory.
const SMALL: u64 = 1 << 20;
/// Pairs of rows that a join without a condition goes through in a second.
const PAIRS_A_SECOND: f64 = 4e9;
/// Bytes that a row takes in a table of groups.
const GROUPED_ROW: u64 = 100;
/// Bytes that are gathered in arrays in a second.
const GATHERED_A_SECOND: f64 = 1e11;

/// The effort of a query that begins now.
pub(super) fn of(world: &World, query: &Query) -> Effort {
    let statement = Statement::of(query);
    let session = Session::of(world, query);
    let mut effort = Effort {
        reserves: SMALL,
        may_work: units::duration(&session.value("query_max_run_time")),
        ..Effort::default()
    };
    if let Some(pairs) = pairs(world, &statement) {
        effort.works = seconds(pairs as f64 / PAIRS_A_SECOND);
    } else if let Some(grouped) = grouped(world, &statement, "array_agg(") {
        effort.reserves = grouped;
        effort.works = seconds(grouped as f64 / GATHERED_A_SECOND);
    } else if let Some(grouped) = grouped(world, &statement, "GROUP BY comment)") {
        let room = memory(world) as f64 * threshold(world);
        effort.reserves = grouped;
        if session.value("spill_enabled") == "true" && grouped as f64 > room {
            effort.reserves = room as u64;
            effort.spills = grouped - effort.reserves;
        }
    }
    effort
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// The memory that there is for queries.
fn memory(world: &World) -> u64 {
    let workers = nodes::all(world).into_iter();
    workers
        .filter(|node| !node.coordinator)
        .map(|node| node.pool)
        .sum()
}

/// The share of it beyond which what can be revoked goes to disk.
fn threshold(world: &World) -> f64 {
    let config = nodes::configured(world, "config.properties");
    let settings = crate::testing::rehearsal::kube::files::properties(&config);
    let own = settings
        .iter()
        .find(|(name, _)| name == "memory-revoking-threshold");
    own.and_then(|(_, value)| value.parse().ok()).unwrap_or(0.9)
}

/// How many pairs of rows a join without a condition has; `None` when the statement is no such join.
pub(super) fn pairs(world: &World, statement: &Statement<'_>) -> Option<u64> {
    let rows = |name: &str| Some(select::table(world, statement, name).ok()?.rows);
    if let Some(found) = statement.is(r"SELECT COUNT\(\*\) FROM ([\w.]+) \w+, ([\w.]+) \w+") {
        return rows(&found[0])?.checked_mul(rows(&found[1])?);
    }
    let part =
        r"SELECT .* FROM ([\w.]+) \w+ CROSS JOIN \(SELECT \w+ FROM ([\w.]+) LIMIT (\d+)\) \w+";
    let found = statement.is(part)?;
    let few = rows(&found[1])?.min(found[2].parse().ok()?);
    rows(&found[0])?.checked_mul(few)
}

/// The bytes that the groups of a query take which has this in it.
fn grouped(world: &World, statement: &Statement<'_>, mark: &str) -> Option<u64> {
    let inner = compiled(r"(?i)FROM ([\w.]+) GROUP BY").ok()?;
    if !statement.text.contains(mark) {
        return None;
    }
    let found = inner.captures(&statement.text)?;
    let rows = select::table(world, statement, &found[1]).ok()?.rows;
    rows.checked_mul(GROUPED_ROW)
}
