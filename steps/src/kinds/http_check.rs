//! `http.check`: asks an HTTP service and holds its answer against what is expected. Effect: none for GET and
//! HEAD; a POST does what the service does with it, once for every time it is asked. Idempotent as the
//! request is: after a crash it is asked again. Permissions: those of the request's own headers.
//!
//! An answer is a finding, PASS or FAIL. No answer is an error: nothing was measured.

mod again;
mod ask;
mod judge;

use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Finding, Number, Verdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::ask::{Answer, Question};
use crate::again::JudgeAgain;
use crate::clients::endpoint::ServiceName;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::secret::Text;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// What to ask, and what is expected.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// Where to ask. Exactly one of `url` and `endpoint`.
    #[serde(default)]
    pub url: Option<String>,
    /// The service of the target to ask, with its credentials and its CA. Exactly one of `url` and `endpoint`.
    #[serde(default)]
    pub endpoint: Option<ServiceName>,
    /// Path and query after the endpoint's own address, for example `/-/ready`.
    #[serde(default)]
    pub path: Option<String>,
    /// Headers, plain or secret.
    #[serde(default)]
    pub headers: IndexMap<String, Text>,
    /// What a POST sends.
    #[serde(default)]
    pub send: Option<Text>,
    /// The statuses that are good.
    #[serde(default = "ok")]
    pub status: Vec<u16>,
    /// What the body must hold.
    #[serde(default)]
    pub body: Body,
    /// Ask again until the answer is as expected, for at most so long; left out: ask once.
    #[serde(default)]
    pub within: Option<Span>,
    /// How long between two times.
    #[serde(default = "second")]
    pub every: Span,
    /// How long one answer may take.
    #[serde(default = "ten_seconds")]
    pub answer_within: Span,
    /// Follow redirects, on the same host only. Otherwise a redirect is itself the answer.
    #[serde(default)]
    pub follow_redirects: bool,
    /// PEM file of a private CA; with `endpoint`, the target has it.
    #[serde(default)]
    pub ca_file: Option<String>,
}

fn ok() -> Vec<u16> {
    vec![200]
}

fn second() -> Span {
    Span::from_secs(1)
}

fn ten_seconds() -> Span {
    Span::from_secs(10)
}

/// How to ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
}

/// What a body must hold.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// This text.
    #[serde(default)]
    pub contains: Option<String>,
    /// At each JSON pointer this value, for example `{"/status": "success"}`.
    #[serde(default)]
    pub json: IndexMap<String, Value>,
}

/// What the service answered last.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Answered {
    /// Whether it is as expected.
    pub passed: bool,
    /// Its status.
    pub status: u16,
    /// How long it took to the end of the body.
    pub elapsed_ms: u64,
    /// How often it was asked.
    pub asked: u32,
    /// The body, at most 64 KiB, when it is text.
    pub body: String,
    /// The body, parsed, when it is JSON of at most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

/// The step.
#[derive(Debug)]
pub struct HttpCheck {
    params: Params,
}

impl Kind for HttpCheck {
    const INFO: KindInfo = KindInfo {
        name: "http.check",
        summary: "Asks an HTTP service and judges its answer.",
        effect: "None for GET and HEAD; a POST has the service's own, each time that it is asked.",
        permissions: "Those of the request's headers, or of the target's endpoint.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: true,
        needs_target: false,
        example: "- id: prometheus_ready\n  uses: http.check\n  with:\n    endpoint: prometheus\n    path: /-/ready\n    within: 60s\n",
    };
    type Params = Params;
    type Output = Answered;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(again::judge);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        judge::validate(&params)?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for HttpCheck {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let question = Question::new(&self.params, cx).await?;
        let limit = self
            .params
            .within
            .map(|within| cx.clock.elapsed() + within.duration());
        let mut asked = 0;
        loop {
            asked += 1;
            let answer = tokio::select! {
                answer = question.ask(cx) => answer,
                () = cx.cancel.cancelled() => return Err(StepError::cancelled()),
            };
            let (answer, instead) = match answer {
                // Asking again would not help.
                Err(error) if error.class == ErrorClass::Permanent => return Err(error),
                Err(error) => {
                    let message = error.message.clone();
                    (Err(error), Some(message))
                }
                Ok(answer) => {
                    let wrong = judge::complaints(&self.params, &answer);
                    (Ok(answer), (!wrong.is_empty()).then(|| wrong.join("; ")))
                }
            };
            let left = limit.map_or(Duration::ZERO, |limit| {
                limit.saturating_sub(cx.clock.elapsed())
            });
            match instead {
                Some(instead) if !left.is_zero() => {
                    cx.sink
                        .progress(&format!("waits for {}: {instead}", question.address()));
                    cx.sleep(self.params.every.duration().min(left)).await?;
                }
                instead => return self.conclude(cx, &question, answer?, instead, asked).await,
            }
        }
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing(
            "it only asks; what a POST did is not known",
        ))
    }
}

impl HttpCheck {
    /// Keeps the last answer as evidence and makes a finding of it.
    async fn conclude(
        &self,
        cx: &StepContext,
        question: &Question,
        answer: Answer,
        wrong: Option<String>,
        asked: u32,
    ) -> Result<Output, StepError> {
        let address = question.address();
        let evidence = cx
            .evidence_json("answer.json", &answer.record(address, asked))
            .await?;
        let (mut finding, answered) = conclusion(address, &answer, wrong, asked);
        finding.reason = cx.secrets.redact(&finding.reason);
        finding.evidence = vec![evidence.sha256];
        let value = serde_json::to_value(answered)
            .map_err(|error| StepError::permanent("http.output", error.to_string()))?;
        Ok(Output {
            value,
            findings: vec![finding],
        })
    }
}

/// What an answer comes to, given all that is wrong with it. Pure.
fn conclusion(
    address: &str,
    answer: &Answer,
    wrong: Option<String>,
    asked: u32,
) -> (Finding, Answered) {
    let good = format!("HTTP {} in {} ms", answer.status, answer.elapsed_ms());
    let passed = wrong.is_none();
    let finding = Finding {
        about: address.to_owned(),
        proves: Vec::new(),
        verdict: if passed { Verdict::Pass } else { Verdict::Fail },
        reason: wrong.unwrap_or(good),
        numbers: vec![Number {
            name: "answer".to_owned(),
            value: answer.elapsed.as_secs_f64() * 1000.0,
            unit: "ms".to_owned(),
            interval: None,
            target: None,
            samples: Some(1),
        }],
        evidence: Vec::new(),
    };
    let answered = Answered {
        passed,
        status: answer.status,
        elapsed_ms: answer.elapsed_ms(),
        asked,
        body: answer.text(),
        json: answer.json_without_secrets(),
    };
    (finding, answered)
}

#[cfg(test)]
mod tests;
