//! The other question: has this gateway S3 Select at all, for such an object and such SQL? A no is an answer, with the
//! gateway's own words as evidence. What says nothing of the gateway's abilities stays an error: no such object, no
//! right to read it, no answer.

use flowctl_workflows::result::Verdict;
use serde::Deserialize;
use serde_json::json;

use super::plain::Rows;
use super::{Answer, Params, SelectOutput, measure, record};
use crate::again::{Again, NotJudged, Records};
use crate::clients::s3::{Failure, Refusal, S3Client};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::finding;
use crate::step::Output;

pub(super) async fn run(
    cx: &StepContext,
    client: &S3Client,
    params: &Params,
) -> Result<Output, StepError> {
    let place = measure::place(params)?;
    let mut output = SelectOutput {
        supported: false,
        answer: Answer::Answered,
        refusal: None,
        broken: None,
        rows: Vec::new(),
        row_count: 0,
        plain_row_count: None,
        equal: None,
        stats: None,
        select_bytes: 0,
        plain_bytes: None,
        saved: None,
        select_ms: Vec::new(),
        plain_ms: Vec::new(),
        request_id: None,
    };
    let mut record = json!({"asked": record::asked(params, &place)});
    let (verdict, reason) = match client.select(cx, &place, &params.sql, params.input).await {
        Ok(selection) => {
            let rows = Rows::of_records(&selection.records).unwrap_or_default();
            output.supported = true;
            output.row_count = rows.count;
            output.rows = rows.first.into_iter().take(params.max_rows).collect();
            output.stats = selection.stats;
            output.select_bytes = selection.selected.wire_bytes;
            output.request_id.clone_from(&selection.selected.request_id);
            record["answer"] = record::answer(&selection.selected);
            record["stats"] = json!(selection.stats);
            record["rows"] = json!(String::from_utf8_lossy(
                &selection.records[..selection.records.len().min(4096)]
            ));
            record["row_count"] = json!(output.row_count);
            answered(output.row_count)
        }
        Err(failure) => match *failure {
            Failure::Refused(refusal) if says_no(&refusal) => {
                record["refusal"] = json!(refusal);
                output.answer = Answer::Refused;
                output.request_id.clone_from(&refusal.request_id);
                let conclusion = refused(&refusal);
                output.refusal = Some(refusal);
                conclusion
            }
            Failure::Broken(broken, selected) => {
                record["answer"] = record::answer(&selected);
                record["broken"] = json!(broken.to_string());
                output.answer = Answer::Broken;
                output.select_bytes = selected.wire_bytes;
                output.request_id.clone_from(&selected.request_id);
                output.broken = Some(broken.to_string());
                // It claims to, and does not: worse than to refuse.
                (Verdict::Fail, broken.to_string())
            }
            other => return Err(record::failed(cx, params, &place, other).await),
        },
    };
    let evidence = cx.evidence_json("select-probe.json", &record).await?;
    let mut found = finding(format!("S3 Select on {place}"), verdict, reason);
    found.evidence.push(evidence.sha256);
    let value = serde_json::to_value(output)
        .map_err(|error| StepError::permanent("s3.output", error.to_string()))?;
    Ok(Output {
        value,
        findings: vec![found],
    })
}

fn answered(rows: u64) -> (Verdict, String) {
    let reason = format!("the gateway answered with {rows} rows and an End event");
    (Verdict::Pass, reason)
}

fn refused(refusal: &Refusal) -> (Verdict, String) {
    let reason = format!("the gateway refuses: {}", refusal.words());
    (Verdict::Inapplicable, reason)
}

/// The record of a probe.
#[derive(Debug, Deserialize)]
struct Recorded {
    refusal: Option<Refusal>,
    broken: Option<String>,
    row_count: Option<u64>,
}

/// The verdict from the record. Pure.
pub(super) fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let name = "select-probe.json";
    let record = records.json::<Recorded>(name, |other| other == name)?;
    let place = params.place().map_err(NotJudged::Wrong)?;
    let recorded = record.value;
    let (verdict, reason) = match (recorded.refusal, recorded.broken, recorded.row_count) {
        (Some(refusal), ..) if says_no(&refusal) => refused(&refusal),
        (Some(_), ..) => {
            let reason = "the refusal in its record says nothing of what the gateway can";
            return Err(NotJudged::Wrong(reason.to_owned()));
        }
        (None, Some(broken), _) => (Verdict::Fail, broken),
        (None, None, Some(rows)) => answered(rows),
        (None, None, None) => return Err(NotJudged::lacking("how many rows were answered")),
    };
    let mut found = finding(format!("S3 Select on {place}"), verdict, reason);
    found.evidence.push(record.sha256.to_owned());
    Ok(Again {
        findings: vec![found],
        value: None,
    })
}

/// Whether a refusal is about the question, and not about who asks, what for, or when.
fn says_no(refusal: &Refusal) -> bool {
    match refusal.status {
        400 | 405 | 406 | 409 | 415 | 422 | 501 => !matches!(
            refusal.code.as_str(),
            "InvalidBucketName"
                | "ExpiredToken"
                | "InvalidToken"
                | "AuthorizationHeaderMalformed"
                | "XAmzContentSHA256Mismatch"
                | "RequestTimeTooSkewed"
        ),
        _ => false,
    }
}
