//! `trino.benchmark`: queries repeated and held against their targets.
//! Effect: none; it takes only statements that read. Idempotent: after a crash what runs is ended and it begins
//! again. Permissions: those that the queries need.
//!
//! What is judged is the server's own time less its queue: `elapsedTimeMillis - queuedTimeMillis` of the last page. The
//! queue and the time on this side are reported beside it.

mod again;
mod rounds;
mod verdict;

use async_trait::async_trait;
use flowctl_workflows::CriterionId;
use flowctl_workflows::policy::Span;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::trino_query::{Bounds, SessionValue, session_of, text};
use crate::again::JudgeAgain;
use crate::clients::trino::calibration::Calibration;
use crate::clients::trino::{QueryOptions, Statement, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use rounds::{Measured, Sample};

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Rounds before those that count.
    #[serde(default = "default_warmup")]
    pub warmup: u32,
    /// Rounds that count. p95 needs 59 of them to be judged, p99 299.
    #[serde(default = "default_runs")]
    #[schemars(range(min = 1))]
    pub runs: u32,
    /// The queries. Each round runs each of them once, one after the other.
    #[schemars(length(min = 1))]
    pub queries: Vec<Case>,
    /// Catalog, if not the target's.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    #[serde(default)]
    pub schema: Option<String>,
    /// Session properties, for example `retry_policy: NONE`.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// User, if not the target's.
    #[serde(default)]
    pub user: Option<String>,
}

fn default_warmup() -> u32 {
    3
}

fn default_runs() -> u32 {
    60
}

/// One query of a benchmark.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name in the report.
    pub name: String,
    /// The statement. Exactly one of `sql` and `file`.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file of the workflow with the statement.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// What each percentile of the run time must stay below.
    #[serde(default)]
    pub sla: Sla,
    /// How many rows each run must return; at least one when left out.
    #[serde(default = "one_row")]
    pub rows: Bounds,
    /// How many rows each run must have gone through, as proof that there was something to work on.
    #[serde(default)]
    pub processed_rows: Option<Bounds>,
    /// Whether each run must return the same rows, in any order, floating-point numbers to nine digits.
    #[serde(default = "yes")]
    pub deterministic: bool,
    /// The criteria that it proves; left out: those of the step.
    #[serde(default)]
    pub proves: Proves,
}

fn one_row() -> Bounds {
    Bounds {
        min: Some(1),
        max: None,
    }
}

fn yes() -> bool {
    true
}

/// One criterion, or several.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Proves {
    /// One.
    One(#[schemars(with = "String")] CriterionId),
    /// Several.
    Several(#[schemars(with = "Vec<String>")] Vec<CriterionId>),
}

impl Default for Proves {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Proves {
    /// All of them.
    #[must_use]
    pub fn list(&self) -> Vec<CriterionId> {
        match self {
            Self::One(criterion) => vec![criterion.clone()],
            Self::Several(criteria) => criteria.clone(),
        }
    }
}

/// Targets of percentiles.
#[derive(Debug, Clone, Copy, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sla {
    /// The median.
    pub p50: Option<Span>,
    /// Nine of ten runs.
    pub p90: Option<Span>,
    /// Nineteen of twenty.
    pub p95: Option<Span>,
    /// Ninety-nine of a hundred.
    pub p99: Option<Span>,
}

impl Sla {
    /// The percentiles that are always reported, with their targets in milliseconds.
    #[must_use]
    pub fn targets(&self) -> [(f64, Option<f64>); 4] {
        let millis = |span: Option<Span>| span.map(|span| span.millis() as f64);
        [
            (0.5, millis(self.p50)),
            (0.9, millis(self.p90)),
            (0.95, millis(self.p95)),
            (0.99, millis(self.p99)),
        ]
    }
}

/// What the queries came to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct BenchmarkOutput {
    /// Each query in the order of the parameters.
    pub queries: Vec<CaseOutput>,
    /// Whether Trino was reached through a port-forward. The times judged are the server's own all the same.
    pub port_forwarded: bool,
    /// What the client alone took for a query just before, against a coordinator in flowctl's own process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// What one query came to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct CaseOutput {
    /// Its name.
    pub name: String,
    /// `PASS`, `FAIL` or `INCONCLUSIVE`.
    pub verdict: String,
    /// Runs that count.
    pub samples: u64,
    /// The very first run, warm-up or not.
    pub cold_millis: Option<u64>,
    /// Median of the run time.
    pub p50_millis: Option<f64>,
    /// 90th percentile.
    pub p90_millis: Option<f64>,
    /// 95th percentile.
    pub p95_millis: Option<f64>,
    /// 99th percentile.
    pub p99_millis: Option<f64>,
    /// Median time in the queue.
    pub queued_p50_millis: Option<f64>,
    /// Rows of the last run.
    pub row_count: Option<u64>,
    /// The failure that ended its runs.
    pub error: Option<String>,
}

