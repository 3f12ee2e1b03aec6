//! `world`: the step kind of the crash suite. Effect: a line in a file, and a value that was another one
//! before. Both are named by the attempt, so that a second one of the same name is none. It is not in the
//! program that people use.
//!
//! The process can be told to die before and after each effect.

use std::io::Write;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use flowctl_state::crash::{Point, reached};
use flowctl_steps::registry::Kind;
use flowctl_steps::step::OnResume;
use flowctl_steps::{KindInfo, Output, Step, StepContext, StepError, Undone};
use flowctl_workflows::result::ErrorClass;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which world, and what becomes of it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The directory of the world.
    dir: PathBuf,
    /// Attempts up to this one fail, after their effect.
    #[serde(default)]
    fail: u32,
    /// Whether it changes a value, which an undo puts back.
    #[serde(default)]
    changes: bool,
}

/// What the attempt did.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Did {
    /// The step.
    step: String,
}

/// The step.
pub(crate) struct World(Params);

impl Kind for World {
    const INFO: KindInfo = KindInfo {
        name: "world",
        summary: "Writes its name down.",
        effect: "A line in a file, and a value in another; once an attempt.",
        permissions: "To write there.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: false,
        example: "- id: a\n  uses: world\n  with: {dir: /tmp/world}\n",
    };
    type Params = Params;
    type Output = Did;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self(params)))
    }
}

fn failed(error: std::io::Error) -> StepError {
    StepError::permanent("world.io", error.to_string())
}

impl World {
    fn value_path(&self, cx: &StepContext) -> PathBuf {
        self.0.dir.join(format!("value-{}", cx.attempt.step))
    }

    fn write_down(&self, line: &str) -> Result<(), StepError> {
        let path = self.0.dir.join("effects");
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(failed)
    }

    fn is_written_down(&self, line: &str) -> bool {
        std::fs::read_to_string(self.0.dir.join("effects"))
            .is_ok_and(|text| text.lines().any(|written| written == line))
    }
}

/// All of the value, or the one before.
fn set(path: &Path, value: &str) -> Result<(), StepError> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, value)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(failed)
}

#[async_trait]
impl Step for World {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let name = cx.attempt.to_string();
        let value = self.value_path(cx);
        if self.0.changes && cx.handle.is_none() {
            // What an attempt before this one found is the original still: nobody has put it back.
            let original = match &cx.left {
                Some(left) => left.clone(),
                None => Value::from(std::fs::read_to_string(&value).map_err(failed)?),
            };
            cx.sink.checkpoint(original).await?;
        }
        if !self.is_written_down(&name) {
            reached(Point::EffectDue);
            if self.0.changes {
                set(&value, &name)?;
            }
            self.write_down(&name)?;
            reached(Point::EffectDone);
        }
        if cx.attempt.attempt <= self.0.fail {
            return Err(StepError::new(
                ErrorClass::Transient,
                "world.fail",
                "was told to fail",
            ));
        }
        Ok(Output::of(json!({"step": cx.attempt.step})))
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        let Some(original) = cx.handle.as_ref().and_then(Value::as_str) else {
            return Ok(Undone::Nothing("no attempt has changed anything"));
        };
        reached(Point::EffectDue);
        set(&self.value_path(cx), original)?;
        self.write_down(&format!("undo {}", cx.attempt))?;
        reached(Point::EffectDone);
        Ok(Undone::Restored(format!("the value is {original} again")))
    }
}
