//! Any SELECT over tables that are there: one row, of numbers that follow from the sizes of the tables.

use serde_json::{Value, json};

use super::effort;
use super::lake::{Done, Failed, Table};
use super::statements::{Statement, missing, unknown};
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

/// A table by its name.
pub(super) fn table<'a>(
    world: &'a World,
    statement: &Statement<'_>,
    name: &str,
) -> Result<&'a Table, Failed> {
    let (catalog, schema, table) = statement.resolve(name);
    world
        .lake
        .schemas
        .get(&(catalog.clone(), schema.clone()))
        .and_then(|tables| tables.get(&table))
        .ok_or_else(|| missing(&catalog, &schema, &table))
}

/// The tables that a query reads; one that is not there is an error, and so is a query of none.
pub(super) fn tables<'a>(
    world: &'a World,
    statement: &Statement<'_>,
    query: &str,
) -> Result<Vec<&'a Table>, Failed> {
    let named = compiled(r"(?i)\b(?:FROM|JOIN) ([a-z_][\w.]*)").map_err(|_| unknown(statement))?;
    let with = compiled(r"(?i)(?:\bWITH|,) ([a-z_]\w*) AS \(").map_err(|_| unknown(statement))?;
    let made: Vec<String> = with
        .captures_iter(query)
        .map(|name| name[1].to_lowercase())
        .collect();
    let names = named
        .captures_iter(query)
        .map(|name| name[1].to_lowercase());
    let tables: Vec<&Table> = names
        .filter(|name| !made.contains(name))
        .map(|name| table(world, statement, &name))
        .collect::<Result<_, _>>()?;
    if tables.is_empty() {
        return Err(unknown(statement));
    }
    Ok(tables)
}

/// The value of the partition that a query's only predicate names, when it can be left to that partition's files.
pub(super) fn pruned_to(query: &str, tables: &[&Table]) -> Option<String> {
    let [table] = tables else { return None };
    let column = table.partitioned_by.as_ref()?;
    let predicate = compiled(&format!(r"(?i) WHERE {column} = '([^']*)'$")).ok()?;
    Some(predicate.captures(query)?[1].to_owned())
}

pub(super) fn select(world: &World, statement: &Statement<'_>) -> Result<Done, Failed> {
    let text = &statement.text;
    // A join without a condition counts pairs.
    if let Some(pairs) = effort::pairs(world, statement) {
        let items = items(text);
        let values = items.iter().map(|item| value(item, pairs));
        let (columns, row): (Vec<_>, Vec<_>) = items
            .iter()
            .zip(values)
            .map(|(item, (kind, value))| ((name_of(item), kind), value))
            .unzip();
        return Ok(Done {
            columns,
            rows: vec![row],
            processed_rows: pairs,
            ..Done::default()
        });
    }
    let tables = tables(world, statement, text)?;
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    let bytes: u64 = tables.iter().map(|table| table.bytes()).sum();
    // Twenty categories, whichever way one of them is asked for.
    let by_part = |table: &&Table| {
        let column = table.partitioned_by.as_deref();
        column.is_some_and(|column| {
            text.split_once(" WHERE ")
                .is_some_and(|(_, predicate)| predicate.contains(column))
        })
    };
    let parts = if tables.iter().any(by_part) { 20 } else { 1 };
    let read_bytes = if pruned_to(text, &tables).is_some() {
        bytes / parts
    } else {
        bytes
    };
    let last = text
        .rfind("SELECT ")
        .map_or(text.as_str(), |at| &text[at..]);
    let items = items(if text.to_uppercase().starts_with("WITH") {
        last
    } else {
        text
    });
    let values = items.iter().map(|item| value(item, rows / parts));
    let (columns, row): (Vec<_>, Vec<_>) = items
        .iter()
        .zip(values)
        .map(|(item, (kind, value))| ((name_of(item), kind), value))
        .unzip();
    Ok(Done {
        columns,
        rows: if rows == 0 { Vec::new() } else { vec![row] },
        processed_rows: rows,
        read_bytes,
        ..Done::default()
    })
}

/// The items of a query's first SELECT.
pub(super) fn items(query: &str) -> Vec<String> {
    let query = query
        .trim_start_matches("SELECT ")
        .trim_start_matches("DISTINCT ");
    let (mut items, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, letter) in query.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(query[start..at].trim().to_owned());
                start = at + 1;
            }
            _ if depth == 0 && query[at..].starts_with(" FROM ") => {
                items.push(query[start..at].trim().to_owned());
                return items;
            }
            _ => {}
        }
    }
    items.push(query[start..].trim().to_owned());
    items
}

/// The name of an item's column.
pub(super) fn name_of(item: &str) -> String {
    let last = item.rsplit_once(" AS ").map_or(item, |(_, name)| name);
    let plain = last
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '.');
    if plain {
        last.rsplit('.').next().unwrap_or(last).to_owned()
    } else {
        "_col".to_owned()
    }
}

/// What stands for an item's value.
fn value(item: &str, rows: u64) -> (&'static str, Value) {
    let lower = item.to_lowercase();
    if lower.starts_with("count(") {
        return ("bigint", json!(rows));
    }
    if lower.contains("created_at") || lower.contains("name") {
        return ("varchar", json!("rehearsal"));
    }
    if lower.contains("bigint") || lower == "sum(id)" || lower == "id" {
        return ("bigint", json!(rows * 2));
    }
    ("double", json!(rows as f64 / 2.0))
}
