//! `kube.patch`: changes some fields of one object, so that they can be put back.
//!
//! Effect: a merge, JSON or strategic patch under a field manager, once per attempt. The server is asked first what would
//! come of it; the object as it was, and each field with its value before and after, are written down before the write.
//! The undo puts these fields back and no others, and only while they have the values that the patch gave them: what
//! someone else changed since is shown, not overwritten. Permissions: `get` and `patch` on the object.
//!
//! With `settles_within` it waits until the object's controller has brought about what it now asks for, both after the change and
//! after the putting back: a HelmRelease until Flux has deployed it, a Deployment until its new pods are there. What does not follow from the object
//! itself, such as the pods that read a ConfigMap, is for a `kube.restart`.

mod undo;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::undo::{Handle, Standing};
use super::kube_apply::applying::wait_ready;
use crate::clients::kube::patch::{FieldChange, changes};
use crate::clients::kube::version::{checked_version_of, version_of};
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::kube::{Kube, PatchMode, PatchType, Resource, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};
use flowctl_workflows::policy::{Span, UndoWhen};

/// Which object, and what to change.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The kind of object.
    pub kind: String,
    /// Its API version; known without saying for the usual kinds.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Its namespace, for kinds that live in one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// How the patch is written.
    #[serde(default, rename = "type")]
    pub patch_type: PatchType,
    /// The patch: an object, or for `type: json` a list of operations.
    pub patch: Value,
    /// Under which name flowctl then owns the fields.
    #[serde(default = "flowctl")]
    pub field_manager: String,
    /// How long its controller may take to bring about what the object asks for, after the change and after the putting back;
    /// left out: nobody waits for it.
    #[serde(default)]
    pub settles_within: Option<Span>,
}

fn flowctl() -> String {
    "flowctl".to_owned()
}

/// What came of it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// `Deployment data-platform/trino-worker`.
    pub object: String,
    /// Its uid.
    pub uid: String,
    /// Its version after the change.
    pub resource_version: String,
    /// The fields that are different now, as JSON pointers; none: it was so already.
    pub changed: Vec<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubePatch {
    params: Params,
}

impl Kind for KubePatch {
    const INFO: KindInfo = KindInfo {
        name: "kube.patch",
        summary: "Changes fields of one Kubernetes object; its undo puts them back.",
        effect: "Changes the fields of the patch, once per attempt. The undo puts these fields back, unless someone else has changed them since.",
        permissions: "get and patch on the object.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: true,
        example: "- id: pushdown_on\n  uses: kube.patch\n  with:\n    kind: ConfigMap\n    namespace: data-platform\n    name: trino-catalog\n    patch: {data: {hive.properties: \"connector.name=hive\"}}\n",
    };
    type Params = Params;
    type Output = Output;
    const UNDONE: UndoWhen = UndoWhen::Always;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let Params {
            kind, patch_type, ..
        } = &params;
        version_of(kind, params.api_version.as_deref())?;
        if kind == "Secret" {
            return Err(
                "a Secret cannot be patched: its former values would stand in the state".to_owned(),
            );
        }
        let fits = match patch_type {
            PatchType::Json => params.patch.as_array().is_some_and(|list| !list.is_empty()),
            PatchType::Merge | PatchType::Strategic => {
                params.patch.as_object().is_some_and(|map| !map.is_empty())
            }
        };
        if !fits {
            return Err("`patch:` is an object, for `type: json` a list, and not empty".to_owned());
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if params.field_manager.is_empty() || !params.field_manager.chars().all(is_name) {
            return Err("`field_manager:` is letters, digits, `-`, `_` and `.`".to_owned());
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubePatch {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.change(cx)).await
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        let Some(handle) = Handle::read(cx.handle.as_ref())? else {
            return Ok(Undone::Nothing("it had changed nothing"));
        };
        let back = async {
            let back = self.put_back(cx, &handle).await?;
            let kube = cx.clients.kube().await?;
            let resource = self.resource(&kube).await?;
            if let Some(live) = self.live(&kube, &resource).await? {
                self.settled(cx, &kube, live).await?;
            }
            Ok(back)
        };
        unless_cancelled(cx, back).await
    }
}

impl KubePatch {
    async fn resource(&self, kube: &Kube) -> Result<Resource, StepError> {
        let Params {
            kind, api_version, ..
        } = &self.params;
        let version = checked_version_of(kind, api_version.as_deref())?;
        kube.resource(version, kind).await
    }

    async fn live(&self, kube: &Kube, resource: &Resource) -> Result<Option<Value>, StepError> {
        kube.get(
            resource,
            self.params.namespace.as_deref(),
            &self.params.name,
        )
        .await
    }

