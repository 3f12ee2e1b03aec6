//! The verdict on a statement from its record. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::refusal::conclusion;
use super::{NodeWork, Params, QueryOutput, resume, verdict};
use crate::again::{self, Again, NotJudged, Records};
use crate::clients::trino::protocol::{Column, Stats};
use crate::clients::trino::result::QueryRefusal;
use crate::clients::trino::rows::Fingerprint;
use crate::clients::trino::{QueryResult, Statement};
use crate::error::StepError;

/// A query's record, of each of the three ways in which a statement can come to its end.
#[derive(Debug, Deserialize)]
struct Recorded {
    query_id: String,
    sql: String,
    #[serde(default)]
    columns: Vec<Column>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    row_count: u64,
    #[serde(default)]
    fingerprint: String,
    update_type: Option<String>,
    update_count: Option<u64>,
    #[serde(default)]
    stats: Stats,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    pages: u64,
    #[serde(default)]
    client_wall_millis: u64,
    client_first_row_millis: Option<u64>,
    #[serde(default)]
    nodes: Vec<NodeWork>,
    error: Option<Refused>,
    #[serde(default)]
    found_finished: bool,
    state: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    name: String,
    message: String,
}

pub(super) fn judge(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let of_a_query = |name: &str| name.starts_with("query-");
    let record = records.json::<Recorded>("of its query", of_a_query)?;
    let (recorded, sha256) = (record.value, record.sha256);
    let statement =
        Statement::new(&recorded.sql).map_err(|error| NotJudged::Wrong(error.message))?;
    check_rows(params, &recorded)?;
    let (mut finding, output) = if recorded.found_finished {
        let counts = params
            .update_count
            .is_some_and(|bounds| !bounds.allow_any());
        let state = recorded.state.unwrap_or_default();
        let update_type = recorded.update_type;
        resume::conclusion(&statement, recorded.query_id, state, update_type, counts)
    } else if let Some(wanted) = &params.fails_with {
        let failed = recorded.error.is_some();
        let outcome = match failed {
            true => Err(recorded.refusal()),
            false => Ok(recorded.result()),
        };
        conclusion(wanted, outcome)
    } else if recorded.error.is_some() {
        let reason = "its record is that of a query that failed, and it did not fail";
        return Err(NotJudged::Wrong(reason.to_owned()));
    } else {
        let nodes = recorded.nodes.clone();
        let result = recorded.result();
        let finding = verdict::judge(params, &statement, &result, &nodes);
        (finding, QueryOutput::of(result, nodes))
    };
    finding.evidence.push(sha256.to_owned());
    Ok(Again {
        findings: vec![finding],
        value: again::output(output)?,
    })
}

/// Whether the rows that are kept are those that were counted: how many, and, where they are all there, what they hold.
fn check_rows(params: &Params, recorded: &Recorded) -> Result<(), NotJudged> {
    let ended_well = !recorded.found_finished && recorded.error.is_none();
    // Of a statement that had to fail no row is kept for certain.
    if !ended_well || params.fails_with.is_some() {
        return Ok(());
    }
    let kept = recorded.rows.len() as u64;
    if kept != recorded.row_count.min(params.max_rows as u64) {
        return Err(NotJudged::Wrong(format!(
            "its record says {} rows and holds {kept}",
            recorded.row_count
        )));
    }
    let blotted = || {
        Value::from(recorded.rows.clone())
            .to_string()
            .contains("***")
    };
    if kept < recorded.row_count || blotted() {
        return Ok(());
    }
    let mut fingerprint = Fingerprint::default();
    recorded.rows.iter().for_each(|row| fingerprint.add(row));
    if fingerprint.finish() == recorded.fingerprint {
        return Ok(());
    }
    let reason = "the rows of its record do not have the fingerprint that stands beside them";
    Err(NotJudged::Wrong(reason.to_owned()))
}

impl Recorded {
    fn refusal(self) -> QueryRefusal {
        let (error_name, message) = self
            .error
            .map_or_else(Default::default, |error| (error.name, error.message));
        QueryRefusal {
            query_id: self.query_id,
            error_name,
            stats: self.stats,
            wall: Duration::from_millis(self.client_wall_millis),
            error: StepError::permanent("trino.query_failed", message),
        }
    }

    fn result(self) -> QueryResult {
        QueryResult {
            query_id: self.query_id,
            columns: self.columns,
            rows: self.rows,
            row_count: self.row_count,
            fingerprint: self.fingerprint,
            update_type: self.update_type,
            update_count: self.update_count,
            stats: self.stats,
            warnings: self.warnings,
            pages: self.pages,
            wall: Duration::from_millis(self.client_wall_millis),
            first_row: self.client_first_row_millis.map(Duration::from_millis),
            first_byte: Duration::ZERO,
            own: Duration::ZERO,
        }
    }
}
