//! `report`: renders the report in the middle of a run. The executor itself does it, since only it has the
//! run's state; what stands here is its documentation and the schema of its parameters.

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

/// Where the report is.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Rendered {
    /// The directory with all forms of the report.
    pub directory: String,
}

/// The step.
#[derive(Debug)]
pub struct Report;

impl Kind for Report {
    const INFO: KindInfo = KindInfo {
        name: "report",
        summary: "Renders the report of the run so far; at the end of a run it is rendered anyway.",
        effect: "Writes the files of the report into the state directory; a second time replaces them.",
        permissions: "Those of the state directory.",
        measures: false,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: false,
        example: "- id: interim_report\n  uses: report\n  needs: [benchmark]\n",
    };
    type Params = Params;
    type Output = Rendered;

    fn build(_: Params) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Step for Report {
    async fn run(&self, _: &StepContext) -> Result<Output, StepError> {
        Err(StepError::permanent(
            "flowctl.bug",
            "a report was run like a step; only the executor renders it",
        )
        .help("this is a bug in flowctl; please report it"))
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing(
            "a report may stay; the next one replaces it",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_can_never_be_run_into_a_success() {
        let cx = crate::testing::TestContext::new("step").unwrap();
        assert_eq!(
            Report.run(&cx.context).await.unwrap_err().code,
            "flowctl.bug"
        );
    }
}
