//! The statements that a rehearsal knows, by their form: those of phase 3, and any SELECT over tables that are there.
//! There is no SQL engine behind it: numbers that a real engine would compute follow from the size of a table, so that
//! they are the same each time and mean nothing. Whatever is not known fails with NOT_SUPPORTED.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::json;

use super::lake::{Done, Failed, Query, Table};
use super::nodes;
use super::read;
use crate::testing::rehearsal::faults::fits;
use crate::testing::rehearsal::world::World;

/// Session properties that exist; a statement with another one fails, as on a server.
const SESSION: &[&str] = &[
    "aggregation_operator_unspill_memory_limit",
    "colocated_join",
    "distributed_sort",
    "enable_dynamic_filtering",
    "enable_large_dynamic_filters",
    "execution_policy",
    "exchange_compression_codec",
    "filter_and_project_min_output_page_size",
    "grouped_execution",
    "hash_partition_count",
    "initial_splits_per_node",
    "join_distribution_type",
    "join_reordering_strategy",
    "max_drivers_per_task",
    "optimize_hash_generation",
    "query_max_cpu_time",
    "query_max_execution_time",
    "query_max_memory",
    "query_max_memory_per_node",
    "query_max_run_time",
    "query_max_scan_physical_bytes",
    "query_max_total_memory",
    "query_priority",
    "resource_overcommit",
    "retry_policy",
    "spill_enabled",
    "task_concurrency",
    "use_mark_distinct",
];

/// Why a statement with this session cannot run.
pub(super) fn bad_session(header: &str) -> Option<Failed> {
    header
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name.trim())
        // A catalog's own properties are not known here.
        .find(|name| !SESSION.contains(name))
        .map(|name| {
            Failed::user(
                "INVALID_SESSION_PROPERTY",
                27,
                format!("Session property '{name}' does not exist"),
            )
        })
}

/// A statement in one line, without comments, and what it is sent with.
pub(super) struct Statement<'a> {
    pub(super) text: String,
    pub(super) catalog: &'a str,
    pub(super) schema: &'a str,
}

impl Statement<'_> {
    /// The groups of a pattern that is the whole statement; letters count whatever their case.
    pub(super) fn is(&self, pattern: &str) -> Option<Vec<String>> {
        let whole = compiled(pattern)?;
        let found = whole.captures(&self.text)?;
        let groups = found.iter().skip(1);
        Some(
            groups
                .map(|group| group.map_or("", |group| group.as_str()).to_owned())
                .collect(),
        )
    }

    /// Catalog, schema and table of a name that may lack the first two.
    pub(super) fn resolve(&self, name: &str) -> (String, String, String) {
        let parts: Vec<String> = name
            .split('.')
            .map(|part| part.trim_matches('"').to_lowercase())
            .collect();
        match &parts[..] {
            [catalog, schema, table] => (catalog.clone(), schema.clone(), table.clone()),
            [schema, table] => (self.catalog.to_owned(), schema.clone(), table.clone()),
            _ => (
                self.catalog.to_owned(),
                self.schema.to_owned(),
                parts.join("."),
            ),
        }
    }
}

/// A pattern, compiled once: a benchmark sends the same statements over and over.
fn compiled(pattern: &str) -> Option<Regex> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.get(pattern) {
        return Some(regex.clone());
    }
    let regex = Regex::new(&format!("(?is)^{pattern}$")).ok()?;
    known.insert(pattern.to_owned(), regex.clone());
    Some(regex)
}

/// Does what a query's statement says.
pub(super) fn execute(world: &mut World, query: &Query) -> Result<Done, Failed> {
    let text: Vec<&str> = query
        .sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .flat_map(str::split_whitespace)
        .collect();
    let statement = Statement {
        text: text.join(" "),
        catalog: &query.catalog,
        schema: &query.schema,
    };
    if statement.text.ends_with(';') {
        return Err(Failed::user(
            "SYNTAX_ERROR",
            1,
            "line 1:1: mismatched input ';'. Expecting: <EOF>",
        ));
    }
    // A join of two tables without a condition would run for hours; only its limit of time ends it.
    if statement
        .is(r"SELECT COUNT\(\*\) FROM \w+ a, \w+ b")
        .is_some()
    {
        let limit = query
            .session
            .split(',')
            .find_map(|pair| pair.trim().strip_prefix("query_max_run_time="));
        let limit = limit.ok_or_else(|| unknown(&statement))?;
        return Err(Failed {
            kind: "INSUFFICIENT_RESOURCES",
            ..Failed::user(
                "EXCEEDED_TIME_LIMIT",
                131_075,
                format!("Query exceeded maximum time limit of {limit}"),
            )
        });
    }
    let verb = statement
        .text
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_uppercase();
    match verb.as_str() {
        "SHOW" => show(world, &statement),
        "CREATE" | "DROP" => define(world, &statement),
        "INSERT" | "DELETE" => change(world, &statement),
        "SELECT" | "WITH" | "EXPLAIN" => read::read(world, &statement),
        "UPDATE" | "MERGE" | "ALTER" | "CALL" | "ANALYZE" | "SET" | "USE" | "GRANT" | "REVOKE"
        | "REFRESH" | "VALUES" | "TRUNCATE" | "COMMENT" | "EXECUTE" | "PREPARE" | "TABLE"
        | "DESCRIBE" => Err(unknown(&statement)),
        _ => Err(Failed::user(
            "SYNTAX_ERROR",
            1,
            format!(
                "line 1:1: mismatched input '{}'. Expecting: 'ALTER', 'ANALYZE', 'CALL', <query>",
                statement.text.split(' ').next().unwrap_or_default()
            ),
        )),
    }
}

