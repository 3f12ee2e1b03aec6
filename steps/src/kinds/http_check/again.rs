//! The verdict on an answer from its record. Pure.

use std::time::Duration;

use serde::Deserialize;

use super::ask::Answer;
use super::{Params, conclusion, judge};
use crate::again::{self, Again, NotJudged, Records};

#[derive(Debug, Deserialize)]
struct Recorded {
    asked: String,
    times: u32,
    status: u16,
    content_type: Option<String>,
    elapsed_nanos: Option<u64>,
    body: String,
    body_truncated: bool,
}

pub(super) fn judge(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Recorded>("answer.json", |name| name == "answer.json")?;
    let recorded = record.value;
    let nanos = recorded
        .elapsed_nanos
        .ok_or_else(|| NotJudged::lacking("the time of the answer but to the millisecond"))?;
    if recorded.body.contains("***") {
        let why = "a secret was blotted out of the answer that was judged";
        return Err(NotJudged::Lacking(why.to_owned()));
    }
    let answer = Answer {
        status: recorded.status,
        content_type: recorded.content_type,
        body: recorded.body.clone().into_bytes(),
        clean: recorded.body,
        truncated: recorded.body_truncated,
        elapsed: Duration::from_nanos(nanos),
    };
    let wrong = judge::complaints(params, &answer);
    let wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
    let (mut finding, answered) = conclusion(&recorded.asked, &answer, wrong, recorded.times);
    finding.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![finding],
        value: again::output(answered)?,
    })
}
