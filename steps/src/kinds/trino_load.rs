//! `trino.load`: many clients at once, and the proof that they really were at once.
//! Effect: none; it takes only statements that read. Idempotent: after a crash what runs is ended and it begins
//! again. Permissions: those that the queries need, and to see the user's own queries.
//!
//! Closed model: each client sends its next query when its last one has ended. Open model: queries are sent when they are due,
//! and how late each was is recorded. That twenty queries were sent at once
//! does not mean that the server worked on twenty at once, so the overlap is taken from the server's own clock.

mod again;
mod clients;
mod overlap;
mod params;
mod probe;
mod sampler;
mod verdict;

use async_trait::async_trait;
use flowctl_workflows::result::Finding;
use serde::Serialize;
use serde_json::json;

use super::trino_benchmark::reading;
use super::trino_query::session_of;
use crate::again::JudgeAgain;
use crate::clients::trino::calibration::{Calibration, calibrate};
use crate::clients::trino::result::millis;
use crate::clients::trino::{QueryOptions, Statement, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use clients::Ran;
pub use params::{LoadQuery, Model, Overlap, Params, Probe, Queued, Refusals};
pub use probe::Probed;
pub use sampler::Reading;

/// What the load came to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct LoadOutput {
    /// How many clients there were.
    pub clients: u32,
    /// Queries sent.
    pub queries: u64,
    /// Queries that ended well, with the rows asked for.
    pub succeeded: u64,
    /// Queries that the server refused as `refusals` says.
    pub refused: u64,
    /// The most queries in execution at one moment, by the server's own times: from the end of the queue to the end.
    pub peak_executing: u64,
    /// The most queries seen in the state RUNNING when the server was asked.
    pub peak_running_sampled: u64,
    /// The most queries seen running but waiting for memory or the like when the server was asked.
    pub peak_blocked_sampled: u64,
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
    /// How many times the probe ran while the load lasted.
    pub probes: u64,
    /// Median of the probe's time, its queue included.
    pub probe_p50_millis: Option<f64>,
    /// Whether Trino was reached through a port-forward.
    pub port_forwarded: bool,
    /// In the open model: the median of how late queries were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_p50_millis: Option<f64>,
    /// The 99th percentile of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_p99_millis: Option<f64>,
    /// What the client alone took for a query just before, against a coordinator in flowctl's own process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

impl LoadOutput {
    /// What the client alone took stands beside what was measured with it.
    fn calibrated(&mut self, calibration: Option<Calibration>, finding: &mut Finding) {
        self.calibration = calibration;
        finding
            .numbers
            .extend(calibration.iter().flat_map(Calibration::numbers));
    }
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
        needs_target: true,
        example: "- id: five_at_once\n  uses: trino.load\n  with:\n    clients: 5\n    queries:\n      - {name: join, file: sql/benchmark/2.sql, rows: {min: 1}}\n  proves: [concurrent_queries]\n",
    };
    type Params = Params;
    type Output = LoadOutput;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(again::judge);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        params.check()?;
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoLoad {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let Params { queries, .. } = &self.0;
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
        let calibration = calibrate(cx).await?;
        let begun = cx.clock.elapsed();
        let options = self.request();
        let probe = probe::Beside::of(cx, &client, &self.0)?;
        let work = probe.beside(clients::run(cx, &client, &self.0, &statements, &options));
        let ((ran, probes), readings) =
            sampler::beside(cx, &client, self.0.sample_every.duration(), work).await;
        let mut ran = ran?;
        let wall_millis = millis(cx.clock.elapsed() - begun);
        overlap::add_times(cx, &client, &mut ran).await?;
        let (mut finding, mut output) =
            verdict::judge(&self.0, &ran, &readings, wall_millis, client.forwarded());
        output.calibrated(calibration, &mut finding);
        output.probes = probes.len() as u64;
        let probed = probe.judge(&probes);
        output.probe_p50_millis = probed.as_ref().and_then(|(_, median)| *median);
        let record = json!({
            "source": source(&cx.attempt),
            "statements": queries.iter().zip(&statements).map(|(query, statement)| json!({"name": query.name, "sql": statement.sql()})).collect::<Vec<_>>(),
            "result": output,
            "queries": ran,
            "samples_of_the_server": readings,
            "probes": probes,
        });
        let evidence = cx.evidence_json("load.json", &record).await?;
        finding.evidence.push(evidence.sha256.clone());
        let mut findings = vec![finding];
        findings.extend(probed.map(|(finding, _)| Finding {
            evidence: vec![evidence.sha256],
            ..finding
        }));
        let value = serde_json::to_value(output)
            .map_err(|error| StepError::permanent("trino.output", error.to_string()))?;
        Ok(Output { value, findings })
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
