//! Looks at the server while the clients work: what the server itself counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use crate::clients::trino::protocol::QuerySummary;
use crate::clients::trino::query::millis;
use crate::clients::trino::{TrinoClient, source};
use crate::context::StepContext;

/// What the server said at one moment of this attempt's queries that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Since the start of the load.
    pub at_millis: u64,
    /// How many queries were in each state.
    pub states: BTreeMap<String, u64>,
    /// The memory that they held together.
    pub memory_bytes: u64,
}

impl Reading {
    fn of(queries: &[QuerySummary], source: &str, at: Duration) -> Self {
        let mut reading = Self {
            at_millis: millis(at),
            ..Self::default()
        };
        for query in queries {
            if query.session.source.as_deref() == Some(source) && !query.ended() {
                *reading.states.entry(query.state.clone()).or_default() += 1;
                reading.memory_bytes += query.query_stats.memory_bytes();
            }
        }
        reading
    }

    /// Queries in this state.
    #[must_use]
    pub fn in_state(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or_default()
    }
}

/// Does the work, and asks the server meanwhile. A reading that fails is left out: it is not the load that failed.
pub(super) async fn beside<T>(
    cx: &StepContext,
    client: &TrinoClient,
    every: Duration,
    work: impl Future<Output = T>,
) -> (T, Vec<Reading>) {
    let begun = cx.clock.elapsed();
    let source = source(&cx.attempt);
    let mut readings = Vec::new();
    let mut last = String::new();
    let mut work = std::pin::pin!(work);
    loop {
        let read = async {
            tokio::time::sleep(every).await;
            client.queries().await
        };
        tokio::select! {
            done = &mut work => return (done, readings),
            answer = read => match answer {
                Ok(queries) => {
                    let reading = Reading::of(&queries, &source, cx.clock.elapsed() - begun);
                    let now = shown(&reading);
                    if now != last {
                        cx.sink.progress(&format!("on the server: {now}"));
                        last = now;
                    }
                    readings.push(reading);
                }
                Err(error) => tracing::debug!(%error, "the server did not say what runs"),
            },
        }
    }
}

fn shown(reading: &Reading) -> String {
    if reading.states.is_empty() {
        return "none of the queries".to_owned();
    }
    reading
        .states
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_this_attempts_living_queries_count() {
        let query = |state: &str, source: &str, memory: &str| {
            json!({"queryId": "q", "state": state, "session": {"source": source},
                   "queryStats": {"totalMemoryReservation": memory}})
        };
        let queries: Vec<QuerySummary> = serde_json::from_value(json!([
            query("RUNNING", "flowctl/r/s/1", "100B"),
            query("RUNNING", "flowctl/r/s/1", "23B"),
            query("QUEUED", "flowctl/r/s/1", "0B"),
            query("FINISHED", "flowctl/r/s/1", "5B"),
            query("RUNNING", "flowctl/r/s/2", "7B"),
        ]))
        .unwrap();
        let reading = Reading::of(&queries, "flowctl/r/s/1", Duration::from_millis(5));
        assert_eq!(
            (
                reading.in_state("RUNNING"),
                reading.in_state("QUEUED"),
                reading.in_state("FINISHED")
            ),
            (2, 1, 0)
        );
        assert_eq!(reading.memory_bytes, 123);
    }
}
