//! What a statement came to: its result, put together page by page, or the server's refusal.

use std::time::Duration;

use serde_json::{Value, json};

use super::Statement;
use super::protocol::{Column, Page, Stats};
use super::rows::Fingerprint;
use crate::error::StepError;

/// A statement that came to its end.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// The query's id.
    pub query_id: String,
    /// The result's columns.
    pub columns: Vec<Column>,
    /// The first rows, at most as many as asked for.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there were.
    pub row_count: u64,
    /// The same for the same rows in any order.
    pub fingerprint: String,
    /// For example `INSERT`.
    pub update_type: Option<String>,
    /// Rows written, where Trino says so.
    pub update_count: Option<u64>,
    /// What it cost, as the last page says.
    pub stats: Stats,
    /// The server's remarks.
    pub warnings: Vec<String>,
    /// Pages that were fetched.
    pub pages: u64,
    /// From the request to the last page on this side.
    pub wall: Duration,
    /// From the request to the first row on this side.
    pub first_row: Option<Duration>,
    /// From the moment at which the statement was sent to the first byte of the first answer.
    pub first_byte: Duration,
    /// What of `wall` is flowctl's own work: all but the times from a request's sending to its answer's last byte.
    pub own: Duration,
}

impl QueryResult {
    /// The raw record, for the evidence.
    #[must_use]
    pub fn record(&self, statement: &Statement, source: &str) -> Value {
        json!({
            "query_id": self.query_id,
            "source": source,
            "sql": statement.sql(),
            "columns": self.columns,
            "rows": self.rows,
            "row_count": self.row_count,
            "fingerprint": self.fingerprint,
            "update_type": self.update_type,
            "update_count": self.update_count,
            "stats": self.stats,
            "warnings": self.warnings,
            "pages": self.pages,
            "client_wall_millis": millis(self.wall),
            "client_first_row_millis": self.first_row.map(millis),
            "client_first_byte_micros": micros(self.first_byte),
            "client_own_micros": micros(self.own),
        })
    }
}

/// A statement that the server refused, or gave up.
#[derive(Debug, Clone)]
pub struct QueryRefusal {
    /// The query's id.
    pub query_id: String,
    /// Trino's name of the error, for example `EXCEEDED_TIME_LIMIT`.
    pub error_name: String,
    /// What it had cost by then, as the last page says.
    pub stats: Stats,
    /// From the request to the refusal, on this side.
    pub wall: Duration,
    /// The same as a step's error, classified.
    pub error: StepError,
}

/// A duration as whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the pages brought so far.
pub(super) struct Gathered {
    pub(super) result: QueryResult,
    fingerprint: Fingerprint,
    max_rows: usize,
    /// How long the server and the network took.
    pub(super) waited: Duration,
}

impl Gathered {
    pub(super) fn new(first: &Page, max_rows: usize) -> Self {
        let result = QueryResult {
            query_id: first.id.clone(),
            columns: Vec::new(),
            rows: Vec::new(),
            row_count: 0,
            fingerprint: String::new(),
            update_type: None,
            update_count: None,
            stats: Stats::default(),
            warnings: Vec::new(),
            pages: 0,
            wall: Duration::ZERO,
            first_row: None,
            first_byte: Duration::ZERO,
            own: Duration::ZERO,
        };
        Self {
            result,
            fingerprint: Fingerprint::default(),
            max_rows,
            waited: Duration::ZERO,
        }
    }

    pub(super) fn take(&mut self, page: Page, at: Duration) {
        let result = &mut self.result;
        result.pages += 1;
        if let Some(columns) = page.columns {
            result.columns = columns;
        }
        for row in page.data.unwrap_or_default() {
            result.first_row.get_or_insert(at);
            result.row_count += 1;
            self.fingerprint.add(&row);
            if result.rows.len() < self.max_rows {
                result.rows.push(row);
            }
        }
        result.update_type = page.update_type.or(result.update_type.take());
        result.update_count = page.update_count.or(result.update_count);
        if !page.warnings.is_empty() {
            result.warnings = page
                .warnings
                .into_iter()
                .map(|warning| warning.message)
                .collect();
        }
        result.stats = page.stats;
    }

    pub(super) fn finish(mut self, wall: Duration) -> QueryResult {
        self.result.wall = wall;
        self.result.own = wall.saturating_sub(self.waited);
        self.result.fingerprint = self.fingerprint.finish();
        self.result
    }
}
