//! Statements that make schemas and tables, fill them, and take them away.

use super::lake::{Done, Failed, Table};
use super::statements::{Statement, missing, no_catalog, no_schema, unknown};
use super::{nodes, select};
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

fn update(kind: &'static str, count: Option<u64>) -> Done {
    Done {
        update_type: Some(kind),
        update_count: count,
        ..Done::default()
    }
}

/// CREATE and DROP.
pub(super) fn define(world: &mut World, statement: &Statement<'_>) -> Result<Done, Failed> {
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
            partitioned_by: compiled(r"(?i)partitioning = ARRAY\['(\w+)'\]")
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
                table.columns = select::items(query)
                    .iter()
                    .map(|item| select::name_of(item))
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
        let found = compiled(pattern).ok()?.captures(query)?;
        found[1].parse().ok()
    };
    last(r"(?i) WHERE id <= (\d+)$")
        .or_else(|| last(r"(?i)^[^;]* FROM UNNEST\(sequence\(1, (\d+)\)\) AS t \(id\)$"))
}

/// INSERT and DELETE.
pub(super) fn change(world: &mut World, statement: &Statement<'_>) -> Result<Done, Failed> {
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
