//! `trino.load`: many clients at once, and the proof that they really were at once.
//! Effect: none; it takes only statements that read. Idempotent: after a crash what runs is ended and it begins
//! again. Permissions: those that the queries need, and to see the user's own queries.
//!
//! Closed model: each client sends its next query when its last one has ended. That twenty queries were sent at once
//! does not mean that the server worked on twenty at once, so the overlap is taken from the server's own clock.

mod clients;
mod overlap;
mod sampler;
mod verdict;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::trino_benchmark::reading;
use super::trino_query::{Bounds, SessionValue, session_of};
use crate::clients::trino::query::millis;
use crate::clients::trino::{QueryOptions, Statement, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use clients::Ran;
pub use sampler::Reading;

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How the queries come.
    #[serde(default)]
    pub model: Model,
    /// How many clients there are, each with one query at a time.
    #[schemars(range(min = 1))]
    pub clients: u32,
    /// How many queries each client sends. One when neither this nor `duration` is given.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub queries_per_client: Option<u32>,
    /// How long each client goes on sending; what it sent by then is still waited for.
    #[serde(default)]
    pub duration: Option<Span>,
    /// The queries, in turn; each client begins with another one.
    #[schemars(length(min = 1))]
    pub queries: Vec<LoadQuery>,
    /// How many queries the server must have worked on at once; all clients when left out.
    #[serde(default)]
    pub overlap: Option<Overlap>,
    /// How often the server is asked what runs.
    #[serde(default = "default_sample_every")]
    pub sample_every: Span,
    /// Catalog, if not the target's.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    #[serde(default)]
    pub schema: Option<String>,
    /// Session properties.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// User, if not the target's.
    #[serde(default)]
    pub user: Option<String>,
}

fn default_sample_every() -> Span {
    Span::from_millis(500)
}

/// How the queries come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Each client sends its next query when its last one has ended.
    #[default]
    Closed,
}

/// One query of a load.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadQuery {
    /// Its name in the report.
    pub name: String,
    /// The statement. Exactly one of `sql` and `file`.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file of the workflow with the statement.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// How many rows it must return; at least one when left out.
    #[serde(default = "one_row")]
    pub rows: Bounds,
}

fn one_row() -> Bounds {
    Bounds {
        min: Some(1),
        max: None,
    }
}

/// How many queries the server must have worked on at once.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    /// At least so many.
    #[schemars(range(min = 1))]
    pub min: u32,
}

/// What the load came to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct LoadOutput {
    /// How many clients there were.
    pub clients: u32,
    /// Queries sent.
    pub queries: u64,
    /// Queries that ended well, with the rows asked for.
    pub succeeded: u64,
    /// The most queries in execution at one moment, by the server's own times: from the end of the queue to the end.
    pub peak_executing: u64,
    /// The most queries seen in the state RUNNING when the server was asked.
    pub peak_running_sampled: u64,
    /// The most queries seen waiting when the server was asked.
    pub peak_queued_sampled: u64,
    /// The most memory that they were seen to hold together.
    pub peak_memory_sampled_bytes: u64,
    /// The longest time in the queue.
    pub queued_max_millis: u64,
    /// Median of the run time, without the queue.
    pub run_time_p50_millis: Option<f64>,
    /// The longest run time, without the queue.
    pub run_time_max_millis: u64,
    /// From the first query's start to the last one's end, on this side.
    pub wall_millis: u64,
    /// Whether Trino was reached through a port-forward.
    pub port_forwarded: bool,
}

/// The step.
#[derive(Debug)]
pub struct TrinoLoad(Params);

impl Kind for TrinoLoad {
    const INFO: KindInfo = KindInfo {
        name: "trino.load",
        summary: "Sends queries from many clients at once and proves that the server worked on them at once.",
        effect: "None; it takes only statements that read. Queries in flight are ended with the step.",
        permissions: "Those that the queries need, and to see (after a crash, to end) the user's own queries.",
        measures: true,
        on_resume: OnResume::EndsAndRestarts,
        writes: false,
        example: "- id: five_at_once\n  uses: trino.load\n  with:\n    clients: 5\n    queries:\n      - {name: join, file: sql/benchmark/2.sql, rows: {min: 1}}\n  proves: [concurrent_queries]\n",
    };
    type Params = Params;
    type Output = LoadOutput;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.clients == 0 || params.queries_per_client == Some(0) {
            return Err("`clients:` and `queries_per_client:` must be at least 1".to_owned());
        }
        if params.queries_per_client.is_some() && params.duration.is_some() {
            return Err("give at most one of `queries_per_client:` and `duration:`".to_owned());
        }
        if params.queries.is_empty() {
            return Err("`queries:` is empty".to_owned());
        }
        if params
            .overlap
            .is_some_and(|overlap| overlap.min == 0 || overlap.min > params.clients)
        {
            return Err("`overlap.min:` must lie between 1 and `clients:`".to_owned());
        }
        if params.sample_every.millis() < 50 {
            return Err(
                "`sample_every:` must be at least 50ms, so that the samples are not the load"
                    .to_owned(),
            );
        }
        for (at, query) in params.queries.iter().enumerate() {
            let name = &query.name;
            if params.queries[..at].iter().any(|other| other.name == *name) {
                return Err(format!("two queries are called `{name}`"));
            }
            if query.sql.is_some() == query.file.is_some() {
                return Err(format!("give `{name}` exactly one of `sql:` and `file:`"));
            }
            query.rows.check("rows")?;
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoLoad {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let Params {
            queries,
            model: Model::Closed,
            ..
        } = &self.0;
        let statements = queries
            .iter()
            .map(|query| reading(cx, &query.name, query.sql.as_deref(), query.file.as_deref()))
            .collect::<Result<Vec<Statement>, _>>()?;
        let client = cx.clients.trino().await?;
        if cx.handle.is_some() || cx.attempt.attempt > 1 {
            client.end_leftovers(cx).await?;
        }
        cx.sink
            .checkpoint(json!({ "source": source(&cx.attempt) }))
            .await?;
        let begun = cx.clock.elapsed();
        let options = self.request();
        let work = clients::run(cx, &client, &self.0, &statements, &options);
        let (ran, readings) =
            sampler::beside(cx, &client, self.0.sample_every.duration(), work).await;
        let mut ran = ran?;
        let wall_millis = millis(cx.clock.elapsed() - begun);
        overlap::add_times(cx, &client, &mut ran).await?;
        let (mut finding, output) =
            verdict::judge(&self.0, &ran, &readings, wall_millis, client.forwarded());
        let record = json!({
            "source": source(&cx.attempt),
            "statements": queries.iter().zip(&statements).map(|(query, statement)| json!({"name": query.name, "sql": statement.sql()})).collect::<Vec<_>>(),
            "result": output,
            "queries": ran,
            "samples_of_the_server": readings,
        });
        let evidence = cx.evidence_json("load.json", &record).await?;
        finding.evidence.push(evidence.sha256);
        let value = serde_json::to_value(output)
            .map_err(|error| StepError::permanent("trino.output", error.to_string()))?;
        Ok(Output {
            value,
            findings: vec![finding],
        })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("only reads"))
    }
}

impl TrinoLoad {
    fn request(&self) -> QueryOptions {
        QueryOptions {
            catalog: self.0.catalog.clone(),
            schema: self.0.schema.clone(),
            session: session_of(&self.0.session),
            user: self.0.user.clone(),
            max_rows: 0,
            ..QueryOptions::default()
        }
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
