//! `noop`: does nothing. Effect: none. Idempotent. Permissions: none.
//!
//! Joins branches of a DAG, and stands in for work when a workflow's shape is tried out.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// Takes nothing.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// Holds nothing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Nothing {}

/// The step.
#[derive(Debug)]
pub struct Noop;

impl Kind for Noop {
    const INFO: KindInfo = KindInfo {
        name: "noop",
        summary: "Does nothing; joins branches.",
        effect: "None.",
        permissions: "None.",
        measures: false,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: false,
        example: "- id: all_deployed\n  uses: noop\n  needs: [a, b]\n",
    };
    type Params = Params;
    type Output = Nothing;

    fn build(_: Params) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Step for Noop {
    async fn run(&self, _: &StepContext) -> Result<Output, StepError> {
        Ok(Output::of(serde_json::json!({})))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("changes nothing"))
    }
}
