//! Statements that only read: the ones that ask the server about itself, and any SELECT over tables that are there.

use regex::Regex;
use serde_json::{Value, json};

use super::lake::{Done, Failed, Stage, Table};
use super::nodes;
use super::statements::{Statement, like, missing, texts, unknown};
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

fn columns(names: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    names
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect()
}

/// One number.
fn count(number: u64) -> Done {
    Done {
        columns: columns(&[("_col0", "bigint")]),
        rows: vec![vec![json!(number)]],
        ..Done::default()
    }
}

fn about_the_server(world: &World, statement: &Statement<'_>) -> Option<Done> {
    let nodes = nodes::all(world);
    if statement
        .is("SELECT DISTINCT node_version FROM system.runtime.nodes")
        .is_some()
    {
        let mut versions: Vec<String> = nodes.into_iter().map(|node| node.version).collect();
        versions.sort();
        versions.dedup();
        return Some(texts("node_version", versions));
    }
    if statement
        .is("SELECT node_id FROM system.runtime.nodes WHERE coordinator")
        .is_some()
    {
        return Some(texts(
            "node_id",
            nodes
                .into_iter()
                .filter(|node| node.coordinator)
                .map(|node| node.id),
        ));
    }
    if statement
        .is("SELECT node_id, http_uri, node_version, coordinator, state FROM system.runtime.nodes")
        .is_some()
    {
        return Some(Done {
            columns: columns(&[
                ("node_id", "varchar"),
                ("http_uri", "varchar"),
                ("node_version", "varchar"),
                ("coordinator", "boolean"),
                ("state", "varchar"),
            ]),
            rows: nodes
                .iter()
                .map(|node| {
                    vec![
                        json!(node.id),
                        json!(node.uri),
                        json!(node.version),
                        json!(node.coordinator),
                        json!("active"),
                    ]
                })
                .collect(),
            ..Done::default()
        });
    }
    let both = r#"SELECT count\(node\), \(SELECT count\(\*\) FROM system.runtime.nodes WHERE state = 'active'\) FROM jmx.current."java.lang:type=runtime""#;
    if statement.is(both).is_some() {
        let all = json!(nodes.len());
        return Some(Done {
            columns: columns(&[("answering", "bigint"), ("active", "bigint")]),
            rows: vec![vec![all.clone(), all]],
            ..Done::default()
        });
    }
    let jvm = r#"SELECT r.node, n.coordinator, (.*) FROM jmx.current."java.lang:type=runtime" r JOIN system.runtime.nodes n ON n.node_id = r.node WHERE n.state = 'active'"#;
    if let Some(found) = statement.is(jvm) {
        return arguments_of(&nodes, &found[0]);
    }
    let history = r"SELECT state, count\(\*\) AS queries, min\(.*\) AS shortest_ms, max\(.*\) AS longest_ms, max\(queued_time_ms\) AS longest_queued_ms FROM system.runtime.queries WHERE source LIKE '([^']*)' GROUP BY state";
    let found = statement.is(history)?;
    Some(history_of(world, &found[0]))
}

/// Whether each node's JVM was started with what is looked for in its arguments.
fn arguments_of(nodes: &[nodes::Node], looked_for: &str) -> Option<Done> {
    let plain = Regex::new(r"^strpos\(r.inputarguments, '([^']*)'\) > 0 AS (\w+)$").ok()?;
    let heap = Regex::new(r"^strpos\(r.inputarguments, '-Xmx' \|\| IF\(n.coordinator, '(\w+)', '(\w+)'\)\) > 0 AS (\w+)$").ok()?;
    let mut done = Done {
        columns: columns(&[("node", "varchar"), ("coordinator", "boolean")]),
        rows: nodes
            .iter()
            .map(|node| vec![json!(node.id), json!(node.coordinator)])
            .collect(),
        ..Done::default()
    };
    for item in items(looked_for) {
        let (name, wanted) = match (plain.captures(&item), heap.captures(&item)) {
            (Some(found), _) => (
                found[2].to_owned(),
                [found[1].to_owned(), found[1].to_owned()],
            ),
            (None, Some(found)) => (
                found[3].to_owned(),
                [format!("-Xmx{}", &found[1]), format!("-Xmx{}", &found[2])],
            ),
            (None, None) => return None,
        };
        done.columns.push((name, "boolean"));
        for (node, row) in nodes.iter().zip(&mut done.rows) {
            let wanted = &wanted[usize::from(!node.coordinator)];
            row.push(json!(
                node.arguments
                    .split(", ")
                    .any(|argument| argument == wanted)
            ));
        }
    }
    Some(done)
}

fn history_of(world: &World, source: &str) -> Done {
    let mut states: Vec<(&str, Vec<i64>, i64)> = Vec::new();
    let own = world
        .lake
        .queries
        .iter()
        .filter(|query| like(source, &query.source) && query.stage != Stage::Announced);
    for query in own {
        let name = query.stage.name();
        if !states.iter().any(|(known, ..)| *known == name) {
            states.push((name, Vec::new(), 0));
        }
        if let Some((_, times, queued)) = states.iter_mut().find(|(known, ..)| *known == name) {
            times.push(query.elapsed_millis());
            *queued = (*queued).max(query.queued_millis());
        }
    }
    Done {
        columns: columns(&[
            ("state", "varchar"),
            ("queries", "bigint"),
            ("shortest_ms", "bigint"),
            ("longest_ms", "bigint"),
            ("longest_queued_ms", "bigint"),
        ]),
        rows: states
            .iter()
            .map(|(state, times, queued)| {
                vec![
                    json!(state),
                    json!(times.len()),
                    json!(times.iter().min()),
                    json!(times.iter().max()),
                    json!(queued),
                ]
            })
            .collect(),
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

fn about_tables(world: &World, statement: &Statement<'_>) -> Result<Option<Done>, Failed> {
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
        let of = Regex::new(r#"FROM "(\w+)\$files""#).map_err(|_| unknown(statement))?;
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

fn table<'a>(world: &'a World, statement: &Statement<'_>, name: &str) -> Result<&'a Table, Failed> {
    let (catalog, schema, table) = statement.resolve(name);
    world
        .lake
        .schemas
        .get(&(catalog.clone(), schema.clone()))
        .and_then(|tables| tables.get(&table))
        .ok_or_else(|| missing(&catalog, &schema, &table))
}

/// The tables that a query reads; one that is not there is an error, and so is a query of none.
fn tables<'a>(
    world: &'a World,
    statement: &Statement<'_>,
    query: &str,
) -> Result<Vec<&'a Table>, Failed> {
    let named =
        Regex::new(r"(?i)\b(?:FROM|JOIN) ([a-z_][\w.]*)").map_err(|_| unknown(statement))?;
    let with = Regex::new(r"(?i)(?:\bWITH|,) ([a-z_]\w*) AS \(").map_err(|_| unknown(statement))?;
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
fn pruned_to(query: &str, tables: &[&Table]) -> Option<String> {
    let [table] = tables else { return None };
    let column = table.partitioned_by.as_ref()?;
    let predicate = Regex::new(&format!(r"(?i) WHERE {column} = '([^']*)'$")).ok()?;
    Some(predicate.captures(query)?[1].to_owned())
}

/// Any query over tables that are there: one row, of numbers that follow from their sizes.
fn select(world: &World, statement: &Statement<'_>) -> Result<Done, Failed> {
    let text = &statement.text;
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
