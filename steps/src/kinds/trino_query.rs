//! `trino.query`: one SQL statement, with what its result must be like.
//! Effect: the statement's. Permissions: those that the statement needs.
//!
//! Not idempotent by itself. After a crash the attempt's query is looked for by its source: one that runs is ended
//! and begun again, one that finished a write is taken as done, and an INSERT whose fate the server has forgotten
//! fails as lost rather than be doubled.

pub mod resume;

use async_trait::async_trait;
use flowctl_workflows::result::{Finding, Number, Verdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clients::trino::protocol::{Column, NodeShare, Stats};
use crate::clients::trino::{QueryOptions, QueryResult, Statement, TrinoClient, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

use resume::Before;

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The statement. Exactly one of `sql` and `file`. A semicolon at its end is taken off.
    #[serde(default)]
    pub sql: Option<String>,
    /// A file of the workflow with the statement.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// Catalog, if not the target's.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Schema, if not the target's.
    #[serde(default)]
    pub schema: Option<String>,
    /// Session properties, for example `query_max_run_time: 5m`.
    #[serde(default)]
    pub session: IndexMap<String, SessionValue>,
    /// User, if not the target's.
    #[serde(default)]
    pub user: Option<String>,
    /// How many rows there must be.
    #[serde(default)]
    pub rows: Option<Bounds>,
    /// How many rows the statement must have written.
    #[serde(default)]
    pub update_count: Option<Bounds>,
    /// How many rows the output keeps; all are counted.
    #[serde(default = "default_max_rows")]
    pub max_rows: usize,
    /// Which nodes must have taken part, as proof that the coordinator distributes work.
    #[serde(default)]
    pub distribution: Option<Distribution>,
}

/// A session property's value.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum SessionValue {
    /// For example `NONE`.
    Text(String),
    /// For example `true`.
    Flag(bool),
    /// For example `4`.
    Whole(i64),
    /// For example `0.5`.
    Real(f64),
}

impl SessionValue {
    /// As Trino reads it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
        }
    }
}

/// Session properties as the client takes them.
#[must_use]
pub fn session_of(session: &IndexMap<String, SessionValue>) -> IndexMap<String, String> {
    session
        .iter()
        .map(|(name, value)| (name.clone(), value.text()))
        .collect()
}

fn default_max_rows() -> usize {
    1000
}

/// Ends of a range, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// At least so many.
    #[serde(default)]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default)]
    pub max: Option<u64>,
}

impl Bounds {
    /// Whether the number lies inside.
    #[must_use]
    pub fn hold(&self, number: u64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    /// The range in words, or why it is none.
    ///
    /// # Errors
    /// In words, when nothing can lie inside or everything does.
    pub fn check(&self, name: &str) -> Result<(), String> {
        match (self.min, self.max) {
            (None, None) => Err(format!("`{name}:` needs `min:` or `max:`")),
            (Some(min), Some(max)) if min > max => {
                Err(format!("`{name}:` has a `min:` above its `max:`"))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "= {min}"),
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, ">= {min}"),
            (None, Some(max)) => write!(f, "<= {max}"),
            (None, None) => f.write_str("any number"),
        }
    }
}

/// Which nodes must have taken part.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// At least so many nodes other than the coordinator must have completed work of this query.
    #[schemars(range(min = 1))]
    pub min_workers: u64,
}

/// What the statement came to.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
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
}

