//! The verdict on one statement's result. Pure.

use flowctl_workflows::result::{Finding, Number, Verdict};

use super::params::Least;
use super::{Distribution, NodeWork, Params};
use crate::clients::trino::{QueryResult, Statement};

/// Without `rows:` a read must have brought at least one row, and a write must have changed something, for
/// there to be evidence.
pub(super) fn judge(
    params: &Params,
    statement: &Statement,
    result: &QueryResult,
    nodes: &[NodeWork],
) -> Finding {
    let verdicts = [
        judge_rows(params, statement, result),
        judge_update(params, statement, result),
        params
            .distribution
            .map(|Distribution { min_workers }| judge_distribution(min_workers, nodes)),
        params
            .least
            .as_ref()
            .map(|least| judge_least(least, result)),
    ];
    let verdicts: Vec<(Verdict, String)> = verdicts.into_iter().flatten().collect();
    Finding {
        about: format!("{} statement", statement.verb()),
        proves: Vec::new(),
        verdict: verdicts
            .iter()
            .fold(Verdict::Pass, |worst, (verdict, _)| worst.worst(*verdict)),
        reason: verdicts
            .into_iter()
            .map(|(_, reason)| reason)
            .collect::<Vec<_>>()
            .join("; "),
        numbers: numbers(params, result, nodes),
        evidence: Vec::new(),
    }
}

/// Enough to be judged, or the amount that there is.
fn judge_least(least: &Least, result: &QueryResult) -> (Verdict, String) {
    let Least { value, unit, what } = least;
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    match first_number(result) {
        None => (
            Verdict::Inconclusive,
            format!("query {} does not say how much {what} has", result.query_id),
        ),
        Some(found) if found >= *value as f64 => (
            Verdict::Pass,
            format!("{what} has {found}{unit}, at least {value} are needed"),
        ),
        Some(found) => (
            Verdict::Inconclusive,
            format!(
                "{what} has only {found}{unit}; with less than {value} there is nothing to judge"
            ),
        ),
    }
}

/// The first column of the first row, if it is a number; Trino writes a decimal as a text.
fn first_number(result: &QueryResult) -> Option<f64> {
    let value = result.rows.first()?.first()?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn judge_rows(
    params: &Params,
    statement: &Statement,
    result: &QueryResult,
) -> Option<(Verdict, String)> {
    let returned = format!(
        "query {} returned {} rows",
        result.query_id, result.row_count
    );
    match params.rows {
        Some(bounds) if bounds.hold(result.row_count) => {
            Some((Verdict::Pass, format!("{returned}, asked for {bounds}")))
        }
        Some(bounds) => Some((Verdict::Fail, format!("{returned}, asked for {bounds}"))),
        None if !statement.reads() => None,
        None if result.row_count > 0 => Some((Verdict::Pass, returned)),
        None => Some((Verdict::Inconclusive, returned)),
    }
}

fn judge_update(
    params: &Params,
    statement: &Statement,
    result: &QueryResult,
) -> Option<(Verdict, String)> {
    let id = &result.query_id;
    let kind = result.update_type.as_deref().unwrap_or(statement.verb());
    match (params.update_count, result.update_count) {
        (Some(bounds), Some(count)) => {
            let verdict = if bounds.hold(count) {
                Verdict::Pass
            } else {
                Verdict::Fail
            };
            Some((
                verdict,
                format!("{kind} (query {id}) wrote {count} rows, asked for {bounds}"),
            ))
        }
        (Some(bounds), None) if bounds.allow_any() => {
            Some((Verdict::Pass, format!("{kind} (query {id}) finished")))
        }
        (Some(_), None) => Some((
            Verdict::Inconclusive,
            format!("Trino does not say how many rows query {id} wrote"),
        )),
        (None, _) if statement.reads() => None,
        (None, Some(0)) => Some((
            Verdict::Inconclusive,
            format!("{kind} (query {id}) finished but changed no row"),
        )),
        (None, Some(count)) => Some((
            Verdict::Pass,
            format!("{kind} (query {id}) wrote {count} rows"),
        )),
        (None, None) => Some((Verdict::Pass, format!("{kind} (query {id}) finished"))),
    }
}

fn numbers(params: &Params, result: &QueryResult, nodes: &[NodeWork]) -> Vec<Number> {
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
        let target = params.update_count.map(|bounds| bounds.to_string());
        numbers.push(number("rows written", count as f64, "rows", target));
    } else {
        let target = params.rows.map(|bounds| bounds.to_string());
        numbers.push(number("rows", result.row_count as f64, "rows", target));
    }
    if let Some(distribution) = params.distribution {
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

fn busy_workers(nodes: &[NodeWork]) -> usize {
    nodes
        .iter()
        .filter(|node| !node.coordinator && node.completed_drivers > 0)
        .count()
}

pub(super) fn judge_distribution(min_workers: u64, nodes: &[NodeWork]) -> (Verdict, String) {
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
