//! What was there before a patch, where the object stands against it, and putting it back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KubePatch;
use crate::clients::kube::patch::{FieldChange, back, changes};
use crate::clients::kube::{PatchMode, PatchType, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::step::Undone;

/// How often the fields are put back anew because something else of the object changed in between, for example its status.
const TRIES: usize = 5;

/// What is written down before the write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Handle {
    /// Which object it was, should another be made under its name.
    pub(super) uid: String,
    /// The object as it was, without what only the server writes.
    pub(super) original: Value,
    /// The fields that the patch changes.
    pub(super) changes: Vec<FieldChange>,
}

/// Where an object stands against a patch.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    /// All fields are as before.
    Before,
    /// All fields are as the patch makes them.
    After,
    /// Neither: these fields have other values, or are not together.
    Other(Vec<String>),
}

impl Handle {
    /// What was written down, if anything was.
    ///
    /// # Errors
    /// Permanent, when it cannot be read.
    pub(super) fn read(handle: Option<&Value>) -> Result<Option<Self>, StepError> {
        let read = |handle: &Value| {
            serde_json::from_value(handle.clone()).map_err(|error| {
                StepError::permanent(
                    "kube.handle",
                    format!("what was written down before the change cannot be read: {error}"),
                )
            })
        };
        handle
            .filter(|handle| !handle.is_null())
            .map(read)
            .transpose()
    }

    /// Where the object stands.
    pub(super) fn standing(&self, live: &Value) -> Standing {
        let all = |of: fn(&FieldChange) -> Option<&Value>| {
            self.changes
                .iter()
                .all(|change| change.of(live) == of(change))
        };
        if all(|change| change.before.as_ref()) {
            return Standing::Before;
        }
        if object::uid(live) == self.uid && all(|change| change.after.as_ref()) {
            return Standing::After;
        }
        let differing = self.changes.iter().filter(|change| {
            change.of(live) != change.after.as_ref() || object::uid(live) != self.uid
        });
        Standing::Other(
            differing
                .map(|change| {
                    let shown =
                        |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), short);
                    format!(
                        "{} is {}, the patch made it {}",
                        change.pointer(),
                        shown(change.of(live)),
                        shown(change.after.as_ref())
                    )
                })
                .collect(),
        )
    }

    /// The first field that is not as the patch makes it.
    pub(super) fn first_not_after(&self, live: &Value) -> Option<&FieldChange> {
        self.changes
            .iter()
            .find(|change| change.of(live) != change.after.as_ref())
    }
}

impl KubePatch {
    /// Puts the fields back, if they are still as the patch made them.
    pub(super) async fn put_back(
        &self,
        cx: &StepContext,
        handle: &Handle,
    ) -> Result<Undone, StepError> {
        let title = self.title();
        let kube = cx.clients.kube().await?;
        let resource = match self.resource(&kube).await {
            Err(error) if error.code == "kube.unknown_kind" => {
                return Ok(Undone::Restored(format!("{title} is gone with its kind")));
            }
            found => found?,
        };
        let (namespace, name) = (self.params.namespace.as_deref(), self.params.name.as_str());
        for _ in 0..TRIES {
            let Some(live) = self.live(&kube, &resource).await? else {
                return Ok(Undone::Restored(format!("{title} is gone")));
            };
            match handle.standing(&live) {
                Standing::Before => return Ok(Undone::Restored(self.as_before(handle, &live))),
                Standing::Other(fields) => return Err(self.changed_by_others(&fields)),
                Standing::After => {}
            }
            cx.sink.progress(&format!("putting back {title}"));
            let version = object::resource_version(&live);
            let patch = PatchType::Merge.only_at(&back(&handle.changes), version);
            let mode = PatchMode {
                patch_type: PatchType::Merge,
                manager: &self.params.field_manager,
                dry_run: false,
            };
            match kube.patch(&resource, namespace, name, &patch, mode).await {
                // Looked at again: that the server took the patch does not say that the fields are back.
                Ok(_) => {}
                Err(error) if error.code == "kube.changed_meanwhile" => {}
                Err(error) => return Err(error),
            }
        }
        Err(StepError::transient(
            "kube.changed_meanwhile",
            format!("{title} changes all the time: its fields could not be put back"),
        ))
    }

    /// What was put back, and what else is different by now, which is not this step's to change.
    fn as_before(&self, handle: &Handle, live: &Value) -> String {
        let others = changes(&handle.original, &object::restorable(live));
        let fields: Vec<String> = handle.changes.iter().map(FieldChange::pointer).collect();
        let mut text = format!("{}: {} as before", self.title(), fields.join(", "));
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(FieldChange::pointer).collect();
            text.push_str(&format!(
                "; changed by others meanwhile and left so: {}",
                others.join(", ")
            ));
        }
        text
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut shown: String = text.chars().take(80).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
