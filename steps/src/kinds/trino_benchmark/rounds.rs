//! Runs the rounds: every query once a round, each round begun with another one, so that neither a slow minute nor a
//! neighbour's left-overs fall on one query alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Params;
use crate::clients::trino::calibration::{Calibration, calibrate};
use crate::clients::trino::classify::is_of_query;
use crate::clients::trino::protocol::Stats;
use crate::clients::trino::result::{micros, millis};
use crate::clients::trino::{QueryOptions, QueryResult, Statement, TrinoClient};
use crate::context::StepContext;
use crate::error::StepError;

/// One run of one query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// The round, from 1, warm-up included.
    pub round: u32,
    /// Whether it counts.
    pub counts: bool,
    /// The query's id.
    pub query_id: String,
    /// What is judged: elapsed less queued, on the server's clock.
    pub run_time_millis: u64,
    /// Time in the queue, on the server's clock.
    pub queued_millis: u64,
    /// From the request to the last page, on this side.
    pub client_wall_millis: u64,
    /// From the statement's sending to the first byte of the first answer.
    #[serde(default)]
    pub client_first_byte_micros: Option<u64>,
    /// What of the time on this side is flowctl's own work.
    #[serde(default)]
    pub client_own_micros: Option<u64>,
    /// How many rows it returned.
    pub row_count: u64,
    /// The same for the same rows in any order.
    pub fingerprint: String,
    /// The first rows; in the first round only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Vec<Value>>,
    /// What it cost.
    pub stats: Stats,
}

/// All runs of one query.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// What the client alone took before them.
    pub calibration: Option<Calibration>,
    /// In the order of the rounds.
    pub samples: Vec<Sample>,
    /// Why it was not run any more.
    pub failure: Option<String>,
}

impl Sample {
    fn of(round: u32, counts: bool, result: QueryResult) -> Self {
        Self {
            round,
            counts,
            query_id: result.query_id,
            run_time_millis: result.stats.run_time_millis(),
            queued_millis: result.stats.queued_time_millis,
            client_wall_millis: millis(result.wall),
            client_first_byte_micros: Some(micros(result.first_byte)),
            client_own_micros: Some(micros(result.own)),
            row_count: result.row_count,
            fingerprint: result.fingerprint,
            rows: if round == 1 { result.rows } else { Vec::new() },
            stats: result.stats,
        }
    }
}

/// Runs all rounds. A query that fails is not run again; the others go on.
///
/// # Errors
/// Cancelled; and when the server no longer answers, which is not a query's failure.
pub(super) async fn run(
    cx: &StepContext,
    client: &TrinoClient,
    params: &Params,
    statements: &[Statement],
    options: &QueryOptions,
) -> Result<Vec<Measured>, StepError> {
    let none = Measured {
        calibration: calibrate(cx).await?,
        ..Measured::default()
    };
    let mut measured = vec![none; statements.len()];
    let rounds = params.warmup.saturating_add(params.runs);
    for round in 1..=rounds {
        for place in 0..statements.len() {
            let at = (place + round as usize - 1) % statements.len();
            if measured[at].failure.is_some() {
                continue;
            }
            let name = &params.queries[at].name;
            cx.sink.progress(&progress(round, params, name));
            let options = QueryOptions {
                tags: vec![format!("query={name}")],
                ..options.clone()
            };
            match client.query(cx, &statements[at], &options).await {
                Ok(result) => {
                    measured[at]
                        .samples
                        .push(Sample::of(round, round > params.warmup, result))
                }
                Err(error) if is_of_query(&error) => {
                    measured[at].failure = Some(format!("round {round}: {}", error.message))
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(measured)
}

fn progress(round: u32, params: &Params, name: &str) -> String {
    if round <= params.warmup {
        format!("warm-up {round} of {}: {name}", params.warmup)
    } else {
        format!("run {} of {}: {name}", round - params.warmup, params.runs)
    }
}
