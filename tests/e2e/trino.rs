//! Trino asked by the suite itself: what is in a table, and what runs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::{Outcome, fail};
use crate::http;

/// The coordinator's address inside the cluster, which the host of the lab reaches.
pub(crate) struct Trino {
    address: String,
}

const USER: (&str, &str) = ("X-Trino-User", "e2e");
/// The suite's own queries are small. One that was given to a worker that has gone would wait for minutes.
const PATIENCE: &str = "query_max_run_time=30s";

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
            ("X-Trino-Session", PATIENCE),
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

    /// The addresses of the workers that the coordinator calls active.
    pub(crate) fn workers(&self) -> Outcome<BTreeSet<String>> {
        let rows = self.rows(
            "SELECT url_extract_host(http_uri) FROM system.runtime.nodes \
             WHERE NOT coordinator AND state = 'active'",
        )?;
        let hosts = rows.iter().map(|row| row[0].as_str().map(str::to_owned));
        (hosts.collect::<Option<_>>()).ok_or_else(|| format!("these are no addresses: {rows:?}"))
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
