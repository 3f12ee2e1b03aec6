//! What Trino says over HTTP, as far as flowctl reads it. Measured on 368 and 476; a field that only
//! one of them sends is optional here. It decodes, and never judges.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /v1/info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// Its version.
    pub node_version: NodeVersion,
    /// `node.environment`.
    pub environment: String,
    /// Whether it takes statements.
    pub coordinator: bool,
    /// True until it is really ready; the port answers long before.
    pub starting: bool,
    /// Time since its start in Trino's words, for example `9.45m`.
    #[serde(default)]
    pub uptime: Option<String>,
}

/// A server's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVersion {
    /// For example `476`.
    pub version: String,
}

/// One answer of `/v1/statement`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The query's id.
    pub id: String,
    /// Where the next page is; absent on the last one.
    #[serde(default)]
    pub next_uri: Option<String>,
    /// The result's columns, as soon as they are known.
    #[serde(default)]
    pub columns: Option<Vec<Column>>,
    /// Rows, on those pages that carry some.
    #[serde(default)]
    pub data: Option<Vec<Vec<Value>>>,
    /// How far it is and what it cost.
    pub stats: Stats,
    /// Why the query failed. The HTTP status is 200 then too.
    #[serde(default)]
    pub error: Option<QueryError>,
    /// For example `INSERT`.
    #[serde(default)]
    pub update_type: Option<String>,
    /// Rows written, for the statements that know it.
    #[serde(default)]
    pub update_count: Option<u64>,
    /// What the server wants people to know.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, for example `timestamp(6) with time zone`.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// How far a query is and what it cost. The last page's are the final ones. Read as Trino writes it, and as a record does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all(deserialize = "camelCase"), default)]
pub struct Stats {
    /// `QUEUED`, `PLANNING`, `RUNNING`, `FINISHED`, `FAILED`, …
    pub state: String,
    /// Nodes that took part.
    pub nodes: u64,
    /// Pieces of work.
    #[serde(alias = "total_splits")]
    pub total_splits: u64,
    /// Pieces of work done.
    #[serde(alias = "completed_splits")]
    pub completed_splits: u64,
    /// From its creation until now or its end.
    #[serde(alias = "elapsed_time_millis")]
    pub elapsed_time_millis: u64,
    /// Of that, before it was admitted.
    #[serde(alias = "queued_time_millis")]
    pub queued_time_millis: u64,
    /// CPU time of all its tasks.
    #[serde(alias = "cpu_time_millis")]
    pub cpu_time_millis: u64,
    /// Scheduled time of all its tasks.
    #[serde(alias = "wall_time_millis")]
    pub wall_time_millis: u64,
    /// Rows that its scans and filters went through.
    #[serde(alias = "processed_rows")]
    pub processed_rows: u64,
    /// The same in bytes.
    #[serde(alias = "processed_bytes")]
    pub processed_bytes: u64,
    /// Bytes read from storage.
    #[serde(alias = "physical_input_bytes")]
    pub physical_input_bytes: u64,
    /// Bytes written to storage; 476 and later.
    #[serde(alias = "physical_written_bytes")]
    pub physical_written_bytes: u64,
    /// The most memory that it held at once.
    #[serde(alias = "peak_memory_bytes")]
    pub peak_memory_bytes: u64,
    /// Bytes written to disk for want of memory.
    #[serde(alias = "spilled_bytes")]
    pub spilled_bytes: u64,
    /// Progress, when the server can tell.
    #[serde(alias = "progress_percentage", skip_serializing_if = "Option::is_none")]
    pub progress_percentage: Option<f64>,
}

impl Stats {
    /// The time that a benchmark judges: all of it but the queue.
    #[must_use]
    pub fn run_time_millis(&self) -> u64 {
        self.elapsed_time_millis
            .saturating_sub(self.queued_time_millis)
    }
}

/// A remark of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Warning {
    /// The remark.
    #[serde(default)]
    pub message: String,
}

/// Why a query failed. The Java stack is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryError {
    /// For people.
    pub message: String,
    /// Stable, for example `TABLE_NOT_FOUND`.
    pub error_name: String,
    /// `USER_ERROR`, `INTERNAL_ERROR`, `INSUFFICIENT_RESOURCES` or `EXTERNAL`.
    #[serde(default)]
    pub error_type: String,
    /// Where in the SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_location: Option<ErrorLocation>,
}

/// A place in the SQL, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorLocation {
    /// The line.
    pub line_number: u32,
    /// The column.
    pub column_number: u32,
}

