//! `kube.delete`: takes objects away and waits until they are gone.
//!
//! Effect: deletion with all that the objects own, last applied first. Idempotent: what is not there is
//! gone already. Cannot be undone. Permissions: `get`, `list` and `delete` on the kinds.

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kube_apply::File;
use crate::clients::kube::choose::Choice;
use crate::clients::kube::version::{checked_version_of, version_of};
use crate::clients::kube::waiting::{Look, Wait, Waited, enumerate, unless_cancelled};
use crate::clients::kube::{Kube, Resource, manifest, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// At least one of `files` and `objects`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Manifests whose objects are deleted.
    #[serde(default)]
    pub files: Vec<File>,
    /// Objects by name or by labels.
    #[serde(default)]
    pub objects: Vec<Target>,
    /// The namespace of objects that name none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Waits until they are gone.
    #[serde(default = "yes")]
    pub wait: bool,
    /// How long that may take.
    #[serde(default = "five_minutes")]
    pub within: Span,
}

/// What to delete.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The kind.
    pub kind: String,
    /// Its API version; known without saying for the usual kinds.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// By name.
    #[serde(default)]
    pub name: Option<String>,
    /// By labels.
    #[serde(default)]
    pub selector: Option<String>,
}

fn yes() -> bool {
    true
}

fn five_minutes() -> Span {
    Span::from_secs(300)
}

/// What became of them.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// Objects that were there, in the order of their deletion.
    pub deleted: Vec<String>,
    /// What was not there.
    pub absent: Vec<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubeDelete {
    params: Params,
}

impl Kind for KubeDelete {
    const INFO: KindInfo = KindInfo {
        name: "kube.delete",
        summary: "Deletes Kubernetes objects and waits until they are gone.",
        effect: "Deletes the objects and what they own; what is not there is gone already. Cannot be undone.",
        permissions: "get, list and delete on the kinds.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: true,
        example: "- id: remove_release\n  uses: kube.delete\n  with:\n    namespace: data-platform\n    objects:\n      - {kind: HelmRelease, api_version: helm.toolkit.fluxcd.io/v2, name: trino}\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.files.is_empty() && params.objects.is_empty() {
            return Err("one of `files` and `objects` is needed".to_owned());
        }
        for target in &params.objects {
            let by = [&target.name, &target.selector]
                .into_iter()
                .flatten()
                .filter(|text| !text.is_empty())
                .count();
            if by != 1 {
                return Err(format!(
                    "`{}` is deleted by `name` or by `selector`, one of them",
                    target.kind
                ));
            }
            version_of(&target.kind, target.api_version.as_deref())?;
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeDelete {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.delete(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("what was deleted cannot be brought back"))
    }
}

/// An object that is to go.
struct Going {
    resource: Resource,
    object: Value,
}

impl KubeDelete {
    /// Everything that is meant, last applied first.
    fn targets(&self, cx: &StepContext) -> Result<Vec<Target>, StepError> {
        let mut objects = Vec::new();
        for file in &self.params.files {
            objects.extend(manifest::parse(&file.0, &cx.files.text(&file.0)?)?);
        }
        objects.sort_by_key(manifest::wave);
        let of_files = objects.iter().rev().map(|object| Target {
            kind: object::kind(object).to_owned(),
            api_version: Some(object::api_version(object).to_owned()),
            namespace: object::namespace(object).map(str::to_owned),
            name: Some(object::name(object).to_owned()),
            selector: None,
        });
        let mut targets = self.params.objects.clone();
        targets.extend(of_files);
        Ok(targets)
    }

    async fn delete(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let mut going = Vec::new();
        let mut absent = Vec::new();
        for target in self.targets(cx)? {
            let found = self.find(&kube, &target).await?;
            if found.is_empty() {
                let by = target
                    .name
                    .as_deref()
                    .or(target.selector.as_deref())
                    .unwrap_or_default();
                absent.push(format!("{} {by}", target.kind));
            }
            going.extend(found);
        }
        let shown: Vec<Value> = going
            .iter()
            .map(|going| object::showable(&going.object))
            .collect();
        cx.evidence_json("deleted.json", &Value::Array(shown))
            .await?;
        for Going { resource, object } in &going {
            cx.sink
                .progress(&format!("deleting {}", object::title(object)));
            kube.delete(
                resource,
                object::namespace(object),
                object::name(object),
                Some(object::uid(object)),
            )
            .await?;
        }
        if self.params.wait {
            self.wait_gone(cx, &kube, &going).await?;
        }
        let deleted = going
            .iter()
            .map(|going| object::title(&going.object))
            .collect();
        Ok(StepOutput::of(json!(Output { deleted, absent })))
    }

    async fn find(&self, kube: &Kube, target: &Target) -> Result<Vec<Going>, StepError> {
        let version = checked_version_of(&target.kind, target.api_version.as_deref())?;
        let resource = match kube.resource(version, &target.kind).await {
            // The kind went, and its objects with it.
            Err(error) if error.code == "kube.unknown_kind" => return Ok(Vec::new()),
            found => found?,
        };
        let namespace = target
            .namespace
            .as_deref()
            .or(self.params.namespace.as_deref());
        if resource.namespaced && namespace.is_none() {
            return Err(StepError::permanent(
                "kube.manifest",
                format!("the {} to delete names no namespace", target.kind),
            ));
        }
        let choice = Choice {
            namespace,
            selector: target.selector.as_deref(),
            name: target.name.as_deref(),
        };
        let found = choice.of(kube, &resource).await?;
        Ok(found
            .into_iter()
            .map(|object| Going {
                resource: resource.clone(),
                object,
            })
            .collect())
    }

    async fn wait_gone(
        &self,
        cx: &StepContext,
        kube: &Kube,
        going: &[Going],
    ) -> Result<(), StepError> {
        let mut wait = Wait::begin(cx, self.params.within.duration());
        loop {
            let look = look(kube, going).await;
            match wait.after(look).await? {
                None => {}
                Some(Waited::Held(())) => return Ok(()),
                Some(Waited::Expired(left)) => {
                    return Err(StepError::timed_out("kube.not_gone", format!("not gone within {}: {left}", self.params.within))
                        .help("finalizers wait for their controllers: is the one that set them still running?"));
                }
            }
        }
    }
}

async fn look(kube: &Kube, going: &[Going]) -> Result<Look<()>, StepError> {
    let mut left = Vec::new();
    for Going { resource, object } in going {
        let live = kube
            .get(resource, object::namespace(object), object::name(object))
            .await?;
        // Another object of that name is not the one that was deleted.
        if let Some(live) = live.filter(|live| object::uid(live) == object::uid(object)) {
            let holders: Vec<&str> = object::list(&live, "/metadata/finalizers")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let held = if holders.is_empty() {
                String::new()
            } else {
                format!(" (held by {})", holders.join(", "))
            };
            left.push(format!("{}{held}", object::title(object)));
        }
    }
    Ok(if left.is_empty() {
        Look::Done(())
    } else {
        Look::NotYet(enumerate(&left))
    })
}

#[cfg(test)]
#[path = "kube_delete/tests.rs"]
mod tests;
