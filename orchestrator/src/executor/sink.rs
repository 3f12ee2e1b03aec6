//! Where an attempt's words go: checkpoints and progress to the loop, raw records to the evidence
//! store. Secrets are blotted out here, on the way in.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flowctl_state::crash::{self, Mutant};
use flowctl_state::evidence::EvidenceStore;
use flowctl_steps::context::Stream;
use flowctl_steps::secret::Secrets;
use flowctl_steps::{Sink, StepError};
use flowctl_workflows::result::{Evidence, output_in_rehearsal};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::message::Message;

pub(super) struct LoopSink {
    pub(super) step: u32,
    pub(super) sender: mpsc::UnboundedSender<Message>,
    pub(super) store: Arc<EvidenceStore>,
    pub(super) secrets: Secrets,
    rehearsal: bool,
    kept: Mutex<Vec<Evidence>>,
}

impl LoopSink {
    pub(super) fn new(
        step: u32,
        sender: mpsc::UnboundedSender<Message>,
        store: Arc<EvidenceStore>,
        secrets: Secrets,
        rehearsal: bool,
    ) -> Self {
        Self {
            step,
            sender,
            store,
            secrets,
            rehearsal,
            kept: Mutex::default(),
        }
    }

    /// The raw records that were kept so far; they are handed out once.
    pub(super) fn take_evidence(&self) -> Vec<Evidence> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hashes of the raw records that were kept so far.
    pub(super) fn kept(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(|evidence| evidence.sha256.clone())
            .collect()
    }

    fn send(&self, message: Message) {
        // The loop may be over; then nobody looks any more.
        let _ = self.sender.send(message);
    }
}

/// A record of a step without the verdicts that doubles cannot give; `None`: it is no JSON, and holds none.
fn record_in_rehearsal(content: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(content).ok()?;
    output_in_rehearsal(&mut value);
    serde_json::to_vec_pretty(&value).ok()
}

#[async_trait]
impl Sink for LoopSink {
    async fn checkpoint(&self, mut handle: Value) -> Result<(), StepError> {
        self.secrets.seal(&mut handle)?;
        let (stored, durable) = oneshot::channel();
        self.send(Message::Checkpoint {
            step: self.step,
            handle,
            stored,
        });
        if crash::is(Mutant::ChangeBeforeOriginal) {
            return Ok(());
        }
        durable.await.map_err(|_| {
            StepError::new(
                flowctl_workflows::result::ErrorClass::Lost,
                "checkpoint.lost",
                "the run ended before the attempt's name at the service was stored",
            )
        })
    }

    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        let played = self
            .rehearsal
            .then(|| record_in_rehearsal(content))
            .flatten();
        let content = played.as_deref().unwrap_or(content);
        let content = self.secrets.redact_bytes(content).into_owned();
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let store = Arc::clone(&self.store);
        let sha256 = tokio::task::spawn_blocking(move || store.put(&content))
            .await
            .map_err(|error| StepError::transient("evidence.write", error.to_string()))?
            .map_err(|error| StepError::transient("evidence.write", error.to_string()))?;
        let evidence = Evidence {
            name: self.secrets.redact(name),
            sha256,
            // It may be what a server said of its answer.
            media_type: self.secrets.redact(media_type),
            bytes,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept
            .iter()
            .any(|known| known.sha256 == evidence.sha256 && known.name == evidence.name)
        {
            kept.push(evidence.clone());
        }
        Ok(evidence)
    }

    fn progress(&self, what: &str) {
        self.send(Message::Progress {
            step: self.step,
            what: self.secrets.redact(what),
        });
    }

    fn line(&self, _: Stream, line: &str) {
        self.send(Message::Line {
            step: self.step,
            line: self.secrets.redact(line),
        });
    }
}