/// The end of every statement that nothing here knows.
pub(super) fn unknown(statement: &Statement<'_>) -> Failed {
    Failed::user(
        "NOT_SUPPORTED",
        13,
        format!(
            "the rehearsal does not know this statement: {}",
            statement.text
        ),
    )
}

pub(super) fn missing(catalog: &str, schema: &str, table: &str) -> Failed {
    Failed::user(
        "TABLE_NOT_FOUND",
        46,
        format!("line 1:15: Table '{catalog}.{schema}.{table}' does not exist"),
    )
}

fn no_schema(catalog: &str, schema: &str) -> Failed {
    Failed::user(
        "SCHEMA_NOT_FOUND",
        45,
        format!("line 1:1: Schema '{catalog}.{schema}' does not exist"),
    )
}

fn no_catalog(catalog: &str) -> Failed {
    Failed::user(
        "CATALOG_NOT_FOUND",
        44,
        format!("line 1:1: Catalog '{catalog}' not found"),
    )
}

/// Rows of one column of texts.
pub(super) fn texts(column: &str, values: impl IntoIterator<Item = String>) -> Done {
    Done {
        columns: vec![(column.to_owned(), "varchar")],
        rows: values.into_iter().map(|value| vec![json!(value)]).collect(),
        ..Done::default()
    }
}

fn show(world: &World, statement: &Statement<'_>) -> Result<Done, Failed> {
    if statement.is("SHOW CATALOGS").is_some() {
        return Ok(texts("Catalog", nodes::catalogs(world)));
    }
    if statement.is("SHOW SESSION").is_some() {
        let columns = ["Name", "Value", "Default", "Type", "Description"];
        return Ok(Done {
            columns: columns
                .map(|column| (column.to_owned(), "varchar"))
                .to_vec(),
            rows: SESSION
                .iter()
                .map(|name| {
                    vec![
                        json!(name),
                        json!(""),
                        json!(""),
                        json!("varchar"),
                        json!(""),
                    ]
                })
                .collect(),
            ..Done::default()
        });
    }
    if let Some(found) = statement.is(r"SHOW SCHEMAS(?: (?:FROM|IN) (\w+))?") {
        let catalog = if found[0].is_empty() {
            statement.catalog
        } else {
            &found[0]
        };
        if !nodes::catalogs(world).iter().any(|known| known == catalog) {
            return Err(no_catalog(catalog));
        }
        let own = world
            .lake
            .schemas
            .keys()
            .filter(|(of, _)| of == catalog)
            .map(|(_, schema)| schema.clone());
        return Ok(texts(
            "Schema",
            own.chain(["information_schema".to_owned()]),
        ));
    }
    if let Some(found) = statement.is(r"SHOW TABLES(?: (?:FROM|IN) ([\w.]+))?") {
        let name = if found[0].is_empty() {
            statement.schema
        } else {
            &found[0]
        };
        let (catalog, schema) = name.split_once('.').unwrap_or((statement.catalog, name));
        let tables = world
            .lake
            .schemas
            .get(&(catalog.to_owned(), schema.to_owned()));
        let tables = tables.ok_or_else(|| no_schema(catalog, schema))?;
        return Ok(texts("Table", tables.keys().cloned()));
    }
    Err(unknown(statement))
}

fn update(kind: &'static str, count: Option<u64>) -> Done {
    Done {
        update_type: Some(kind),
        update_count: count,
        ..Done::default()
    }
}