/// The step.
#[derive(Debug)]
pub struct TrinoBenchmark(Params);

impl Kind for TrinoBenchmark {
    const INFO: KindInfo = KindInfo {
        name: "trino.benchmark",
        summary: "Repeats queries and holds percentiles of their run time against targets.",
        effect: "None; it takes only statements that read. Queries in flight are ended with the step.",
        permissions: "Those that the queries need; after a crash, to see and end the user's own queries.",
        measures: true,
        on_resume: OnResume::EndsAndRestarts,
        writes: false,
        needs_target: true,
        example: "- id: benchmark\n  uses: trino.benchmark\n  with:\n    warmup: 3\n    runs: 60\n    queries:\n      - {name: simple_aggregation, file: sql/benchmark/1.sql, sla: {p95: 2s}, rows: {min: 1}, proves: sla_simple}\n",
    };
    type Params = Params;
    type Output = BenchmarkOutput;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(again::judge);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.runs == 0 {
            return Err("`runs:` must be at least 1".to_owned());
        }
        if params.queries.is_empty() {
            return Err("`queries:` is empty".to_owned());
        }
        for (at, case) in params.queries.iter().enumerate() {
            let name = &case.name;
            if params.queries[..at].iter().any(|other| other.name == *name) {
                return Err(format!("two queries are called `{name}`"));
            }
            if case.sql.is_some() == case.file.is_some() {
                return Err(format!("give `{name}` exactly one of `sql:` and `file:`"));
            }
            case.rows.check("rows")?;
            if let Some(bounds) = case.processed_rows {
                bounds.check("processed_rows")?;
            }
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoBenchmark {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let statements = self
            .0
            .queries
            .iter()
            .map(|case| reading(cx, &case.name, case.sql.as_deref(), case.file.as_deref()))
            .collect::<Result<Vec<_>, _>>()?;
        let client = cx.clients.trino().await?;
        if cx.handle.is_some() || cx.attempt.attempt > 1 {
            client.end_leftovers(cx).await?;
        }
        cx.sink
            .checkpoint(json!({ "source": source(&cx.attempt) }))
            .await?;
        let measured = rounds::run(cx, &client, &self.0, &statements, &self.request()).await?;
        let mut output = BenchmarkOutput {
            queries: Vec::new(),
            port_forwarded: client.forwarded(),
            calibration: measured.first().and_then(|measured| measured.calibration),
        };
        let mut findings = Vec::new();
        for ((case, statement), measured) in self.0.queries.iter().zip(&statements).zip(measured) {
            let record = json!({
                "name": case.name,
                "sql": statement.sql(),
                "source": source(&cx.attempt),
                "judged": "elapsed_time_millis - queued_time_millis, as the server counts them",
                "port_forwarded": client.forwarded(),
                "samples": measured.samples,
                "error": measured.failure,
                "calibration": measured.calibration,
            });
            let evidence = cx
                .evidence_json(&format!("benchmark-{}.json", case.name), &record)
                .await?;
            let mut finding = verdict::judge(case, &measured, client.forwarded());
            finding.evidence.push(evidence.sha256);
            output
                .queries
                .push(verdict::summary(case, &measured, finding.verdict));
            findings.push(finding);
        }
        let value = serde_json::to_value(output)
            .map_err(|error| StepError::permanent("trino.output", error.to_string()))?;
        Ok(Output { value, findings })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("only reads"))
    }
}

/// A statement that may be repeated.
///
/// # Errors
/// As [`text`]; permanent, `trino.not_a_read`, for a statement that writes.
pub fn reading(
    cx: &StepContext,
    name: &str,
    sql: Option<&str>,
    file: Option<&str>,
) -> Result<Statement, StepError> {
    let statement = text(cx, sql, file)?;
    if !statement.reads() {
        return Err(StepError::permanent(
            "trino.not_a_read",
            format!(
                "`{name}` is a {} statement, and only statements that read may be repeated",
                statement.verb()
            ),
        )
        .help("write with `trino.query`, which never writes twice"));
    }
    Ok(statement)
}

impl TrinoBenchmark {
    fn request(&self) -> QueryOptions {
        QueryOptions {
            catalog: self.0.catalog.clone(),
            schema: self.0.schema.clone(),
            session: session_of(&self.0.session),
            user: self.0.user.clone(),
            // The rows go into the fingerprint; a few are kept to be looked at.
            max_rows: 10,
            ..QueryOptions::default()
        }
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
