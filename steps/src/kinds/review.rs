//! `review`: a criterion that only people can judge. Effect: none. Idempotent. Permissions: none.
//!
//! A checkbox such as "the tuning is documented" must have its line in the report, and no program may tick it. Its verdict
//! is always INCONCLUSIVE, with the question and where to look; it never becomes PASS here.

use async_trait::async_trait;
use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::finding;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// What is to be judged, and by what.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The question to a person, for example `Is the tuning documented?`.
    pub question: String,
    /// Where its answer is to be looked for.
    #[serde(default)]
    pub material: Option<String>,
}

/// What a person is left with.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Open {
    /// The question.
    pub question: String,
}

/// The step.
#[derive(Debug)]
pub struct Review(Params);

impl Kind for Review {
    const INFO: KindInfo = KindInfo {
        name: "review",
        summary: "Leaves a criterion to people: INCONCLUSIVE, with the question and where to look.",
        effect: "None.",
        permissions: "None.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: false,
        example: "- id: documentation\n  uses: review\n  needs: [benchmark]\n  with: {question: \"Is the tuning documented?\", material: the samples of the step benchmark}\n  proves: [tuning_documentation]\n",
    };
    type Params = Params;
    type Output = Open;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.question.trim().is_empty() {
            return Err(
                "`question` is empty: the person who judges must know what is asked".to_owned(),
            );
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for Review {
    async fn run(&self, _: &StepContext) -> Result<Output, StepError> {
        let (found, output) = self.0.conclude();
        Ok(Output {
            value: json!(output),
            findings: vec![found],
        })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it changes nothing"))
    }
}

/// There is nothing to read: what is asked stands in the parameters.
fn judge_again(params: &Params, _: &Records<'_>) -> Result<Again, NotJudged> {
    let (found, output) = params.conclude();
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

impl Params {
    fn conclude(&self) -> (Finding, Open) {
        let Self { question, material } = self;
        let material = material.as_ref();
        let looked_for = material.map_or_else(String::new, |material| format!("; {material}"));
        let reason = format!("no program can judge this: {question}{looked_for}");
        let found = finding("for people to judge", Verdict::Inconclusive, reason);
        let question = question.clone();
        (found, Open { question })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(with: serde_json::Value) -> Result<Box<dyn Step>, String> {
        crate::testing::rejudged::<Review>(with)
    }

    #[tokio::test]
    async fn it_asks_and_never_passes() {
        let cx = crate::testing::TestContext::new("step").unwrap();
        let with = json!({"question": "Is it written down?", "material": "see the wiki"});
        let output = step(with).unwrap().run(&cx.context).await.unwrap();
        assert_eq!(output.findings.len(), 1);
        assert_eq!(output.findings[0].verdict, Verdict::Inconclusive);
        assert_eq!(
            output.findings[0].reason,
            "no program can judge this: Is it written down?; see the wiki"
        );
    }

    #[test]
    fn a_question_must_be_asked() {
        assert!(step(json!({"question": " "})).is_err());
    }
}
