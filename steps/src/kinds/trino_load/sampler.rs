//! Looks at the server while the clients work: what the server itself counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::probe::PROBE;
use crate::clients::trino::protocol::QuerySummary;
use crate::clients::trino::result::millis;
use crate::clients::trino::{TrinoClient, source};
use crate::context::StepContext;

/// The first pause between two readings is so many times shorter than the later ones.
const DENSE: u32 = 8;

/// What the server said at one moment of this attempt's queries that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Since the start of the load.
    pub at_millis: u64,
    /// How many queries were in each state; one that runs but waits for memory or the like counts as `BLOCKED`.
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
            let own = query.session.source.as_deref() == Some(source);
            let probe = query.session.client_tags.iter().any(|tag| tag == PROBE);
            if own && !probe && !query.ended() {
                // As the server's own page counts them.
                let blocked = query.state == "RUNNING" && query.query_stats.fully_blocked;
                let state = if blocked { "BLOCKED" } else { &query.state };
                *reading.states.entry(state.to_owned()).or_default() += 1;
                reading.memory_bytes += query.query_stats.memory_bytes();
            }
        }
        reading
    }

    /// Queries that have left the queue and work, or wait for memory or the like.
    #[must_use]
    pub fn in_execution(&self) -> u64 {
        self.in_state("RUNNING") + self.in_state("BLOCKED")
    }

    /// Queries that wait to be admitted.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.in_state("QUEUED") + self.in_state("WAITING_FOR_RESOURCES")
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
    // Dense at first: of a load that is soon over something is seen too.
    let mut pause = every / DENSE;
    loop {
        let read = async {
            tokio::time::sleep(pause).await;
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
        pause = (pause * 2).min(every);
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
            json!({"queryId": "q", "state": "RUNNING", "session": {"source": "flowctl/r/s/1"},
                   "queryStats": {"fullyBlocked": true}}),
            json!({"queryId": "q", "state": "RUNNING", "session": {"source": "flowctl/r/s/1", "clientTags": ["probe"]}}),
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
        assert_eq!(
            (
                reading.in_state("BLOCKED"),
                reading.in_execution(),
                reading.queued()
            ),
            (1, 3, 1)
        );
        assert_eq!(reading.memory_bytes, 123);
    }
}