/// What one node did for the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
        example: "- id: count_rows\n  uses: trino.query\n  with:\n    sql: SELECT count(*) FROM benchmark_data\n    rows: {min: 1}\n  expect: \"rows[0][0] == params.benchmark_rows\"\n",
    };
    type Params = Params;
    type Output = QueryOutput;

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
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoQuery {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let statement = text(cx, self.0.sql.as_deref(), self.0.file.as_deref())?;
        let client = cx.clients.trino().await?;
        if let Before::Finished(found) = resume::look_back(cx, &client, &statement).await? {
            let counts = self.0.update_count.is_some();
            return resume::taken_as_done(cx, &statement, &found, counts).await;
        }
        let result = client.query(cx, &statement, &self.request()).await?;
        let nodes = match self.0.distribution {
            Some(_) => work_by_node(cx, &client, &result.query_id).await?,
            None => Vec::new(),
        };
        let mut record = result.record(&statement, &source(&cx.attempt));
        if !nodes.is_empty() {
            record["nodes"] = serde_json::to_value(&nodes).unwrap_or_default();
        }
        let evidence = cx
            .evidence_json(&format!("query-{}.json", result.query_id), &record)
            .await?;
        let mut finding = self.judge(&statement, &result, &nodes);
        finding.evidence.push(evidence.sha256);
        let output = QueryOutput {
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
        };
        let value = serde_json::to_value(output)
            .map_err(|error| StepError::permanent("trino.output", error.to_string()))?;
        Ok(Output {
            value,
            findings: vec![finding],
        })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing(
            "a statement is taken back by another one: give `undo:` its own `with: {sql: …}`",
        ))
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

    /// The verdict. Without `rows:` a read must have brought at least one row, and a write must have changed
    /// something, for there to be evidence.
    fn judge(&self, statement: &Statement, result: &QueryResult, nodes: &[NodeWork]) -> Finding {
        let mut verdicts: Vec<(Verdict, String)> = Vec::new();
        let id = &result.query_id;
        if let Some(bounds) = self.0.rows {
            let verdict = if bounds.hold(result.row_count) {
                Verdict::Pass
            } else {
                Verdict::Fail
            };
            verdicts.push((
                verdict,
                format!(
                    "query {id} returned {} rows, asked for {bounds}",
                    result.row_count
                ),
            ));
        } else if statement.reads() {
            let verdict = if result.row_count > 0 {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            };
            verdicts.push((
                verdict,
                format!("query {id} returned {} rows", result.row_count),
            ));
        }
        if let Some(bounds) = self.0.update_count {
            verdicts.push(match result.update_count {
                Some(count) if bounds.hold(count) => (
                    Verdict::Pass,
                    format!("query {id} wrote {count} rows, asked for {bounds}"),
                ),
                Some(count) => (
                    Verdict::Fail,
                    format!("query {id} wrote {count} rows, asked for {bounds}"),
                ),
                None => (
                    Verdict::Inconclusive,
                    format!("Trino does not say how many rows query {id} wrote"),
                ),
            });
        } else if !statement.reads() {
            let kind = result.update_type.as_deref().unwrap_or(statement.verb());
            verdicts.push(match result.update_count {
                Some(0) => (
                    Verdict::Inconclusive,
                    format!("{kind} (query {id}) finished but changed no row"),
                ),
                Some(count) => (
                    Verdict::Pass,
                    format!("{kind} (query {id}) wrote {count} rows"),
                ),
                None => (Verdict::Pass, format!("{kind} (query {id}) finished")),
            });
        }
        if let Some(Distribution { min_workers }) = self.0.distribution {
            verdicts.push(judge_distribution(min_workers, nodes));
        }
        let mut verdict = Verdict::Pass;
        for (one, _) in &verdicts {
            verdict = verdict.worst(*one);
        }
        Finding {
            about: format!("{} {}", statement.verb(), "statement")
                .trim()
                .to_owned(),
            proves: Vec::new(),
            verdict,
            reason: verdicts
                .into_iter()
                .map(|(_, reason)| reason)
                .collect::<Vec<_>>()
                .join("; "),
            numbers: self.numbers(result, nodes),
            evidence: Vec::new(),
        }
    }

    fn numbers(&self, result: &QueryResult, nodes: &[NodeWork]) -> Vec<Number> {
        let number = |name: &str, value: f64, unit: &str, target: Option<String>| Number {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            interval: None,
            target,
            samples: None,
        };
        let run_time = result.stats.run_time_millis() as f64;
        let mut numbers = vec![number("run time", run_time, "ms", None)];
        if let Some(count) = result.update_count {
            let target = self.0.update_count.map(|bounds| bounds.to_string());
            numbers.push(number("rows written", count as f64, "rows", target));
        } else {
            let target = self.0.rows.map(|bounds| bounds.to_string());
            numbers.push(number("rows", result.row_count as f64, "rows", target));
        }
        if let Some(distribution) = self.0.distribution {
            let target = Some(format!(">= {}", distribution.min_workers));
            numbers.push(number(
                "workers that did work",
                busy_workers(nodes) as f64,
                "",
                target,
            ));
        }
        numbers
    }
}

fn busy_workers(nodes: &[NodeWork]) -> usize {
    nodes
        .iter()
        .filter(|node| !node.coordinator && node.completed_drivers > 0)
        .count()
}

fn judge_distribution(min_workers: u64, nodes: &[NodeWork]) -> (Verdict, String) {
    let busy = busy_workers(nodes) as u64;
    let shares: Vec<String> = nodes
        .iter()
        .map(|node| {
            format!(
                "{} {} tasks, {} rows",
                node.node, node.tasks, node.input_rows
            )
        })
        .collect();
    let shares = shares.join("; ");
    if nodes.is_empty() {
        (
            Verdict::Inconclusive,
            "the server shows no task of this query".to_owned(),
        )
    } else if busy >= min_workers {
        (
            Verdict::Pass,
            format!("{busy} workers did work of it ({shares})"),
        )
    } else {
        (
            Verdict::Fail,
            format!("{busy} of the {min_workers} workers asked for did work of it ({shares})"),
        )
    }
}

#[cfg(test)]
mod tests;
