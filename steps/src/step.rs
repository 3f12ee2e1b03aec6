//! What every step kind is: the trait, what it returns, and what it says of itself.

use async_trait::async_trait;
use flowctl_workflows::result::Finding;
use serde_json::Value;

use crate::context::StepContext;
use crate::error::StepError;

/// One use of a step kind, with its parameters already checked.
#[async_trait]
pub trait Step: Send + Sync {
    /// Brings the effect about, or attaches to what the same attempt already began: `cx.attempt` is the
    /// name under which an earlier process may have begun it, `cx.handle` what it wrote down.
    ///
    /// # Errors
    /// [`StepError`], whose class decides whether the attempt is repeated.
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError>;

    /// Takes the effect of `run` back. Undoing twice, or undoing nothing, is fine: "not found" is success.
    /// A kind that has nothing to take back says so with [`Undone::Nothing`].
    ///
    /// # Errors
    /// [`StepError`]; undo is itself retried.
    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError>;
}

/// What an undo came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The kind changes nothing, or cannot take it back: why.
    Nothing(&'static str),
    /// What was put back, for the report.
    Restored(String),
}

/// What a successful attempt came to. Raw records go to [`StepContext::evidence`] before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// What `expect:` and later steps may refer to; an object.
    pub value: Value,
    /// What was found out; empty for a kind that measures nothing.
    pub findings: Vec<Finding>,
}

impl Output {
    /// An output without findings.
    #[must_use]
    pub fn of(value: Value) -> Self {
        Self {
            value,
            findings: Vec::new(),
        }
    }
}

/// What happens when flowctl dies in the middle of an attempt and is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnResume {
    /// Only reads: it is simply done again.
    Repeats,
    /// The effect in flight is found by the attempt's name and followed to its end.
    Attaches,
    /// The effect in flight is found by the attempt's name and ended, then begun again.
    EndsAndRestarts,
}

/// What a step kind says of itself; `flowctl kinds KIND` prints it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct KindInfo {
    /// The name in `uses:`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it changes, and whether doing it twice is the same as once.
    pub effect: &'static str,
    /// What rights it needs.
    pub permissions: &'static str,
    /// Whether it reports findings by itself, so that `proves:` needs no `expect:`.
    pub measures: bool,
    /// What happens after a crash.
    pub on_resume: OnResume,
    /// Whether it writes to the target; `--dry-run` runs no step, and a dry run lists these.
    pub writes: bool,
    /// Whether it does its work on a service of the target.
    pub needs_target: bool,
    /// An example, as YAML of one step.
    pub example: &'static str,
}
