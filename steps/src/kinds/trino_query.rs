//! `trino.query`: one SQL statement, with what its result must be like.
//! Effect: the statement's. Permissions: those that the statement needs.
//!
//! Not idempotent by itself. After a crash the attempt's query is looked for by its source: one that runs is ended
//! and begun again, one that finished a write is taken as done, and an INSERT whose fate the server has forgotten
//! fails as lost rather than be doubled.

mod again;
mod params;
mod refusal;
mod resume;
mod verdict;

use async_trait::async_trait;
use flowctl_workflows::result::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::again::JudgeAgain;
use crate::clients::trino::protocol::{Column, NodeShare, Stats};
use crate::clients::trino::{QueryOptions, QueryResult, Statement, TrinoClient, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use params::{Bounds, Distribution, Params, SessionValue, session_of};
use resume::Before;

/// What the statement came to.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub struct QueryOutput {
    /// The query's id on the server.
    pub query_id: String,
    /// The result's columns.
    pub columns: Vec<Column>,
    /// The first rows, at most `max_rows`.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there were.
    pub row_count: u64,
    /// The same for the same rows in any order; empty when the rows were never seen.
    pub fingerprint: String,
    /// For example `INSERT`.
    pub update_type: Option<String>,
    /// Rows written, where Trino says so.
    pub update_count: Option<u64>,
    /// What it cost.
    pub stats: Stats,
    /// The nodes that took part, if asked for.
    pub nodes: Vec<NodeWork>,
    /// The statement had been finished by an earlier process of flowctl; only its effect is known.
    pub found_finished: bool,
    /// With `fails_with`: the error that it ended with.
    pub error: Option<String>,
}

/// What one node did for the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeWork {
    /// The node's id.
    pub node: String,
    /// Whether it is the coordinator.
    pub coordinator: bool,
    /// Tasks that it took.
    pub tasks: u64,
    /// Drivers that ended in them; none means that it did nothing.
    pub completed_drivers: u64,
    /// Rows that went into them.
    pub input_rows: u64,
}

/// The step.
#[derive(Debug)]
pub struct TrinoQuery(Params);

impl Kind for TrinoQuery {
    const INFO: KindInfo = KindInfo {
        name: "trino.query",
        summary: "Runs one SQL statement and says what its result must be like.",
        effect: "The statement's. A query in flight is ended with the step; after a crash it is found by its source, and a finished write is not repeated.",
        permissions: "Those that the statement needs; after a crash, to see and end the user's own queries.",
        measures: true,
        on_resume: OnResume::EndsAndRestarts,
        writes: true,
        needs_target: true,
        example: "- id: count_rows\n  uses: trino.query\n  with:\n    sql: SELECT count(*) FROM benchmark_data\n    rows: {min: 1}\n  expect: \"rows[0][0] == params.benchmark_rows\"\n",
    };
    type Params = Params;
    type Output = QueryOutput;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(again::judge);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.sql.is_some() == params.file.is_some() {
            return Err("give exactly one of `sql:` and `file:`".to_owned());
        }
        if let Some(rows) = params.rows {
            rows.check("rows")?;
        }
        if let Some(count) = params.update_count {
            count.check("update_count")?;
        }
        refusal::check(&params)?;
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoQuery {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let statement = text(cx, self.0.sql.as_deref(), self.0.file.as_deref())?;
        if self.0.fails_with.is_some() && !statement.reads() {
            return Err(refusal::not_a_read(&statement));
        }
        let client = cx.clients.trino().await?;
        if let Before::Finished(found) = resume::look_back(cx, &client, &statement).await? {
            let counts = self
                .0
                .update_count
                .is_some_and(|bounds| !bounds.allow_any());
            return resume::taken_as_done(cx, &statement, &found, counts).await;
        }
        let outcome = client.outcome(cx, &statement, &self.request()).await?;
        if let Some(wanted) = &self.0.fails_with {
            return refusal::conclude(cx, &statement, wanted, outcome).await;
        }
        let result = outcome.map_err(|refusal| refusal.error)?;
        let nodes = match self.0.distribution {
            Some(_) => work_by_node(cx, &client, &result.query_id).await?,
            None => Vec::new(),
        };
        let mut record = result.record(&statement, &source(&cx.attempt));
        if !nodes.is_empty() {
            record["nodes"] = serde_json::to_value(&nodes).unwrap_or_default();
        }
        let finding = verdict::judge(&self.0, &statement, &result, &nodes);
        ended(cx, record, finding, QueryOutput::of(result, nodes)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing(
            "a statement is taken back by another one: give `undo:` its own `with: {sql: …}`",
        ))
    }
}

