//! Statements about tables: which there are, how they are marked, what was done to them, and what stands in the small ones.

use serde_json::json;

use super::lake::{Done, Failed, Table};
use super::read::columns;
use super::select::table;
use super::statements::{Statement, texts, unknown};
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

/// One number.
fn count(number: u64) -> Done {
    Done {
        columns: columns(&[("_col0", "bigint")]),
        rows: vec![vec![json!(number)]],
        ..Done::default()
    }
}

/// The marked tables of a schema.
fn commented<'a>(
    world: &'a World,
    catalog: &str,
    schema: &str,
    comment: &str,
) -> Vec<(&'a String, &'a Table)> {
    let tables = world
        .lake
        .schemas
        .get(&(catalog.to_owned(), schema.to_owned()));
    tables
        .into_iter()
        .flatten()
        .filter(|(_, table)| table.comment == comment)
        .collect()
}

pub(super) fn about_tables(
    world: &World,
    statement: &Statement<'_>,
) -> Result<Option<Done>, Failed> {
    let schemas = &world.lake.schemas;
    let in_schema =
        |catalog: &str, schema: &str| schemas.get(&(catalog.to_owned(), schema.to_owned()));
    const COMMENTS: &str =
        r"system.metadata.table_comments WHERE catalog_name = '(\w+)' AND schema_name = '(\w+)'";
    if let Some(found) = statement.is(&format!(
        r"SELECT table_name FROM {COMMENTS} AND comment = '([^']*)'"
    )) {
        let marked = commented(world, &found[0], &found[1], &found[2]);
        return Ok(Some(texts(
            "table_name",
            marked.into_iter().map(|(name, _)| name.clone()),
        )));
    }
    let verified = format!(
        r"SELECT \(SELECT count\(\*\) FROM ([\w.]+)\), \(SELECT count\(\*\) FROM {COMMENTS} AND table_name = '(\w+)' AND comment = '([^']*)'\)"
    );
    if let Some(found) = statement.is(&verified) {
        let table = table(world, statement, &found[0])?;
        let marked = commented(world, &found[1], &found[2], &found[4]);
        let marked = marked.iter().filter(|(name, _)| **name == found[3]).count();
        return Ok(Some(Done {
            columns: columns(&[("_col0", "bigint"), ("_col1", "bigint")]),
            rows: vec![vec![json!(table.rows), json!(marked)]],
            ..Done::default()
        }));
    }
    const SCHEMATA: &str =
        r"SELECT count\(\*\) FROM (\w+).information_schema.schemata WHERE schema_name = '(\w+)'";
    let has_schema = |found: &[String]| u64::from(in_schema(&found[0], &found[1]).is_some());
    if let Some(found) = statement.is(SCHEMATA) {
        return Ok(Some(count(has_schema(&found))));
    }
    const TABLES: &str =
        r"SELECT count\(\*\) FROM (\w+).information_schema.tables WHERE table_schema = '(\w+)'";
    let has_tables =
        |found: &[String]| in_schema(&found[0], &found[1]).map_or(0, |tables| tables.len() as u64);
    if let Some(found) = statement.is(&format!(r"SELECT \({SCHEMATA}\), \({TABLES}\)")) {
        return Ok(Some(Done {
            columns: columns(&[("_col0", "bigint"), ("_col1", "bigint")]),
            rows: vec![vec![
                json!(has_schema(&found[..2])),
                json!(has_tables(&found[2..])),
            ]],
            ..Done::default()
        }));
    }
    if let Some(found) = statement.is(&format!(r"{TABLES} AND table_name = '(\w+)'")) {
        let there =
            in_schema(&found[0], &found[1]).is_some_and(|tables| tables.contains_key(&found[2]));
        return Ok(Some(count(u64::from(there))));
    }
    if let Some(found) = statement
        .is(r"SELECT table_name FROM information_schema.tables WHERE table_schema = '(\w+)'")
    {
        let tables = in_schema(statement.catalog, &found[0])
            .into_iter()
            .flatten();
        return Ok(Some(texts(
            "table_name",
            tables.map(|(name, _)| name.clone()),
        )));
    }
    if let Some(found) = statement.is(r"SELECT column_name FROM information_schema.columns WHERE table_schema = '(\w+)' AND table_name = '(\w+)'") {
        let table = in_schema(statement.catalog, &found[0]).and_then(|tables| tables.get(&found[1]));
        return Ok(Some(texts("column_name", table.into_iter().flat_map(|table| table.columns.clone()))));
    }
    if let Some(found) =
        statement.is(r#"SELECT operation FROM "(\w+)\$snapshots" ORDER BY committed_at"#)
    {
        // Iceberg notes the table's creation as an empty append.
        let table = table(world, statement, &found[0])?;
        let all = ["append"]
            .iter()
            .chain(&table.snapshots)
            .map(|operation| (*operation).to_owned());
        return Ok(Some(texts("operation", all)));
    }
    if let Some(found) = statement.is(r"SELECT (id|id, name) FROM ([\w.]+) ORDER BY id") {
        let table = table(world, statement, &found[1])?;
        let Some(ids) = &table.ids else {
            return Err(unknown(statement));
        };
        let named = found[0].contains("name");
        let all = [("id", "bigint"), ("name", "varchar")];
        return Ok(Some(Done {
            columns: columns(if named { &all } else { &all[..1] }),
            rows: ids
                .iter()
                .map(|id| {
                    if named {
                        vec![json!(id), json!(format!("name_{id}"))]
                    } else {
                        vec![json!(id)]
                    }
                })
                .collect(),
            processed_rows: ids.len() as u64,
            ..Done::default()
        }));
    }
    if let Some(found) = statement.is(r"SELECT sum\(bytes\), sum\(files\) FROM \((.*)\) AS tables")
    {
        let of = compiled(r#"FROM "(\w+)\$files""#).map_err(|_| unknown(statement))?;
        let names: Vec<String> = of
            .captures_iter(&found[0])
            .map(|name| name[1].to_owned())
            .collect();
        let mut bytes = 0;
        for name in &names {
            bytes += table(world, statement, name)?.bytes();
        }
        return Ok(Some(Done {
            columns: columns(&[("_col0", "bigint"), ("_col1", "bigint")]),
            rows: vec![vec![json!(bytes), json!(names.len())]],
            ..Done::default()
        }));
    }
    let distribution = r"SELECT o.orderpriority, count\(\*\), sum\(l.extendedprice\) FROM tpch.tiny.orders o JOIN tpch.tiny.lineitem l ON o.orderkey = l.orderkey GROUP BY o.orderpriority";
    if statement.is(distribution).is_some() {
        let priorities = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
        return Ok(Some(Done {
            columns: columns(&[
                ("orderpriority", "varchar"),
                ("_col1", "bigint"),
                ("_col2", "double"),
            ]),
            rows: priorities
                .iter()
                .map(|priority| vec![json!(priority), json!(12_035), json!(1.0)])
                .collect(),
            processed_rows: 75_175,
            ..Done::default()
        }));
    }
    Ok(None)
}
