//! A query in the forms in which the server shows it: a page of its result, a line of the list, and the whole. Pure.

use serde_json::{Value, json};

use super::lake::{Done, Failed, Query, Stage};
use super::nodes::Node;

/// The part of a query that its client sees. `next` is the number of the page after it, if there is one.
pub(super) fn page(query: &Query, host: &str, phase: &str, next: Option<u32>) -> Value {
    let done = match &query.stage {
        Stage::Finished(done) => Some(&**done),
        Stage::Announced | Stage::Waiting | Stage::Running | Stage::Failed(_) => None,
    };
    let mut page = json!({
        "id": query.id,
        "infoUri": format!("http://{host}/ui/query.html?{}", query.id),
        "stats": stats(query, done),
        "warnings": []
    });
    if let Some(next) = next.filter(|_| !matches!(query.stage, Stage::Failed(_))) {
        page["nextUri"] = json!(format!(
            "http://{host}/v1/statement/{phase}/{}/{}/{next}",
            query.id,
            query.slug()
        ));
        return page;
    }
    match &query.stage {
        Stage::Finished(done) => {
            if !done.columns.is_empty() {
                let columns = done.columns.iter().map(|(name, kind)| {
                    json!({"name": name, "type": kind, "typeSignature": {"rawType": kind, "arguments": []}})
                });
                page["columns"] = columns.collect();
            }
            if !done.rows.is_empty() {
                page["data"] = json!(done.rows);
            }
            if let Some(update) = done.update_type {
                page["updateType"] = json!(update);
            }
            if let Some(count) = done.update_count {
                page["updateCount"] = json!(count);
            }
        }
        Stage::Failed(failed) => page["error"] = error(failed),
        Stage::Announced | Stage::Waiting | Stage::Running => {}
    }
    page
}

fn stats(query: &Query, done: Option<&Done>) -> Value {
    let (rows, bytes) = done.map_or((0, 0), |done| (done.processed_rows, done.read_bytes));
    let ended = query.stage.ended();
    let splits = if ended { 6 } else { 0 };
    json!({"state": query.stage.name(), "queued": matches!(query.stage, Stage::Announced | Stage::Waiting), "scheduled": ended,
        "nodes": if ended { 3 } else { 0 }, "totalSplits": splits, "queuedSplits": 0, "runningSplits": 0, "completedSplits": splits,
        "cpuTimeMillis": query.elapsed_millis(), "wallTimeMillis": query.elapsed_millis(),
        "queuedTimeMillis": query.queued_millis(), "elapsedTimeMillis": query.elapsed_millis(),
        "processedRows": rows, "processedBytes": bytes, "physicalInputBytes": bytes, "physicalWrittenBytes": 0,
        "peakMemoryBytes": query.effort.reserves, "spilledBytes": if ended { query.effort.spills } else { 0 }})
}

fn error(failed: &Failed) -> Value {
    json!({"message": failed.message, "errorCode": failed.code, "errorName": failed.name, "errorType": failed.kind,
        "failureInfo": {"type": "io.trino.spi.TrinoException", "message": failed.message, "suppressed": [], "stack": []}})
}

/// The answer to a statement that the user may not send.
pub(super) fn refused(message: &str) -> Value {
    json!({"id": "00000000_000000_00000_rhrsl", "stats": {"state": "FAILED"}, "warnings": [],
        "error": error(&Failed::user("PERMISSION_DENIED", 4, message))})
}

/// A line of `GET /v1/query`.
pub(super) fn summary(query: &Query) -> Value {
    let memory = match query.stage {
        Stage::Running => query.effort.reserves,
        _ => 0,
    };
    let mut summary = json!({
        "queryId": query.id, "state": query.stage.name(), "query": query.sql, "queryType": kind(&query.sql),
        "session": {"user": query.user, "source": query.source, "clientTags": query.tags, "catalog": query.catalog, "schema": query.schema},
        "queryStats": {"createTime": query.created, "executionStartTime": query.began, "endTime": query.ended,
            "elapsedTime": format!("{}.00ms", query.elapsed_millis()), "totalMemoryReservation": format!("{memory}B")}
    });
    if let Stage::Failed(failed) = &query.stage {
        summary["errorCode"] =
            json!({"code": failed.code, "name": failed.name, "type": failed.kind});
        summary["errorType"] = json!(failed.kind);
    }
    summary
}

/// `GET /v1/query/ID`: with what each node did.
pub(super) fn full(query: &Query, nodes: &[Node]) -> Value {
    let mut full = summary(query);
    let Stage::Finished(done) = &query.stage else {
        return full;
    };
    full["queryStats"]["writtenPositions"] = json!(done.update_count.unwrap_or(0));
    let workers = nodes.iter().filter(|node| !node.coordinator).count().max(1) as u64;
    let tasks: Vec<Value> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let (drivers, rows) = match node.coordinator {
                true => (1, done.rows.len() as u64),
                false => (4, done.processed_rows / workers),
            };
            json!({"taskStatus": {"taskId": format!("{}.1.{at}.0", query.id), "nodeId": node.id, "state": "FINISHED"},
                "stats": {"completedDrivers": drivers, "processedInputPositions": rows}})
        })
        .collect();
    full["stages"] = json!({"outputStageId": format!("{}.0", query.id),
        "stages": [{"stageId": format!("{}.1", query.id), "state": "FINISHED", "tasks": tasks}]});
    full
}

fn kind(sql: &str) -> &'static str {
    match sql
        .split_whitespace()
        .next()
        .map(str::to_uppercase)
        .as_deref()
    {
        Some("INSERT" | "CREATE") if sql.to_uppercase().contains("SELECT") => "INSERT",
        Some("INSERT") => "INSERT",
        Some("DELETE") => "DELETE",
        Some("CREATE" | "DROP") => "DATA_DEFINITION",
        Some("SHOW" | "EXPLAIN") => "DESCRIBE",
        _ => "SELECT",
    }
}