/// One entry of `GET /v1/query`, and the head of `GET /v1/query/{id}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuerySummary {
    /// The query's id.
    pub query_id: String,
    /// Who sent it.
    pub session: QuerySession,
    /// `FINISHED` and `FAILED` are the ends.
    pub state: String,
    /// Times.
    #[serde(default)]
    pub query_stats: QueryTimes,
    /// `SELECT`, `INSERT`, `DATA_DEFINITION`, …
    #[serde(default)]
    pub query_type: Option<String>,
    /// For example `CREATE TABLE`; only in the full form.
    #[serde(default)]
    pub update_type: Option<String>,
    /// The name of the error that it ended with.
    #[serde(default)]
    pub error_code: Option<ErrorCode>,
}

impl QuerySummary {
    /// Whether it came to an end, good or bad.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.state == "FINISHED" || self.state == "FAILED"
    }
}

/// Who sent a query.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuerySession {
    /// `X-Trino-Source`.
    #[serde(default)]
    pub source: Option<String>,
    /// `X-Trino-Client-Tags`.
    #[serde(default)]
    pub client_tags: Vec<String>,
}

/// The code of an error in a query's summary.
#[derive(Debug, Clone, Deserialize)]
pub struct ErrorCode {
    /// For example `USER_CANCELED`.
    pub name: String,
}

/// A query's life on the server's clock. Read as Trino writes it, and as a record does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"), default)]
pub struct QueryTimes {
    /// When it arrived.
    #[serde(alias = "create_time")]
    pub create_time: Option<jiff::Timestamp>,
    /// When it left the queue and began to be planned; only in the full form.
    #[serde(alias = "execution_start_time")]
    pub execution_start_time: Option<jiff::Timestamp>,
    /// When it ended.
    #[serde(alias = "end_time")]
    pub end_time: Option<jiff::Timestamp>,
    /// Rows written; only in the full form.
    #[serde(alias = "written_positions")]
    pub written_positions: Option<u64>,
    /// The memory that it holds now, for example `195102087B`.
    #[serde(alias = "total_memory_reservation")]
    pub total_memory_reservation: Option<String>,
    /// Whether all of its work waits for something, for example for memory.
    #[serde(alias = "fully_blocked")]
    pub fully_blocked: bool,
}

impl QueryTimes {
    /// The memory that it holds now.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let text = self.total_memory_reservation.as_deref();
        let digits = text.and_then(|text| text.strip_suffix('B'));
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }
}

/// What one node did for a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeShare {
    /// The node's id.
    pub node: String,
    /// Tasks that it took.
    pub tasks: u64,
    /// Drivers that ended in them: none means that a task was placed but did nothing.
    pub completed_drivers: u64,
    /// Rows that went into them.
    pub input_rows: u64,
}

