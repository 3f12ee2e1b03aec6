//! Trino asked by the suite itself: what is in a table, and what runs.

use serde_json::Value;

use crate::check::{Outcome, fail};
use crate::http;

/// The coordinator's address inside the cluster, which the host of the lab reaches.
pub(crate) struct Trino {
    address: String,
}

const USER: (&str, &str) = ("X-Trino-User", "e2e");

impl Trino {
    /// At `host:port`.
    pub(crate) fn at(address: String) -> Self {
        Self { address }
    }

    /// All rows of a statement.
    pub(crate) fn rows(&self, sql: &str) -> Outcome<Vec<Value>> {
        let headers = [
            USER,
            ("X-Trino-Catalog", "iceberg"),
            ("X-Trino-Schema", "lakehouse"),
            ("X-Trino-Source", "e2e"),
        ];
        let mut page = http::json(&self.address, "POST", "/v1/statement", &headers, sql)?;
        let mut rows = Vec::new();
        loop {
            if let Some(error) = page.get("error") {
                return fail(format!(
                    "`{sql}`: {} {}",
                    error["errorName"], error["message"]
                ));
            }
            rows.extend(page["data"].as_array().into_iter().flatten().cloned());
            let Some(next) = page["nextUri"].as_str().map(str::to_owned) else {
                return Ok(rows);
            };
            let path = next.find("/v1/").map_or("", |at| &next[at..]);
            page = http::json(&self.address, "GET", path, &[USER], "")?;
        }
    }

    /// A single whole number.
    pub(crate) fn number(&self, sql: &str) -> Outcome<i64> {
        let rows = self.rows(sql)?;
        match rows.first().and_then(|row| row[0].as_i64()) {
            Some(number) => Ok(number),
            None => fail(format!("`{sql}` gives no number but {rows:?}")),
        }
    }

    /// Queries of flowctl that have not ended: source and state of each.
    pub(crate) fn unfinished(&self) -> Outcome<Vec<(String, String)>> {
        let all = http::json(&self.address, "GET", "/v1/query", &[USER], "")?;
        let of = |query: &Value| {
            let source = query["session"]["source"].as_str()?;
            let state = query["state"].as_str()?;
            let open = source.starts_with("flowctl/") && !matches!(state, "FINISHED" | "FAILED");
            open.then(|| (source.to_owned(), state.to_owned()))
        };
        Ok(all
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(of)
            .collect())
    }
}
