//! The statements that a rehearsal knows, by their form: those of phase 3, and any SELECT over tables that are there.
//! There is no SQL engine behind it: numbers that a real engine would compute follow from the size of a table, so that
//! they are the same each time and mean nothing. Whatever is not known fails with NOT_SUPPORTED.

use serde_json::json;

use super::lake::{Done, Failed, Query};
use super::settings::Session;
use super::{define, nodes, read};
use crate::testing::rehearsal::faults::fits;
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

/// A statement in one line, without comments, and what it is sent with.
pub(super) struct Statement<'a> {
    pub(super) text: String,
    pub(super) catalog: &'a str,
    pub(super) schema: &'a str,
}

impl<'a> Statement<'a> {
    /// The statement of a query.
    pub(super) fn of(query: &'a Query) -> Self {
        let text: Vec<&str> = query
            .sql
            .lines()
            .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
            .flat_map(str::split_whitespace)
            .collect();
        Self {
            text: text.join(" "),
            catalog: &query.catalog,
            schema: &query.schema,
        }
    }

    /// The groups of a pattern that is the whole statement; letters count whatever their case.
    pub(super) fn is(&self, pattern: &str) -> Option<Vec<String>> {
        let whole = compiled(&format!("(?is)^{pattern}$")).ok()?;
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

/// Does what a query's statement says.
pub(super) fn execute(world: &mut World, query: &Query) -> Result<Done, Failed> {
    let statement = Statement::of(query);
    if statement.text.ends_with(';') {
        return Err(Failed::user(
            "SYNTAX_ERROR",
            1,
            "line 1:1: mismatched input ';'. Expecting: <EOF>",
        ));
    }
    let verb = statement
        .text
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_uppercase();
    match verb.as_str() {
        "SHOW" => show(world, query, &statement),
        "CREATE" | "DROP" => define::define(world, &statement),
        "INSERT" | "DELETE" => define::change(world, &statement),
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

pub(super) fn no_schema(catalog: &str, schema: &str) -> Failed {
    Failed::user(
        "SCHEMA_NOT_FOUND",
        45,
        format!("line 1:1: Schema '{catalog}.{schema}' does not exist"),
    )
}

pub(super) fn no_catalog(catalog: &str) -> Failed {
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

fn show(world: &World, query: &Query, statement: &Statement<'_>) -> Result<Done, Failed> {
    if statement.is("SHOW CATALOGS").is_some() {
        return Ok(texts("Catalog", nodes::catalogs(world)));
    }
    if statement.is("SHOW SESSION").is_some() {
        return Ok(Session::of(world, query).show());
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

/// Whether a source is LIKE a pattern.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    fits(&pattern.replace('%', "*"), text)
}