fn define(world: &mut World, statement: &Statement<'_>) -> Result<Done, Failed> {
    let catalogs = nodes::catalogs(world);
    let schemas = &mut world.lake.schemas;
    if let Some(found) =
        statement.is(r"CREATE SCHEMA (?:IF NOT EXISTS )?(?:(\w+)\.)?(\w+)(?: WITH \(.*\))?")
    {
        let catalog = if found[0].is_empty() {
            statement.catalog
        } else {
            &found[0]
        };
        if !catalogs.iter().any(|known| known == catalog) {
            return Err(no_catalog(catalog));
        }
        schemas
            .entry((catalog.to_owned(), found[1].clone()))
            .or_default();
        return Ok(update("CREATE SCHEMA", None));
    }
    if let Some(found) = statement.is(r"DROP SCHEMA (IF EXISTS )?(?:(\w+)\.)?(\w+)") {
        let catalog = if found[1].is_empty() {
            statement.catalog
        } else {
            &found[1]
        };
        let key = (catalog.to_owned(), found[2].clone());
        if schemas.get(&key).is_some_and(|tables| !tables.is_empty()) {
            return Err(Failed::user(
                "SCHEMA_NOT_EMPTY",
                55,
                format!("Cannot drop non-empty schema '{}'", found[2]),
            ));
        }
        if schemas.remove(&key).is_none() && found[0].is_empty() {
            return Err(no_schema(catalog, &found[2]));
        }
        return Ok(update("DROP SCHEMA", None));
    }
    if let Some(found) = statement.is(r"DROP TABLE (IF EXISTS )?([\w.]+)") {
        let (catalog, schema, table) = statement.resolve(&found[1]);
        let tables = schemas.get_mut(&(catalog.clone(), schema.clone()));
        if tables.and_then(|tables| tables.remove(&table)).is_none() && found[0].is_empty() {
            return Err(missing(&catalog, &schema, &table));
        }
        return Ok(update("DROP TABLE", None));
    }
    let create = r"CREATE TABLE (IF NOT EXISTS )?([\w.]+)(?: (\([^']*?\)))?(?: COMMENT '([^']*)')?(?: WITH \((.*?)\))?(?: AS (SELECT .*))?";
    if let Some(found) = statement.is(create) {
        let (catalog, schema, name) = statement.resolve(&found[1]);
        let tables = schemas
            .get_mut(&(catalog.clone(), schema.clone()))
            .ok_or_else(|| no_schema(&catalog, &schema))?;
        let (columns, query) = (&found[2], &found[5]);
        if tables.contains_key(&name) {
            return match found[0].is_empty() {
                true => Err(Failed::user(
                    "TABLE_ALREADY_EXISTS",
                    50,
                    format!("line 1:1: Table '{catalog}.{schema}.{name}' already exists"),
                )),
                false => Ok(update("CREATE TABLE", (!query.is_empty()).then_some(0))),
            };
        }
        let mut table = Table {
            comment: found[3].clone(),
            partitioned_by: Regex::new(r"(?i)partitioning = ARRAY\['(\w+)'\]")
                .ok()
                .and_then(|of| Some(of.captures(&found[4])?[1].to_owned())),
            ..Table::default()
        };
        let count = match (columns.is_empty(), query.is_empty()) {
            (false, true) => {
                table.columns = columns
                    .trim_matches(['(', ')'])
                    .split(',')
                    .filter_map(|column| column.split_whitespace().next())
                    .map(str::to_owned)
                    .collect();
                table.ids = Some(Vec::new());
                None
            }
            (true, false) => {
                table.rows = rows_made_by(query).ok_or_else(|| unknown(statement))?;
                table.columns = read::items(query)
                    .iter()
                    .map(|item| read::name_of(item))
                    .collect();
                table.snapshots.push("append");
                Some(table.rows)
            }
            _ => return Err(unknown(statement)),
        };
        tables.insert(name, table);
        return Ok(update("CREATE TABLE", count));
    }
    Err(unknown(statement))
}

/// How many rows a query makes out of nothing: `sequence(1, N)`, or `WHERE id <= N` over two of them.
fn rows_made_by(query: &str) -> Option<u64> {
    let last = |pattern: &str| {
        let found = Regex::new(pattern).ok()?.captures(query)?;
        found[1].parse().ok()
    };
    last(r"(?i) WHERE id <= (\d+)$")
        .or_else(|| last(r"(?i)^[^;]* FROM UNNEST\(sequence\(1, (\d+)\)\) AS t \(id\)$"))
}

fn change(world: &mut World, statement: &Statement<'_>) -> Result<Done, Failed> {
    let inserted = statement.is(r"INSERT INTO ([\w.]+) (SELECT .*)");
    let deleted = statement.is(r"DELETE FROM ([\w.]+) WHERE id = (\d+)");
    let name = inserted
        .as_ref()
        .or(deleted.as_ref())
        .map(|found| found[0].clone());
    let (catalog, schema, name) = statement.resolve(&name.ok_or_else(|| unknown(statement))?);
    let table = world
        .lake
        .schemas
        .get_mut(&(catalog.clone(), schema.clone()))
        .and_then(|tables| tables.get_mut(&name))
        .ok_or_else(|| missing(&catalog, &schema, &name))?;
    if let Some(found) = inserted {
        let count = rows_made_by(&found[1]).ok_or_else(|| unknown(statement))?;
        table.rows += count;
        if let Some(ids) = &mut table.ids {
            ids.extend(1..=count);
        }
        table.snapshots.push("append");
        return Ok(update("INSERT", Some(count)));
    }
    let id: Option<u64> = deleted.and_then(|found| found[1].parse().ok());
    let (Some(id), Some(ids)) = (id, &mut table.ids) else {
        return Err(unknown(statement));
    };
    let before = ids.len();
    ids.retain(|known| *known != id);
    let count = (before - ids.len()) as u64;
    table.rows -= count;
    table.snapshots.push("overwrite");
    Ok(update("DELETE", Some(count)))
}

/// Whether a source is LIKE a pattern.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    fits(&pattern.replace('%', "*"), text)
}