/// Keeps the record, rests the finding on it, and ends the step with both.
///
/// # Errors
/// When the record cannot be kept.
async fn ended(
    cx: &StepContext,
    record: Value,
    mut finding: Finding,
    output: QueryOutput,
) -> Result<Output, StepError> {
    let name = format!("query-{}.json", output.query_id);
    let evidence = cx.evidence_json(&name, &record).await?;
    finding.evidence.push(evidence.sha256);
    let value = serde_json::to_value(output)
        .map_err(|error| StepError::permanent("trino.output", error.to_string()))?;
    Ok(Output {
        value,
        findings: vec![finding],
    })
}

impl QueryOutput {
    fn of(result: QueryResult, nodes: Vec<NodeWork>) -> Self {
        Self {
            query_id: result.query_id,
            columns: result.columns,
            rows: result.rows,
            row_count: result.row_count,
            fingerprint: result.fingerprint,
            update_type: result.update_type,
            update_count: result.update_count,
            stats: result.stats,
            nodes,
            found_finished: false,
            error: None,
        }
    }
}

/// The statement out of a parameter or a file.
///
/// # Errors
/// As [`Statement::new`], and when the workflow has no such file.
pub fn text(
    cx: &StepContext,
    sql: Option<&str>,
    file: Option<&str>,
) -> Result<Statement, StepError> {
    match (sql, file) {
        (Some(sql), _) => Statement::new(sql),
        (None, Some(file)) => Statement::new(&cx.files.text(file)?).map_err(|mut error| {
            error.message = format!("{file}: {}", error.message);
            error
        }),
        (None, None) => Err(StepError::permanent(
            "trino.empty_statement",
            "neither `sql:` nor `file:` is given",
        )),
    }
}

/// What each node did for a query, and which of them is the coordinator.
///
/// # Errors
/// When the coordinator does not answer.
pub async fn work_by_node(
    cx: &StepContext,
    client: &TrinoClient,
    query_id: &str,
) -> Result<Vec<NodeWork>, StepError> {
    let (shares, _) = client.node_shares(query_id).await?;
    let statement = Statement::new("SELECT node_id FROM system.runtime.nodes WHERE coordinator")?;
    let options = QueryOptions {
        max_rows: 100,
        ..QueryOptions::default()
    };
    let coordinators = client.query(cx, &statement, &options).await?;
    let is_coordinator = |node: &str| {
        coordinators
            .rows
            .iter()
            .any(|row| row.first().and_then(Value::as_str) == Some(node))
    };
    Ok(shares
        .into_iter()
        .map(
            |NodeShare {
                 node,
                 tasks,
                 completed_drivers,
                 input_rows,
             }| NodeWork {
                coordinator: is_coordinator(&node),
                node,
                tasks,
                completed_drivers,
                input_rows,
            },
        )
        .collect())
}

impl TrinoQuery {
    fn request(&self) -> QueryOptions {
        QueryOptions {
            catalog: self.0.catalog.clone(),
            schema: self.0.schema.clone(),
            session: session_of(&self.0.session),
            user: self.0.user.clone(),
            tags: Vec::new(),
            max_rows: self.0.max_rows,
            remember: true,
            show: true,
        }
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
