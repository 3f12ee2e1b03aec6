//! What an experiment has changed, written down before it changes it: the handle of its attempt.
//!
//! After a crash the handle is all that is left. It says which changes may be active, what each of them needs to be put
//! back, and what the original looked like.

use std::sync::Arc;

use async_trait::async_trait;
use flowctl_steps::context::{Sink, Stream};
use flowctl_steps::{StepContext, StepError};
use flowctl_workflows::result::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::statistics::Variant;

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Changes that may be active, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) active: Vec<Change>,
    /// The setting was changed or put back, and what shall follow on that has not been done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) unsettled: bool,
    /// What the original setting looked like, from before the first change until it is seen to be back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) original: Option<Value>,
    /// The sample or look that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) under_way: Option<UnderWay>,
    /// How often the setting was touched. It is part of the names that the platform sees, so that no restart is taken
    /// for an earlier one.
    #[serde(default)]
    pub(super) turn: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Of which variant.
    pub(super) variant: Variant,
    /// The name under which it was made.
    pub(super) name: String,
    /// What its step kind wrote down to be able to put it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<Value>,
}

/// Something that the platform may be busy with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    /// For which variant.
    pub(super) variant: Variant,
    /// The name under which it was begun.
    pub(super) name: String,
    /// What its step kind wrote down to find it again.
    pub(super) handle: Value,
}

impl Record {
    /// Whether the setting may be another than the original one.
    pub(super) fn is_changed(&self) -> bool {
        !self.active.is_empty() || self.unsettled || self.original.is_some()
    }
}

/// The record, and where it is made durable.
pub(super) struct Journal {
    sink: Arc<dyn Sink>,
    record: Mutex<Record>,
}

impl Journal {
    /// What an earlier process or attempt wrote down; empty when there was none.
    ///
    /// # Errors
    /// Permanent, when it cannot be read: then nobody knows what must be put back.
    pub(super) fn open(cx: &StepContext) -> Result<Arc<Self>, StepError> {
        let left = cx.handle.as_ref().or(cx.left.as_ref());
        let record = left.map_or(Ok(Record::default()), |handle| {
            serde_json::from_value(handle.clone()).map_err(|error| {
                StepError::permanent(
                    "experiment.handle",
                    format!("what was written down before the change cannot be read: {error}"),
                )
            })
        })?;
        Ok(Arc::new(Self {
            sink: Arc::clone(&cx.sink),
            record: Mutex::new(record),
        }))
    }

    /// What stands in it.
    pub(super) async fn record(&self) -> Record {
        self.record.lock().await.clone()
    }

    /// Changes it; durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable; then nothing must be done that relies on it.
    pub(super) async fn write<T>(
        &self,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Result<T, StepError> {
        let mut record = self.record.lock().await;
        let before = record.clone();
        let result = change(&mut record);
        if *record != before {
            let handle = serde_json::to_value(&*record)
                .map_err(|error| StepError::permanent("experiment.handle", error.to_string()))?;
            self.sink.checkpoint(handle).await?;
        }
        Ok(result)
    }
}

/// Where the handle of a step inside goes.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// Into the newest change.
    Change,
    /// Into what is under way.
    UnderWay(Variant),
    /// Nowhere: it is begun anew after a crash, under another name.
    Nowhere,
}

/// The sink of a step inside: its words go to the experiment's, its handle into the journal.
pub(super) struct InnerSink {
    pub(super) journal: Arc<Journal>,
    pub(super) slot: Slot,
    pub(super) name: String,
    /// What is put before its progress texts.
    pub(super) prefix: String,
    kept: std::sync::Mutex<Vec<Evidence>>,
}

impl InnerSink {
    pub(super) fn new(journal: Arc<Journal>, slot: Slot, name: String, prefix: String) -> Self {
        Self {
            journal,
            slot,
            name,
            prefix,
            kept: std::sync::Mutex::default(),
        }
    }

    /// The raw records that the step kept.
    pub(super) fn take_evidence(&self) -> Vec<Evidence> {
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut kept)
    }
}

#[async_trait]
impl Sink for InnerSink {
    async fn checkpoint(&self, handle: Value) -> Result<(), StepError> {
        let name = self.name.clone();
        let slot = self.slot.clone();
        self.journal
            .write(|record| match slot {
                Slot::Change => {
                    if let Some(change) = record.active.last_mut() {
                        change.handle = Some(handle);
                    }
                }
                Slot::UnderWay(variant) => {
                    record.under_way = Some(UnderWay {
                        variant,
                        name,
                        handle,
                    });
                }
                Slot::Nowhere => {}
            })
            .await
    }

    async fn evidence(
        &self,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> Result<Evidence, StepError> {
        let evidence = self
            .journal
            .sink
            .evidence(name, media_type, content)
            .await?;
        self.kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(evidence.clone());
        Ok(evidence)
    }

    fn progress(&self, what: &str) {
        self.journal
            .sink
            .progress(&format!("{}: {what}", self.prefix));
    }

    fn line(&self, stream: Stream, line: &str) {
        self.journal.sink.line(stream, line);
    }
}
