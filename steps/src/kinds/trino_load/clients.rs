//! The clients. Closed model: all begin at once, each sends one query after the other. Open model: each takes the next query
//! that nobody has taken, and sends it when it is due.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowctl_workflows::result::ErrorClass;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;

use super::params::Schedule;
use super::{LoadQuery, Params};
use crate::clients::trino::protocol::{QueryTimes, Stats};
use crate::clients::trino::result::{micros, millis};
use crate::clients::trino::{QueryOptions, Statement, TrinoClient};
use crate::context::StepContext;
use crate::error::StepError;

/// One query of one client.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ran {
    /// Which client, from 1.
    pub client: u32,
    /// The query's name.
    pub name: String,
    /// The query's id, unless the server never took it.
    pub query_id: Option<String>,
    /// How many rows it returned.
    pub row_count: u64,
    /// Why it did not end well.
    pub failure: Option<String>,
    /// Trino's name of the error that it ended with.
    pub error_name: Option<String>,
    /// From the request to the last page, on this side.
    pub client_wall_millis: u64,
    /// In the open model: how long after it was due it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_micros: Option<u64>,
    /// From the statement's sending to the first byte of the first answer.
    #[serde(default)]
    pub client_first_byte_micros: Option<u64>,
    /// What of the time on this side is flowctl's own work.
    #[serde(default)]
    pub client_own_micros: Option<u64>,
    /// What it cost.
    pub stats: Stats,
    /// Its life on the server's clock, asked for afterwards.
    pub times: Option<QueryTimes>,
}

/// Runs all clients to their end.
///
/// # Errors
/// Cancelled; all other failures are outcomes of the queries.
pub(super) async fn run(
    cx: &StepContext,
    client: &TrinoClient,
    params: &Params,
    statements: &[Statement],
    options: &QueryOptions,
) -> Result<Vec<Ran>, StepError> {
    let start = Barrier::new(params.clients as usize);
    let queue = Queue {
        schedule: params.schedule(),
        begun: OnceLock::new(),
        next: AtomicU64::new(0),
    };
    let all = (1..=params.clients).map(|number| {
        let one = One {
            cx,
            client,
            params,
            statements,
            options,
            number,
            queue: &queue,
        };
        let start = &start;
        async move {
            start.wait().await;
            one.run().await
        }
    });
    // All of them to their end: a cancelled client still has to end its query.
    let all: Result<Vec<Vec<Ran>>, StepError> = join_all(all).await.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

/// What is due, for all clients.
struct Queue {
    schedule: Option<Schedule>,
    begun: OnceLock<Duration>,
    next: AtomicU64,
}

/// One client.
struct One<'a> {
    cx: &'a StepContext,
    client: &'a TrinoClient,
    params: &'a Params,
    statements: &'a [Statement],
    options: &'a QueryOptions,
    number: u32,
    queue: &'a Queue,
}

impl One<'_> {
    async fn run(self) -> Result<Vec<Ran>, StepError> {
        match self.queue.schedule {
            None => self.one_after_the_other().await,
            Some(schedule) => self.when_due(schedule).await,
        }
    }

    async fn when_due(self, schedule: Schedule) -> Result<Vec<Ran>, StepError> {
        let begun = *self.queue.begun.get_or_init(|| self.cx.clock.elapsed());
        let mut ran = Vec::new();
        loop {
            let place = self.queue.next.fetch_add(1, Ordering::Relaxed);
            if place >= schedule.queries {
                return Ok(ran);
            }
            let due = begun + schedule.every.mul_f64(place as f64);
            self.cx
                .sleep(due.saturating_sub(self.cx.clock.elapsed()))
                .await?;
            let at = usize::try_from(place).unwrap_or(0) % self.statements.len();
            let late = self.cx.clock.elapsed().saturating_sub(due);
            let mut one = self
                .query(&self.params.queries[at], &self.statements[at])
                .await?;
            one.late_micros = Some(micros(late));
            ran.push(one);
        }
    }

    async fn one_after_the_other(self) -> Result<Vec<Ran>, StepError> {
        let begun = self.cx.clock.elapsed();
        let mut ran = Vec::new();
        loop {
            // Each client begins with another query.
            let at = (self.number as usize - 1 + ran.len()) % self.statements.len();
            ran.push(
                self.query(&self.params.queries[at], &self.statements[at])
                    .await?,
            );
            let goes_on = match self.params.duration {
                Some(duration) => self.cx.clock.elapsed() - begun < duration.duration(),
                None => ran.len() < self.params.queries_per_client.unwrap_or(1) as usize,
            };
            if !goes_on {
                return Ok(ran);
            }
        }
    }

    async fn query(&self, query: &LoadQuery, statement: &Statement) -> Result<Ran, StepError> {
        let tags = vec![
            format!("query={}", query.name),
            format!("client={}", self.number),
        ];
        let options = QueryOptions {
            tags,
            ..self.options.clone()
        };
        let begun = self.cx.clock.elapsed();
        let outcome = self.client.outcome(self.cx, statement, &options).await;
        let mut ran = Ran {
            client: self.number,
            name: query.name.clone(),
            ..Ran::default()
        };
        ran.client_wall_millis = millis(self.cx.clock.elapsed() - begun);
        match outcome {
            Ok(Ok(result)) => {
                if !query.rows.hold(result.row_count) {
                    ran.failure = Some(format!(
                        "query {} returned {} rows, asked for {}",
                        result.query_id, result.row_count, query.rows
                    ));
                }
                ran.client_first_byte_micros = Some(micros(result.first_byte));
                ran.client_own_micros = Some(micros(result.own));
                ran.query_id = Some(result.query_id);
                ran.row_count = result.row_count;
                ran.stats = result.stats;
            }
            Ok(Err(refusal)) => {
                ran.query_id = Some(refusal.query_id);
                ran.error_name = Some(refusal.error_name);
                ran.failure = Some(refusal.error.message);
                ran.stats = refusal.stats;
            }
            Err(error) if error.class == ErrorClass::Cancelled => return Err(error),
            Err(error) => ran.failure = Some(error.message),
        }
        Ok(ran)
    }
}
