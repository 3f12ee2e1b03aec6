//! `fails_with:` a statement that must not end well, as proof that a limit of the server is really in force.

use flowctl_workflows::result::{Finding, Number, Verdict};
use serde_json::{Value, json};

use super::{Params, QueryOutput, ended};
use crate::clients::trino::result::{QueryRefusal, millis};
use crate::clients::trino::{QueryResult, Statement, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::step::Output;

/// Says why the parameters make no sense together.
pub(super) fn check(params: &Params) -> Result<(), String> {
    let Some(name) = &params.fails_with else {
        return Ok(());
    };
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err("`fails_with:` is a name of Trino's, like EXCEEDED_TIME_LIMIT".to_owned());
    }
    let asks_of_rows = [
        params.rows.is_some(),
        params.update_count.is_some(),
        params.distribution.is_some(),
        params.least.is_some(),
    ];
    if asks_of_rows.contains(&true) {
        return Err("a statement that `fails_with:` an error has no result to ask for".to_owned());
    }
    Ok(())
}

/// A write that is meant to fail may succeed, and nobody would take it back.
pub(super) fn not_a_read(statement: &Statement) -> StepError {
    StepError::permanent(
        "trino.not_a_read",
        format!(
            "`fails_with:` takes only statements that read: this one is to {}",
            statement.verb()
        ),
    )
}

/// The step's end when the statement had to fail.
pub(super) async fn conclude(
    cx: &StepContext,
    statement: &Statement,
    wanted: &str,
    outcome: Result<QueryResult, QueryRefusal>,
) -> Result<Output, StepError> {
    let record = record(cx, statement, wanted, &outcome);
    let (finding, output) = conclusion(wanted, outcome);
    ended(cx, record, finding, output).await
}

/// What the statement's end comes to. Pure.
pub(super) fn conclusion(
    wanted: &str,
    outcome: Result<QueryResult, QueryRefusal>,
) -> (Finding, QueryOutput) {
    (judge(wanted, &outcome), output(outcome))
}

/// PASS only for the very error; a statement that was never begun proves nothing of any limit.
fn judge(wanted: &str, outcome: &Result<QueryResult, QueryRefusal>) -> Finding {
    let (verdict, reason, wall) = match outcome {
        Ok(result) => (
            Verdict::Fail,
            format!(
                "query {} ended well with {} rows; it had to end with {wanted}",
                result.query_id, result.row_count
            ),
            result.wall,
        ),
        Err(refusal) if refusal.error_name == wanted => (
            Verdict::Pass,
            format!("{}, as it had to", refusal.error.message),
            refusal.wall,
        ),
        Err(refusal) => (
            Verdict::Fail,
            format!("{}; it had to end with {wanted}", refusal.error.message),
            refusal.wall,
        ),
    };
    Finding {
        about: format!("ends with {wanted}"),
        proves: Vec::new(),
        verdict,
        reason,
        numbers: vec![Number {
            name: "until it ended".to_owned(),
            value: millis(wall) as f64,
            unit: "ms".to_owned(),
            interval: None,
            target: None,
            samples: None,
        }],
        evidence: Vec::new(),
    }
}

fn record(
    cx: &StepContext,
    statement: &Statement,
    wanted: &str,
    outcome: &Result<QueryResult, QueryRefusal>,
) -> Value {
    let source = source(&cx.attempt);
    let mut record = match outcome {
        Ok(result) => result.record(statement, &source),
        Err(refusal) => json!({
            "query_id": refusal.query_id,
            "source": source,
            "sql": statement.sql(),
            "error": {"name": refusal.error_name, "message": refusal.error.message},
            "stats": refusal.stats,
            "client_wall_millis": millis(refusal.wall),
        }),
    };
    record["fails_with"] = json!(wanted);
    record
}

fn output(outcome: Result<QueryResult, QueryRefusal>) -> QueryOutput {
    match outcome {
        Ok(result) => QueryOutput {
            query_id: result.query_id,
            row_count: result.row_count,
            stats: result.stats,
            ..QueryOutput::default()
        },
        Err(refusal) => QueryOutput {
            query_id: refusal.query_id,
            stats: refusal.stats,
            error: Some(refusal.error_name),
            ..QueryOutput::default()
        },
    }
}
