//! Statements that ask the server about itself: its nodes, their JVMs, the queries that it remembers.

use serde_json::json;

use super::lake::{Done, Stage};
use super::nodes;
use super::read::columns;
use super::select::items;
use super::statements::{Statement, like, texts};
use crate::testing::rehearsal::patterns::compiled;
use crate::testing::rehearsal::world::World;

pub(super) fn about_the_server(world: &World, statement: &Statement<'_>) -> Option<Done> {
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
    let plain = compiled(r"^strpos\(r.inputarguments, '([^']*)'\) > 0 AS (\w+)$").ok()?;
    let heap = compiled(r"^strpos\(r.inputarguments, '-Xmx' \|\| IF\(n.coordinator, '(\w+)', '(\w+)'\)\) > 0 AS (\w+)$").ok()?;
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
