//! `approval`: waits for a person. The engine itself completes it, from `flowctl approve`; what stands here
//! is its documentation and the schema of its parameters.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// What to ask.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What is to be approved, for the person who is asked.
    pub message: String,
}

/// Holds nothing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Nothing {}

/// The step.
#[derive(Debug)]
pub struct Approval;

impl Kind for Approval {
    const INFO: KindInfo = KindInfo {
        name: "approval",
        summary: "Waits until a person says `flowctl approve RUN STEP`.",
        effect: "None; who approved is recorded in the run.",
        permissions: "Whoever may use the state directory may approve.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: false,
        needs_target: false,
        example: "- id: go_live\n  uses: approval\n  needs: [benchmark]\n  with: {message: \"Switch the dashboards to the new cluster?\"}\n",
    };
    type Params = Params;
    type Output = Nothing;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.message.trim().is_empty() {
            return Err(
                "`message` is empty: the person who is asked must know what is asked".to_owned(),
            );
        }
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Step for Approval {
    async fn run(&self, _: &StepContext) -> Result<Output, StepError> {
        Err(StepError::permanent(
            "flowctl.bug",
            "an approval was run like a step; only the engine completes it",
        )
        .help("this is a bug in flowctl; please report it"))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("an approval changes nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_says_what_it_asks_for() {
        assert!(
            Approval::build(Params {
                message: " ".to_owned()
            })
            .is_err()
        );
        assert!(
            Approval::build(Params {
                message: "go?".to_owned()
            })
            .is_ok()
        );
    }

    #[tokio::test]
    async fn it_can_never_be_run_into_a_success() {
        let cx = crate::testing::TestContext::new("step").unwrap();
        assert_eq!(
            Approval.run(&cx.context).await.unwrap_err().code,
            "flowctl.bug"
        );
    }
}
