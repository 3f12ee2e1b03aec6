//! The verdicts on a select from its records. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::measure::{Measured, output_of};
use super::plain::{Expected, KEPT, Rows};
use super::{Params, probe, verdict};
use crate::again::{self, Again, NotJudged, Records};
use crate::clients::s3::{Selected, Selection, Stats};

/// The record of a comparison.
#[derive(Debug, Deserialize)]
struct Recorded {
    answer: AnswerRecord,
    stats: Option<Stats>,
    rows: RowsRecord,
    plain: PlainRecord,
    select_ms: Vec<f64>,
    plain_ms: Vec<f64>,
    unsteady_runs: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct AnswerRecord {
    status: u16,
    request_id: Option<String>,
    events: BTreeMap<String, u64>,
    wire_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct RowsRecord {
    count: u64,
    fingerprint: String,
    bytes: u64,
    kept: u64,
}

#[derive(Debug, Deserialize)]
struct PlainRecord {
    bytes: u64,
    lines: u64,
    matching: u64,
    rows: u64,
    fingerprint: String,
    first: Vec<Vec<String>>,
}

pub(super) fn judge(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    if params.probe {
        return probe::judge_again(params, records);
    }
    let place = params.place().map_err(NotJudged::Wrong)?;
    let record = records.json::<Recorded>("select.json", |name| name == "select.json")?;
    let kept = records.bytes("select-rows.csv", |name| name == "select-rows.csv")?;
    let recorded = record.value;
    let whole = recorded.rows.kept == recorded.rows.bytes;
    let rows = rows_of(&recorded.rows, &kept.value)?;
    let plain = recorded.plain;
    let shown = plain.first.len() as u64 >= plain.rows.min(KEPT as u64);
    let measured = Measured {
        selection: Selection {
            selected: Selected {
                status: recorded.answer.status,
                request_id: recorded.answer.request_id,
                events: recorded.answer.events,
                wire_bytes: recorded.answer.wire_bytes,
                head: Vec::new(),
                elapsed: Duration::ZERO,
            },
            records: kept.value,
            stats: recorded.stats,
        },
        rows,
        expected: Expected {
            lines: plain.lines,
            matching: plain.matching,
            rows: Rows::of_record(plain.rows, plain.fingerprint, plain.first),
        },
        plain_bytes: plain.bytes,
        select_ms: recorded.select_ms,
        plain_ms: recorded.plain_ms,
        unsteady: recorded.unsteady_runs,
    };
    if !(verdict::equal(&measured) || whole && shown) {
        return Err(NotJudged::lacking("the rows in which the two differ"));
    }
    let mut findings = verdict::judge(params, &place, &measured);
    for finding in &mut findings {
        finding.evidence = vec![record.sha256.to_owned(), kept.sha256.to_owned()];
    }
    let value = match whole {
        true => again::output(output_of(params, measured))?,
        false => None,
    };
    Ok(Again { findings, value })
}

/// The rows of the select: read again where they were all kept, else as they were counted.
fn rows_of(recorded: &RowsRecord, kept: &[u8]) -> Result<Rows, NotJudged> {
    let wrong = |why: &str| NotJudged::Wrong(why.to_owned());
    let blotted = kept.windows(3).any(|three| three == b"***");
    if recorded.kept < recorded.bytes || blotted {
        let first = match blotted {
            true => Rows::of_records(kept).map_err(NotJudged::Wrong)?.first,
            false => Vec::new(),
        };
        return Ok(Rows::of_record(
            recorded.count,
            recorded.fingerprint.clone(),
            first,
        ));
    }
    if kept.len() as u64 != recorded.kept {
        return Err(wrong(
            "the rows that were kept are not as long as they were",
        ));
    }
    let rows = Rows::of_records(kept).map_err(NotJudged::Wrong)?;
    if rows.count != recorded.count || rows.fingerprint() != recorded.fingerprint {
        return Err(wrong(
            "the rows that were kept are not those that were counted",
        ));
    }
    Ok(rows)
}
