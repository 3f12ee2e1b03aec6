//! The raw records of a select, and what an answer that came to nothing fails with.

use base64::Engine as _;
use serde_json::{Value, json};

use super::measure::Measured;
use super::{Params, plain, verdict};
use crate::clients::s3::{Failure, Place, Selected};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::hashes;

/// How much of the rows is kept as evidence.
const KEPT: usize = 1 << 20;
/// How many rows of the plain object are kept.
const SHOWN: usize = 100;

/// Keeps what the verdicts rest on; returns the hashes.
pub(super) async fn keep(
    cx: &StepContext,
    params: &Params,
    place: &Place,
    measured: &Measured,
) -> Result<Vec<String>, StepError> {
    let records = &measured.selection.records;
    let rows = cx
        .evidence(
            "select-rows.csv",
            "text/csv",
            &records[..records.len().min(KEPT)],
        )
        .await?;
    let expected = &measured.expected;
    // Where the two differ is shown by the rows themselves.
    let shown = if verdict::equal(measured) {
        SHOWN
    } else {
        plain::KEPT
    };
    let record = json!({
        "asked": asked(params, place),
        "answer": answer(&measured.selection.selected),
        "stats": measured.selection.stats,
        "rows": {
            "count": measured.rows.count,
            "fingerprint": measured.rows.fingerprint(),
            "bytes": records.len(),
            "kept": records.len().min(KEPT),
        },
        "plain": {
            "where": params.plain.as_ref().and_then(|plain| plain.condition.as_deref()),
            "bytes": measured.plain_bytes,
            "lines": expected.lines,
            "matching": expected.matching,
            "rows": expected.rows.count,
            "fingerprint": expected.rows.fingerprint(),
            "first": expected.rows.first.iter().take(shown).collect::<Vec<_>>(),
        },
        "select_ms": measured.select_ms,
        "plain_ms": measured.plain_ms,
        "unsteady_runs": measured.unsteady,
    });
    let record = cx.evidence_json("select.json", &record).await?;
    Ok(hashes(&[record, rows]))
}

/// What was asked, for a record.
pub(super) fn asked(params: &Params, place: &Place) -> Value {
    json!({"object": place.to_string(), "sql": params.sql, "input": params.input})
}

/// What was seen of an answer, for a record; its beginning in base64, for it may be no text.
pub(super) fn answer(selected: &Selected) -> Value {
    json!({
        "status": selected.status,
        "request_id": selected.request_id,
        "events": selected.events,
        "wire_bytes": selected.wire_bytes,
        "elapsed_ms": selected.elapsed.as_secs_f64() * 1000.0,
        "head_base64": base64::engine::general_purpose::STANDARD.encode(&selected.head),
    })
}

/// The failure as the step's error, after its raw record was kept.
pub(super) async fn failed(
    cx: &StepContext,
    params: &Params,
    place: &Place,
    failure: Failure,
) -> StepError {
    let (record, error) = match failure {
        Failure::Lost(error) => return error,
        Failure::Refused(refusal) => (
            json!({"asked": asked(params, place), "refusal": refusal}),
            refusal.error(&format!("S3 Select on {place}")),
        ),
        Failure::Broken(broken, selected) => (
            json!({"asked": asked(params, place), "answer": answer(&selected), "broken": broken.to_string()}),
            StepError::permanent(broken.code(), format!("S3 Select on {place}: {broken}"))
                .help(broken.help()),
        ),
    };
    match cx.evidence_json("select-failed.json", &record).await {
        Ok(_) => error,
        Err(unkept) => unkept,
    }
}
