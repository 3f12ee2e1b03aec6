//! A coordinator's answers from any bytes, for the fuzz targets: the decoders that the client uses, and what it does with
//! what they give. Nothing of it is part of the program.

use std::time::Duration;

use serde_json::Value;

use super::protocol::{Page, QuerySummary, ServerInfo, shares};
use super::result::Gathered;
use super::transport::{decode, headers};
use super::{Statement, classify};

/// How many rows a step keeps here.
const ROWS: usize = 10;

/// Reads the bytes as each answer of a coordinator, and as the body of an error.
pub fn answers(bytes: &[u8]) {
    drop(decode::<ServerInfo>("/v1/info", bytes));
    if let Ok(page) = decode::<Page>("a page", bytes) {
        take(page);
    }
    if let Ok(queries) = decode::<Vec<QuerySummary>>("/v1/query", bytes) {
        for query in &queries {
            let _ = (query.ended(), query.query_stats.memory_bytes());
        }
    }
    if let Ok(record) = decode::<Value>("a query", bytes) {
        drop(shares(&record));
        drop(serde_json::from_value::<QuerySummary>(record));
    }
    let text = String::from_utf8_lossy(bytes);
    for status in [400, 401, 404, 429, 503] {
        drop(classify::http_failed("the statement", status, &text));
    }
    // The id of a query goes into the next request, and the statement is the author's.
    drop(headers(&[("x-trino-source", text.to_string())]));
    if let Ok(statement) = Statement::new(&text) {
        let _ = (statement.digest(), statement.doubles());
    }
}

/// What becomes of a page: twice, as if a second one like it had come.
fn take(page: Page) {
    if let Some(error) = &page.error {
        drop(classify::query_failed(&page.id, error));
    }
    let _ = page.stats.run_time_millis();
    let mut gathered = Gathered::new(&page, ROWS);
    gathered.take(page.clone(), Duration::from_millis(1));
    gathered.take(page, Duration::from_millis(2));
    drop(gathered.finish(Duration::from_millis(3)));
}