    fn title(&self) -> String {
        let Params {
            kind,
            namespace,
            name,
            ..
        } = &self.params;
        match namespace {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        }
    }

    async fn change(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let resource = self.resource(&kube).await?;
        let live = self.live(&kube, &resource).await?.ok_or_else(|| {
            StepError::permanent("kube.not_found", format!("there is no {}", self.title()))
        })?;
        let handle = match Handle::read(cx.handle.as_ref().or(cx.left.as_ref()))? {
            // Written down by an earlier process or attempt: what is there now may be what that one made.
            Some(handle) => handle,
            None => self.foresee(&kube, &resource, &live).await?,
        };
        let standing = handle.standing(&live);
        if let Standing::Other(fields) = &standing {
            return Err(self.changed_by_others(fields));
        }
        if cx.handle.is_none() {
            cx.sink.checkpoint(json!(handle)).await?;
        }
        let now = match standing {
            Standing::Before if !handle.changes.is_empty() => {
                let sent = self.send(&kube, &resource, &live, false).await;
                if sent
                    .as_ref()
                    .is_err_and(|error| error.code == "kube.changed_meanwhile")
                {
                    // Surely not written: the next attempt looks again, and has nothing to put back.
                    cx.sink.checkpoint(Value::Null).await?;
                }
                sent?
            }
            _ => live,
        };
        if let Some(field) = handle.first_not_after(&now) {
            return Err(StepError::permanent(
                "kube.patched_otherwise",
                format!(
                    "{} was patched, but {} is not as the server said it would be",
                    self.title(),
                    field.pointer()
                ),
            ));
        }
        let now = self.settled(cx, &kube, now).await?;
        let (before, after) = (
            object::showable(&handle.original),
            object::showable(&object::restorable(&now)),
        );
        cx.evidence_json("patched.json", &json!({"before": before, "after": after}))
            .await?;
        let changed = handle.changes.iter().map(FieldChange::pointer).collect();
        Ok(StepOutput::of(json!(Output {
            object: self.title(),
            uid: object::uid(&now).to_owned(),
            resource_version: object::resource_version(&now).to_owned(),
            changed,
        })))
    }

    /// The object when its controller has done what it asks for; at once when nobody is to wait for that.
    async fn settled(
        &self,
        cx: &StepContext,
        kube: &Kube,
        object: Value,
    ) -> Result<Value, StepError> {
        let Some(within) = self.params.settles_within else {
            return Ok(object);
        };
        let mut objects = [object];
        wait_ready(cx, kube, &mut objects, within).await?;
        let [object] = objects;
        Ok(object)
    }

    /// What the patch would change, as the server says.
    async fn foresee(
        &self,
        kube: &Kube,
        resource: &Resource,
        live: &Value,
    ) -> Result<Handle, StepError> {
        let after = self.send(kube, resource, live, true).await?;
        let original = object::restorable(live);
        Ok(Handle {
            uid: object::uid(live).to_owned(),
            changes: changes(&original, &object::restorable(&after)),
            original,
        })
    }

    async fn send(
        &self,
        kube: &Kube,
        resource: &Resource,
        live: &Value,
        dry_run: bool,
    ) -> Result<Value, StepError> {
        let version = object::resource_version(live);
        let Params {
            patch_type,
            patch,
            field_manager,
            ..
        } = &self.params;
        let mode = PatchMode {
            patch_type: *patch_type,
            manager: field_manager,
            dry_run,
        };
        let sent = kube
            .patch(
                resource,
                self.params.namespace.as_deref(),
                &self.params.name,
                &patch_type.only_at(patch, version),
                mode,
            )
            .await;
        match sent {
            // A JSON patch is refused as a whole, be it for the version or for itself.
            Err(error) if error.code == "kube.invalid" && *patch_type == PatchType::Json => {
                let now = self.live(kube, resource).await?;
                let moved = now.is_some_and(|now| object::resource_version(&now) != version);
                Err(if moved {
                    StepError::transient("kube.changed_meanwhile", error.message)
                } else {
                    error
                })
            }
            sent => sent,
        }
    }

    fn changed_by_others(&self, fields: &[String]) -> StepError {
        StepError::permanent(
            "kube.conflict",
            format!(
                "{} was changed by someone else: {}",
                self.title(),
                fields.join("; ")
            ),
        )
        .help("decide which value is right; the evidence has the object as it was before the patch")
    }
}

#[cfg(test)]
#[path = "kube_patch/tests.rs"]
mod tests;