/// The tasks of a query by node, out of `GET /v1/query/{id}`. The tree of stages has another form in later
/// versions than in 368 and 476, so every object with a `taskStatus` is taken, wherever it stands.
#[must_use]
pub fn shares(query: &Value) -> Vec<NodeShare> {
    let mut shares: std::collections::BTreeMap<String, NodeShare> =
        std::collections::BTreeMap::new();
    let mut open = vec![query];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                if let Some(node) = fields
                    .get("taskStatus")
                    .and_then(|status| status.get("nodeId"))
                    .and_then(Value::as_str)
                {
                    let number = |name| {
                        value
                            .pointer(&format!("/stats/{name}"))
                            .and_then(Value::as_u64)
                            .unwrap_or_default()
                    };
                    let share = shares.entry(node.to_owned()).or_default();
                    share.node = node.to_owned();
                    share.tasks += 1;
                    share.completed_drivers = share
                        .completed_drivers
                        .saturating_add(number("completedDrivers"));
                    share.input_rows = share
                        .input_rows
                        .saturating_add(number("processedInputPositions"));
                } else {
                    open.extend(fields.values());
                }
            }
            _ => {}
        }
    }
    shares.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // Excerpts of what 368 and 476 really answered.
    const LAST_476: &str = r#"{"id":"20261123_032229_00083_kzxnb","infoUri":"http://127.0.0.1:18476/ui/query.html?20261123_032229_00083_kzxnb",
      "columns":[{"name":"rows","type":"bigint","typeSignature":{"rawType":"bigint","arguments":[]}}],
      "stats":{"state":"FINISHED","queued":false,"scheduled":true,"progressPercentage":100.0,"nodes":1,"totalSplits":9,
        "completedSplits":9,"planningTimeMillis":24,"cpuTimeMillis":65,"wallTimeMillis":447,"queuedTimeMillis":9,
        "elapsedTimeMillis":770,"processedRows":4,"processedBytes":43,"physicalInputBytes":0,"physicalWrittenBytes":199,
        "peakMemoryBytes":1732,"spilledBytes":0},"warnings":[],"updateType":"INSERT","updateCount":2}"#;
    const SYNTAX_ERROR_368: &str = r#"{"id":"20261123_032214_00079_auu7p","stats":{"state":"FAILED","queued":false,"scheduled":false,
        "nodes":0,"elapsedTimeMillis":0,"queuedTimeMillis":0,"peakMemoryBytes":0},
      "error":{"message":"line 1:1: mismatched input 'SELEC'","errorCode":1,"errorName":"SYNTAX_ERROR","errorType":"USER_ERROR",
        "errorLocation":{"lineNumber":1,"columnNumber":1},"failureInfo":{"type":"io.trino.sql.parser.ParsingException","stack":["…"]}},
      "warnings":[]}"#;

    #[test]
    fn the_last_page_of_an_insert_is_read() {
        let page: Page = serde_json::from_str(LAST_476).unwrap();
        assert_eq!(
            (page.update_type.as_deref(), page.update_count),
            (Some("INSERT"), Some(2))
        );
        assert!(page.next_uri.is_none() && page.data.is_none());
        assert_eq!(page.stats.run_time_millis(), 761);
        assert_eq!(page.stats.peak_memory_bytes, 1732);
        assert_eq!(page.stats.physical_written_bytes, 199);
    }

    #[test]
    fn the_statistics_are_shown_in_snake_case() {
        let page: Page = serde_json::from_str(LAST_476).unwrap();
        let shown = serde_json::to_value(&page.stats).unwrap();
        assert_eq!(shown["elapsed_time_millis"], 770);
        let read: Stats = serde_json::from_value(shown).unwrap();
        assert_eq!(read, page.stats);
    }

    #[test]
    fn an_error_of_368_is_read_without_its_stack() {
        let page: Page = serde_json::from_str(SYNTAX_ERROR_368).unwrap();
        let error = page.error.unwrap();
        assert_eq!(error.error_name, "SYNTAX_ERROR");
        assert_eq!(
            error.error_location,
            Some(ErrorLocation {
                line_number: 1,
                column_number: 1
            })
        );
        assert!(
            !serde_json::to_string(&error)
                .unwrap()
                .contains("ParsingException")
        );
    }

    #[test]
    fn tasks_are_counted_by_node_wherever_the_stages_stand() {
        let task = |node: &str, drivers: u64, rows: u64| {
            json!({"taskStatus": {"taskId": "x.1.0.0", "nodeId": node, "state": "FINISHED"},
                   "stats": {"completedDrivers": drivers, "processedInputPositions": rows}})
        };
        let nested = json!({"outputStage": {"tasks": [task("coordinator", 1, 2)],
            "subStages": [{"tasks": [task("worker", 4, 1000), task("coordinator", 0, 0)], "subStages": []}]}});
        let flat = json!({"stages": {"outputStageId": "x.0", "stages": [
            {"tasks": [task("coordinator", 1, 2)]}, {"tasks": [task("worker", 4, 1000), task("coordinator", 0, 0)]}]}});
        let expected = vec![
            NodeShare {
                node: "coordinator".into(),
                tasks: 2,
                completed_drivers: 1,
                input_rows: 2,
            },
            NodeShare {
                node: "worker".into(),
                tasks: 1,
                completed_drivers: 4,
                input_rows: 1000,
            },
        ];
        assert_eq!(shares(&nested), expected);
        assert_eq!(shares(&flat), expected);
        assert_eq!(shares(&json!({"outputStage": null})), vec![]);
    }

    #[test]
    fn a_query_of_the_list_tells_its_source_and_its_times() {
        let query: QuerySummary = serde_json::from_value(json!({
            "queryId": "20261123_031450_00052_kzxnb", "state": "FINISHED", "scheduled": true, "queryType": "SELECT",
            "session": {"user": "lab", "source": "flowctl/r/s/1", "clientTags": ["flowctl"], "catalog": "iceberg"},
            "queryStats": {"createTime": "2026-11-23T03:14:50.181Z", "executionStartTime": "2026-11-23T03:14:50.370Z",
                           "endTime": "2026-11-23T03:16:03.360Z", "elapsedTime": "1.22m", "writtenPositions": 0}
        }))
        .unwrap();
        assert!(query.ended());
        assert_eq!(query.session.source.as_deref(), Some("flowctl/r/s/1"));
        let times = query.query_stats;
        let life = times
            .end_time
            .unwrap()
            .duration_since(times.create_time.unwrap());
        assert_eq!(life.as_millis(), 73_179);
        let shown = serde_json::to_value(&times).unwrap();
        assert_eq!(serde_json::from_value::<QueryTimes>(shown).unwrap(), times);
    }
}
