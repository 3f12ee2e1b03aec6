//! `wait`: lets time pass. Effect: none. Idempotent: the moment at which it ends is written down before it
//! begins, so a resumed run waits for the rest only. Permissions: none.
//!
//! Waits for a time, never for a condition: that is what `within:` of the checking kinds is for.

use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// The wall clock may be set while a step waits, so it is asked again at least this often.
const LOOK: Duration = Duration::from_secs(30);

/// For how long or until when.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How long. Exactly one of `for` and `until`.
    #[serde(default, rename = "for")]
    pub span: Option<Span>,
    /// Until when, for example `2026-11-23T20:00:00Z`. Exactly one of `for` and `until`; a time that is past is not waited for.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<String>,
}

/// How it was waited.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Waited {
    /// The moment that was waited for.
    pub until: String,
    /// How long this took since flowctl (or the flowctl that resumed the run) began to wait.
    pub waited_ms: u64,
}

/// What is written down: by it a resumed step knows how much is left.
#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    until: Timestamp,
}

/// The step.
#[derive(Debug, Clone, Copy)]
pub enum Wait {
    /// For a time.
    For(Duration),
    /// Until a moment.
    Until(Timestamp),
}

impl Kind for Wait {
    const INFO: KindInfo = KindInfo {
        name: "wait",
        summary: "Waits for a time or until a moment.",
        effect: "None.",
        permissions: "None.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: false,
        needs_target: false,
        example: "- id: let_it_settle\n  uses: wait\n  with: {for: 90s}\n",
    };
    type Params = Params;
    type Output = Waited;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let wait = match (params.span, params.until) {
            (Some(span), None) => Wait::For(span.duration()),
            (None, Some(until)) => Wait::Until(until.parse().map_err(|error| {
                format!("`until` is no time like 2026-11-23T20:00:00Z: {error}")
            })?),
            (None, None) => return Err("one of `for` and `until` is needed".to_owned()),
            (Some(_), Some(_)) => return Err("`for` and `until` exclude each other".to_owned()),
        };
        Ok(Box::new(wait))
    }
}

#[async_trait]
impl Step for Wait {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let until = self.until(cx).await?;
        let begun = cx.clock.elapsed();
        loop {
            let left = Duration::try_from(until.duration_since(cx.clock.now())).unwrap_or_default();
            if left.is_zero() {
                break;
            }
            cx.sink.progress(&format!("waits until {until}"));
            cx.sleep(left.min(LOOK)).await?;
        }
        let waited = cx.clock.elapsed().saturating_sub(begun);
        let waited = Waited {
            until: until.to_string(),
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        };
        serde_json::to_value(waited)
            .map(Output::of)
            .map_err(|error| StepError::permanent("wait.output", error.to_string()))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("time that has passed does not come back"))
    }
}

impl Wait {
    /// The moment to wait for: what an earlier process wrote down, else reckoned now and written down.
    async fn until(&self, cx: &StepContext) -> Result<Timestamp, StepError> {
        let handle = cx
            .handle
            .clone()
            .and_then(|handle| serde_json::from_value::<Handle>(handle).ok());
        match (self, handle) {
            (Wait::Until(until), _) => Ok(*until),
            (Wait::For(_), Some(handle)) => Ok(handle.until),
            (Wait::For(span), None) => {
                let until = jiff::SignedDuration::try_from(*span)
                    .ok()
                    .and_then(|span| cx.clock.now().checked_add(span).ok())
                    .ok_or_else(|| {
                        StepError::permanent(
                            "wait.too_long",
                            "the time to wait ends after all dates",
                        )
                    })?;
                cx.sink
                    .checkpoint(serde_json::json!({ "until": until }))
                    .await?;
                Ok(until)
            }
        }
    }
}

#[cfg(test)]
mod tests;
