//! The comparison: one select and one plain GET for their rows, then timed ones in turn for their bytes and times.
//! The first two warm both ways up and count for nothing else.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::plain::{Condition, Expected, Rows};
use super::{Answer, Params, SelectOutput, record, verdict};
use crate::clients::s3::{Head, Input, Place, S3Client, Selection};
use crate::context::StepContext;
use crate::error::StepError;
use crate::step::Output;

/// How many pieces of an object may wait for the reader of its lines.
const AHEAD: usize = 16;

/// All that was measured.
pub(super) struct Measured {
    /// The first select.
    pub(super) selection: Selection,
    /// Its rows.
    pub(super) rows: Rows,
    /// What the object itself says that they should be.
    pub(super) expected: Expected,
    /// Length of the object, as it came.
    pub(super) plain_bytes: u64,
    /// Timed selects and plain GETs in milliseconds.
    pub(super) select_ms: Vec<f64>,
    pub(super) plain_ms: Vec<f64>,
    /// Which timed selects gave other bytes than the first.
    pub(super) unsteady: Vec<u32>,
}

pub(super) async fn run(
    cx: &StepContext,
    client: &S3Client,
    params: &Params,
) -> Result<Output, StepError> {
    let place = place(params)?;
    let measured = measure(cx, client, params, &place).await?;
    let evidence = record::keep(cx, params, &place, &measured).await?;
    let mut findings = verdict::judge(params, &place, &measured);
    for finding in &mut findings {
        finding.evidence.clone_from(&evidence);
    }
    let output = output_of(params, measured);
    let value = serde_json::to_value(output)
        .map_err(|error| StepError::permanent("s3.output", error.to_string()))?;
    Ok(Output { value, findings })
}

/// What a measurement puts out. Pure.
pub(super) fn output_of(params: &Params, measured: Measured) -> SelectOutput {
    SelectOutput {
        supported: true,
        answer: Answer::Answered,
        refusal: None,
        broken: None,
        rows: measured
            .rows
            .first
            .iter()
            .take(params.max_rows)
            .cloned()
            .collect(),
        row_count: measured.rows.count,
        plain_row_count: Some(measured.expected.rows.count),
        equal: Some(verdict::equal(&measured)),
        stats: measured.selection.stats,
        select_bytes: measured.selection.selected.wire_bytes,
        plain_bytes: Some(measured.plain_bytes),
        saved: verdict::saved(&measured),
        select_ms: measured.select_ms,
        plain_ms: measured.plain_ms,
        request_id: measured.selection.selected.request_id,
    }
}

async fn measure(
    cx: &StepContext,
    client: &S3Client,
    params: &Params,
    place: &Place,
) -> Result<Measured, StepError> {
    cx.sink.progress(&format!("reads {place} whole"));
    let (head, expected, plain_bytes) = whole(cx, client, params, place).await?;
    cx.sink.progress(&format!("selects from {place}"));
    let selection = select(cx, client, params, place).await?;
    let rows = Rows::of_records(&selection.records).map_err(|reason| {
        StepError::permanent(
            "s3.select_rows",
            format!("the rows that came are no CSV: {reason}"),
        )
    })?;
    let mut measured = Measured {
        selection,
        rows,
        expected,
        plain_bytes,
        select_ms: Vec::new(),
        plain_ms: Vec::new(),
        unsteady: Vec::new(),
    };
    for run in 1..=params.runs {
        cx.sink
            .progress(&format!("times select and GET, {run} of {}", params.runs));
        // A trend in the machine's load falls on both alike when every other pair is turned round.
        for select_now in [run % 2 == 1, run % 2 == 0] {
            if select_now {
                let again = select(cx, client, params, place).await?;
                if again.records != measured.selection.records {
                    measured.unsteady.push(run);
                }
                measured.select_ms.push(millis(again.selected.elapsed));
            } else {
                let elapsed = drain(cx, client, place, &head, plain_bytes).await?;
                measured.plain_ms.push(millis(elapsed));
            }
        }
    }
    Ok(measured)
}

pub(super) fn place(params: &Params) -> Result<Place, StepError> {
    params
        .place()
        .map_err(|reason| StepError::permanent("s3.place", reason))
}

async fn select(
    cx: &StepContext,
    client: &S3Client,
    params: &Params,
    place: &Place,
) -> Result<Selection, StepError> {
    match client.select(cx, place, &params.sql, params.input).await {
        Ok(selection) => Ok(selection),
        Err(failure) => Err(record::failed(cx, params, place, *failure).await),
    }
}

/// The object from its first byte to its last, read as lines on the way.
async fn whole(
    cx: &StepContext,
    client: &S3Client,
    params: &Params,
    place: &Place,
) -> Result<(Head, Expected, u64), StepError> {
    let (Some(plain), Input::Csv { header, delimiter }) = (&params.plain, params.input) else {
        return Err(StepError::permanent(
            "s3.plain",
            "there is nothing to compare with",
        ));
    };
    let condition =
        Condition::compile(plain).map_err(|reason| StepError::permanent("s3.plain", reason))?;
    let delimiter = u8::try_from(delimiter)
        .map_err(|_| StepError::permanent("s3.plain", "the delimiter is no ASCII character"))?;
    let mut reading = client.get(cx, place).await?;
    let head = reading.head.clone();
    let (pieces, received) = mpsc::channel(AHEAD);
    // Reading lines and evaluating a condition a million times is work for a thread.
    let lines = tokio::task::spawn_blocking(move || {
        let object = Pieces {
            received,
            piece: Bytes::new(),
        };
        condition.expect(object, header, delimiter)
    });
    let mut bytes = 0;
    while let Some(piece) = reading.next().await? {
        bytes += piece.len() as u64;
        // A reader that gave up says why below.
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let expected = lines
        .await
        .map_err(|error| StepError::permanent("s3.plain", error.to_string()))?
        .map_err(|reason| {
            StepError::permanent("s3.plain", format!("{place} as it is: {reason}"))
                .help("`plain:` and `input:` must fit the object: see `flowctl kinds s3.select`")
        })?;
    Ok((head, expected, bytes))
}

/// A timed plain GET, whose bytes nobody looks at.
async fn drain(
    cx: &StepContext,
    client: &S3Client,
    place: &Place,
    head: &Head,
    bytes: u64,
) -> Result<Duration, StepError> {
    let begun = cx.clock.elapsed();
    let mut reading = client.get(cx, place).await?;
    let mut now = 0;
    while let Some(piece) = reading.next().await? {
        now += piece.len() as u64;
    }
    let elapsed = cx.clock.elapsed().saturating_sub(begun);
    if now != bytes || reading.head.etag != head.etag {
        return Err(StepError::permanent(
            "s3.object_changed",
            format!("{place} changed while it was measured: {bytes} bytes, then {now}"),
        )
        .help("measure an object that nobody writes to"));
    }
    Ok(elapsed)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The pieces of an object as a reader for a thread.
struct Pieces {
    received: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.received.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(into.len());
        into[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
