//! What an attempt is given: its name, its clients, the means to keep evidence, and when to stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::result::Evidence;
use flowctl_workflows::{RunId, StepId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clients::Clients;
use crate::error::StepError;
use crate::secret::Secrets;

/// The name of an attempt, given to the platform before the effect: `RUN/STEP/ATTEMPT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptName {
    /// Which run.
    pub run: RunId,
    /// Which step.
    pub step: StepId,
    /// Which try, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.step, self.attempt)
    }
}

/// Which of a child's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where an attempt's words go. The caller keeps them; a step does not know where.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Writes down a name that the service picked. Durable when it returns.
    ///
    /// # Errors
    /// When it could not be made durable; then the effect must not be begun.
    async fn checkpoint(&self, handle: Value) -> Result<(), StepError>;

    /// Keeps a raw record by its content hash. Secrets are blotted out on the way in.
    ///
    /// # Errors
    /// When it could not be written.
    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError>;

    /// Says what the attempt waits for or does, for the progress line.
    fn progress(&self, what: &str);

    /// Passes on a line that a child printed.
    fn line(&self, stream: Stream, line: &str);
}

/// The files of the workflow, as they were when the run started.
pub trait Files: Send + Sync {
    /// The text of a file with its templates rendered; `path` is as the workflow gives it.
    ///
    /// # Errors
    /// Permanent, when the workflow has no such file or a template in it fails.
    fn text(&self, path: &str) -> Result<String, StepError>;

    /// The workflow's files below a folder, sorted by path.
    fn below(&self, folder: &str) -> Vec<String>;
}

/// Wall time and elapsed time; a parameter, so that tests need not wait.
pub trait Clock: Send + Sync {
    /// Now, for people and for the platform.
    fn now(&self) -> jiff::Timestamp;

    /// Time since some fixed moment; only differences mean anything.
    fn elapsed(&self) -> Duration;
}

/// What an attempt is given.
#[derive(Clone)]
pub struct StepContext {
    /// Its name.
    pub attempt: AttemptName,
    /// What an earlier process wrote down for this same attempt through [`Sink::checkpoint`].
    pub handle: Option<Value>,
    /// What an earlier attempt of the step wrote down, when this one has written nothing yet and nothing was undone
    /// since: what that attempt changed may still be there.
    pub left: Option<Value>,
    /// This is the step's first attempt, and no process has begun it before this one: nothing of it can be left.
    pub first: bool,
    /// The target's clients, connected when first used.
    pub clients: Arc<Clients>,
    /// Fires when the attempt must stop, promptly, asking the platform too.
    pub cancel: CancellationToken,
    /// How long the attempt may take in all; the caller ends it then.
    pub timeout: Option<Duration>,
    /// Where its words go.
    pub sink: Arc<dyn Sink>,
    /// The workflow's files.
    pub files: Arc<dyn Files>,
    /// The run's secrets.
    pub secrets: Secrets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Variables that every child process gets, for example `FLOWCTL_LAB`.
    pub child_env: Arc<Vec<(String, String)>>,
}

impl StepContext {
    /// Keeps a raw record; see [`Sink::evidence`].
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        self.sink.evidence(name, media_type, content).await
    }

    /// Keeps a value as JSON.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn evidence_json(&self, name: &str, value: &Value) -> Result<Evidence, StepError> {
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| StepError::permanent("evidence.json", error.to_string()))?;
        self.sink.evidence(name, "application/json", &text).await
    }

    /// Waits, or returns [`StepError::cancelled`] as soon as the attempt must stop.
    ///
    /// # Errors
    /// Cancelled.
    pub async fn sleep(&self, duration: Duration) -> Result<(), StepError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(StepError::cancelled()),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}
