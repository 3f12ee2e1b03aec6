//! What became of the query of an attempt that an earlier process began.

use std::time::Duration;

use flowctl_workflows::result::{ErrorClass, Finding, Verdict};
use serde::Deserialize;
use serde_json::json;

use super::{QueryOutput, ended};
use crate::clients::trino::protocol::{QuerySummary, Stats};
use crate::clients::trino::query::sql_tag;
use crate::clients::trino::{Statement, TrinoClient, source};
use crate::context::StepContext;
use crate::error::StepError;
use crate::step::Output;

/// A coordinator remembers a finished query at least this long (`query.min-expire-age` is 15 minutes by default).
const SURELY_REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// What an earlier process left.
#[derive(Debug)]
pub(super) enum Before {
    /// Nothing that counts: the statement is to be run.
    Nothing,
    /// The statement's effect is there.
    Finished(Box<QuerySummary>),
}

/// What the step writes down before its query begins.
#[derive(Debug, Deserialize)]
struct Handle {
    query_id: String,
    /// Whose query it was: a step's `verify:` may have gone on with a statement of its own.
    sql: String,
    at: jiff::Timestamp,
}

/// Looks for queries of this step that an earlier process, or an earlier attempt, began; ends those still running.
///
/// # Errors
/// When the coordinator does not answer; `Lost`, `trino.effect_unknown`, when this attempt began a statement that
/// must not be doubled and the coordinator does not say what became of it.
pub(super) async fn look_back(
    cx: &StepContext,
    client: &TrinoClient,
    statement: &Statement,
) -> Result<Before, StepError> {
    if cx.handle.is_none() && cx.attempt.attempt == 1 {
        return Ok(Before::Nothing);
    }
    let known = client.end_leftovers(cx).await?;
    let Some(handle) = cx
        .handle
        .clone()
        .and_then(|handle| serde_json::from_value::<Handle>(handle).ok())
    else {
        // An earlier attempt came to its end and said so; what it did is not this attempt's.
        return Ok(Before::Nothing);
    };
    if statement.reads() {
        return Ok(Before::Nothing);
    }
    let (own_source, own_tag) = (source(&cx.attempt), sql_tag(statement));
    // Of this attempt's queries with this very text a finished one counts most.
    let own = known
        .into_iter()
        .filter(|query| query.session.source.as_deref() == Some(own_source.as_str()))
        .filter(|query| query.session.client_tags.contains(&own_tag))
        .max_by_key(|query| query.state == "FINISHED");
    match own {
        Some(query) if query.state == "FINISHED" => Ok(Before::Finished(Box::new(query))),
        // It failed or was ended: a write is committed at its end or not at all.
        Some(_) => Ok(Before::Nothing),
        None if !statement.doubles() => Ok(Before::Nothing),
        None if handle.sql == own_tag && never_began(cx, client, &handle).await? => {
            Ok(Before::Nothing)
        }
        None => Err(StepError::new(
            ErrorClass::Lost,
            "trino.effect_unknown",
            format!(
                "the coordinator no longer knows query {}, which was to {} before flowctl ended",
                handle.query_id,
                statement.verb()
            ),
        )
        .help("look whether its rows are there; if not, run the step again")),
    }
}

/// Whether the query was announced but never begun: a coordinator begins a query when its first page is asked for, and
/// one that is still the same would remember a query so young.
async fn never_began(
    cx: &StepContext,
    client: &TrinoClient,
    handle: &Handle,
) -> Result<bool, StepError> {
    let age = Duration::try_from(cx.clock.now().duration_since(handle.at)).unwrap_or(Duration::MAX);
    let Some(coordinator) = coordinator_of(&handle.query_id) else {
        return Ok(false);
    };
    let queries = client.queries().await?;
    let same = queries
        .iter()
        .any(|query| coordinator_of(&query.query_id) == Some(coordinator));
    Ok(same && age < SURELY_REMEMBERED)
}

/// The last part of a query's id, which a coordinator draws anew at each start.
fn coordinator_of(query_id: &str) -> Option<&str> {
    query_id
        .rsplit_once('_')
        .map(|(_, coordinator)| coordinator)
        .filter(|coordinator| !coordinator.is_empty())
}

/// The output for a statement that was found finished. `counts` when the step asks how many rows it wrote, which the
/// coordinator no longer says.
///
/// # Errors
/// When the evidence cannot be kept.
pub(super) async fn taken_as_done(
    cx: &StepContext,
    statement: &Statement,
    found: &QuerySummary,
    counts: bool,
) -> Result<Output, StepError> {
    let record = json!({
        "query_id": found.query_id,
        "source": found.session.source,
        "sql": statement.sql(),
        "state": found.state,
        "query_type": found.query_type,
        "update_type": found.update_type,
        "times": found.query_stats,
        "found_finished": true,
    });
    let (finding, output) = conclusion(
        statement,
        found.query_id.clone(),
        found.state.clone(),
        found.update_type.clone(),
        counts,
    );
    ended(cx, record, finding, output).await
}

/// What a statement that was found finished comes to. Pure.
pub(super) fn conclusion(
    statement: &Statement,
    query_id: String,
    state: String,
    update_type: Option<String>,
    counts: bool,
) -> (Finding, QueryOutput) {
    let finding = Finding {
        about: format!("{} statement", statement.verb()),
        proves: Vec::new(),
        verdict: if counts {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        },
        reason: format!(
            "{} (query {}) had finished before flowctl was resumed, and was not repeated",
            statement.verb(),
            query_id
        ),
        numbers: Vec::new(),
        evidence: Vec::new(),
    };
    let output = QueryOutput {
        query_id,
        update_type,
        stats: Stats {
            state,
            ..Stats::default()
        },
        found_finished: true,
        ..QueryOutput::default()
    };
    (finding, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_an_id_names_the_coordinators_start() {
        assert_eq!(coordinator_of("20261123_095113_00000_hhxeu"), Some("hhxeu"));
        assert_eq!(coordinator_of("nonsense"), None);
    }
}
