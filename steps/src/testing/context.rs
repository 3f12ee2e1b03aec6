//! A [`StepContext`] whose sink, files and clock are in memory. Its sink redacts like the real one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::result::Evidence;
use flowctl_workflows::target::Target;
use flowctl_workflows::{InvalidId, RunId, StepId};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clients::Clients;
use crate::context::{AttemptName, Clock, Files, Sink, StepContext, Stream};
use crate::error::StepError;
use crate::secret::{Secret, Secrets};

/// Keeps all that an attempt says.
#[derive(Default)]
pub struct MemorySink {
    secrets: Secrets,
    said: Mutex<Said>,
    changed: Notify,
}

#[derive(Default)]
struct Said {
    checkpoints: Vec<Value>,
    evidence: Vec<(Evidence, Vec<u8>)>,
    progress: Vec<String>,
    lines: Vec<(Stream, String)>,
}

impl MemorySink {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that children printed, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.said()
            .lines
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// The text of the newest evidence of this name.
    #[must_use]
    pub fn evidence_text(&self, name: &str) -> Option<String> {
        let said = self.said();
        let (_, content) = said
            .evidence
            .iter()
            .rev()
            .find(|(evidence, _)| evidence.name == name)?;
        Some(String::from_utf8_lossy(content).into_owned())
    }

    /// All evidence, in order.
    #[must_use]
    pub fn evidence(&self) -> Vec<Evidence> {
        self.said()
            .evidence
            .iter()
            .map(|(evidence, _)| evidence.clone())
            .collect()
    }

    /// The handles that were written down, in order.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Value> {
        self.said().checkpoints.clone()
    }

    /// The progress texts, in order.
    #[must_use]
    pub fn progress_texts(&self) -> Vec<String> {
        self.said().progress.clone()
    }

    /// Everything that was said, in one text, to search it for what must not be there.
    #[must_use]
    pub fn everything(&self) -> String {
        let said = self.said();
        let mut all = String::new();
        for handle in &said.checkpoints {
            all.push_str(&format!("{handle}\n"));
        }
        for (evidence, content) in &said.evidence {
            all.push_str(&format!(
                "{}\n{}\n",
                evidence.name,
                String::from_utf8_lossy(content)
            ));
        }
        for text in said
            .progress
            .iter()
            .chain(said.lines.iter().map(|(_, line)| line))
        {
            all.push_str(text);
            all.push('\n');
        }
        all
    }

    /// Waits until a child has printed a line that holds `part`.
    pub async fn line_with(&self, part: &str) -> String {
        self.first(part, Self::lines).await
    }

    /// Waits until the attempt has said that it does something that holds `part`.
    pub async fn progress_with(&self, part: &str) -> String {
        self.first(part, Self::progress_texts).await
    }

    async fn first(&self, part: &str, texts: impl Fn(&Self) -> Vec<String>) -> String {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(text) = texts(self).into_iter().find(|text| text.contains(part)) {
                return text;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn checkpoint(&self, handle: Value) -> Result<(), StepError> {
        self.said().checkpoints.push(handle);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        let content = match std::str::from_utf8(content) {
            Ok(text) => self.secrets.redact(text).into_bytes(),
            Err(_) => content.to_vec(),
        };
        let evidence = Evidence {
            name: name.to_owned(),
            sha256: Sha256::digest(&content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            media_type: media_type.to_owned(),
            bytes: content.len() as u64,
        };
        self.said().evidence.push((evidence.clone(), content));
        Ok(evidence)
    }

    fn progress(&self, what: &str) {
        self.said().progress.push(self.secrets.redact(what));
        self.changed.notify_waiters();
    }

    fn line(&self, stream: Stream, line: &str) {
        self.said().lines.push((stream, self.secrets.redact(line)));
        self.changed.notify_waiters();
    }
}

/// Files by path.
#[derive(Debug, Default)]
pub struct MemoryFiles(pub BTreeMap<String, String>);

impl Files for MemoryFiles {
    fn text(&self, path: &str) -> Result<String, StepError> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| StepError::permanent("file.missing", format!("no file `{path}`")))
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        self.0
            .keys()
            .filter(|path| path.starts_with(&folder))
            .cloned()
            .collect()
    }
}

/// Follows tokio's time, so that it stands still and jumps when that is paused.
#[derive(Debug, Clone, Copy)]
pub struct ManualClock {
    wall: jiff::Timestamp,
    origin: tokio::time::Instant,
}

impl ManualClock {
    /// A clock that shows `wall` now. Must be called inside a runtime.
    #[must_use]
    pub fn at(wall: jiff::Timestamp) -> Self {
        Self {
            wall,
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        let elapsed = jiff::SignedDuration::try_from(self.origin.elapsed())
            .unwrap_or(jiff::SignedDuration::MAX);
        self.wall.saturating_add(elapsed).unwrap_or(self.wall)
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Builds a [`StepContext`] and keeps hold of its sink.
#[derive(Clone)]
pub struct TestContext {
    /// The context to hand to a step.
    pub context: StepContext,
    /// Its sink.
    pub sink: Arc<MemorySink>,
}

impl TestContext {
    /// A first attempt of the step `step` in the run `test`, without target and secrets.
    ///
    /// # Errors
    /// When `step` is not a step id.
    pub fn new(step: &str) -> Result<Self, InvalidId> {
        let attempt = AttemptName {
            run: RunId::new("test")?,
            step: StepId::new(step)?,
            attempt: 1,
        };
        let sink = Arc::new(MemorySink::default());
        let context = StepContext {
            attempt,
            handle: None,
            left: None,
            first: false,
            clients: Arc::new(Clients::new(None, Secrets::default())),
            cancel: CancellationToken::new(),
            timeout: None,
            sink: sink.clone(),
            files: Arc::new(MemoryFiles::default()),
            secrets: Secrets::default(),
            clock: Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH)),
            child_env: Arc::new(Vec::new()),
        };
        Ok(Self { context, sink })
    }

    /// Another run of the same step, so that tests that share a machine do not meet.
    ///
    /// # Errors
    /// When `run` is not a run id.
    pub fn run(mut self, run: &str) -> Result<Self, InvalidId> {
        self.context.attempt.run = RunId::new(run)?;
        Ok(self)
    }

    /// With these secrets, in the context, its clients and its sink.
    #[must_use]
    pub fn secrets(mut self, secrets: &[(&str, &str)]) -> Self {
        let secrets: HashMap<String, Secret> = secrets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        let secrets = Secrets::new(secrets);
        self.sink = Arc::new(MemorySink {
            secrets: secrets.clone(),
            ..MemorySink::default()
        });
        self.context.sink = self.sink.clone();
        self.context.clients = Arc::new(Clients::new(None, secrets.clone()));
        self.context.secrets = secrets;
        self
    }

    /// With clients of this target; give the secrets before.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.context.clients = Arc::new(Clients::new(Some(target), self.context.secrets.clone()));
        self
    }

    /// With these files of the workflow.
    #[must_use]
    pub fn files(mut self, files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        self.context.files = Arc::new(MemoryFiles(files));
        self
    }

    /// The same attempt as a new process of flowctl finds it: with the newest handle, not cancelled.
    #[must_use]
    pub fn resumed(&self) -> Self {
        let mut resumed = self.clone();
        resumed.context.handle = self.sink.checkpoints().last().cloned();
        resumed.context.cancel = CancellationToken::new();
        resumed
    }
}
