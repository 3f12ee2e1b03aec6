//! `s3.select`: SelectObjectContent of one object against a plain GET of the same object.
//! Effect: none, it only reads. Idempotent: after a crash it begins again. Permissions: to read the object.
//!
//! What the rows must be is worked out here, from the bytes of the plain GET and the `plain:` of the step, by a CSV
//! reader and an expression that know nothing of the gateway. Values are compared as the texts that the object holds,
//! rows in any order. Bytes on the wire are those of the answers' bodies, frames and all, counted on this side.
//!
//! An answer without an End event, with an error in it, or with nothing in it is a failure. With `probe: true` it is an
//! answer to another question: whether this gateway has S3 Select at all.

mod again;
mod measure;
mod params;
mod plain;
mod probe;
mod record;
mod verdict;

use async_trait::async_trait;
use serde::Serialize;

use crate::again::JudgeAgain;
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::s3::{Refusal, Stats};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use params::{Params, Plain, Saves, Speedup};

/// How a gateway answers a select.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// With rows and an End event.
    Answered,
    /// With a status that says no.
    Refused,
    /// With 200, and then with no answer that can be believed.
    Broken,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct SelectOutput {
    /// Whether the gateway answered as the protocol says.
    pub supported: bool,
    /// How it answered.
    pub answer: Answer,
    /// Its words, when it refused.
    pub refusal: Option<Refusal>,
    /// What was wrong with its answer, when that was broken.
    pub broken: Option<String>,
    /// The first rows, at most `max_rows`.
    pub rows: Vec<Vec<String>>,
    /// How many rows there were.
    pub row_count: u64,
    /// How many rows the plain GET has under the same condition.
    pub plain_row_count: Option<u64>,
    /// Whether both have the same rows.
    pub equal: Option<bool>,
    /// What the gateway says that it read and sent.
    pub stats: Option<Stats>,
    /// Bytes of the select's answer, frames and all.
    pub select_bytes: u64,
    /// Bytes of the plain GET's answer.
    pub plain_bytes: Option<u64>,
    /// The share of the plain GET's bytes that the select did not send.
    pub saved: Option<f64>,
    /// Milliseconds of each timed select.
    pub select_ms: Vec<f64>,
    /// Milliseconds of each timed plain GET.
    pub plain_ms: Vec<f64>,
    /// The gateway's name for the first select.
    pub request_id: Option<String>,
}

/// The step.
#[derive(Debug)]
pub struct S3Select(Params);

impl Kind for S3Select {
    const INFO: KindInfo = KindInfo {
        name: "s3.select",
        summary: "Selects rows of one object at the S3 gateway, and compares them, their bytes and their time with a plain GET.",
        effect: "None: it only reads.",
        permissions: "To read the object.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: select_category\n  uses: s3.select\n  with:\n    bucket: lakehouse\n    key: flowctl/sample.csv\n    input: {csv: {header: ignore}}\n    sql: \"SELECT s._1, s._4 FROM S3Object s WHERE s._2 = 'category_3'\"\n    plain: {where: \"col._2 == 'category_3'\", columns: [_1, _4]}\n    saves: {share: 0.5}\n",
    };
    type Params = Params;
    type Output = SelectOutput;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(again::judge);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        params.check()?;
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for S3Select {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let work = async {
            let client = cx.clients.s3().await?;
            if self.0.probe {
                probe::run(cx, &client, &self.0).await
            } else {
                measure::run(cx, &client, &self.0).await
            }
        };
        unless_cancelled(cx, work).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
