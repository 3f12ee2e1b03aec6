//! `kube.apply`: makes objects be as manifests say, and waits until they are ready.
//!
//! Effect: server-side apply under the field manager `flowctl`, with strict validation; a field that
//! the server does not know, or throws away, is an error that names it. Idempotent: twice is the
//! same as once. What was there before is written down before the first change. Permissions:
//! `get`, `patch`, `create` on what it applies, `delete` and `update` for the undo, `list` on pods.

pub(in crate::kinds) mod applying;
pub(super) mod objects;
pub(super) mod undo;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::applying::wait_ready;
pub(super) use self::applying::{How, apply_all};
pub use self::objects::File;
use crate::clients::kube::object;
use crate::clients::kube::waiting::unless_cancelled;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// At least one of `files`, `folder` and `objects`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Manifests; each may hold several YAML documents.
    #[serde(default)]
    pub files: Vec<File>,
    /// A folder of which every `.yaml`, `.yml` and `.json` is applied.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-folder"))]
    pub folder: Option<String>,
    /// Objects in place. A Secret's `stringData` may have `{secret: NAME}` as a value.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// The namespace of objects that name none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Takes fields over from other managers; without it a conflict is an error.
    #[serde(default)]
    pub force: bool,
    /// Waits until everything is ready: rollouts, jobs, definitions, conditions.
    #[serde(default = "yes")]
    pub wait: bool,
    /// How long that may take.
    #[serde(default = "five_minutes")]
    pub within: Span,
}

fn yes() -> bool {
    true
}

fn five_minutes() -> Span {
    Span::from_secs(300)
}

/// What was applied.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// In the order of their application.
    pub objects: Vec<Applied>,
}

/// One object that was applied.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its namespace, if it lives in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version after the change.
    pub resource_version: String,
    /// What the step did to it.
    pub action: Action,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was different.
    Configured,
    /// It was so already.
    Unchanged,
}

/// The step.
#[derive(Debug)]
pub struct KubeApply {
    params: Params,
}

impl Kind for KubeApply {
    const INFO: KindInfo = KindInfo {
        name: "kube.apply",
        summary: "Makes Kubernetes objects be as manifests say, and waits until they are ready.",
        effect: "Server-side apply under the field manager `flowctl`; twice is the same as once. The undo deletes what it created and puts back what it changed.",
        permissions: "get, patch and create on what it applies; update and delete for the undo; list on pods.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: true,
        example: "- id: deploy\n  uses: kube.apply\n  with:\n    files: [manifests/web.yaml]\n    namespace: shop\n    within: 3m\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.files.is_empty() && params.folder.is_none() && params.objects.is_empty() {
            return Err("one of `files`, `folder` and `objects` is needed".to_owned());
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeApply {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.apply(cx))
            .await
            .map_err(|mut error| {
                // The server quotes what it refuses.
                error.message = cx.secrets.redact(&error.message);
                error
            })
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        unless_cancelled(cx, undo::put_back(cx)).await
    }
}

impl KubeApply {
    async fn apply(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let params = &self.params;
        let planned =
            objects::gather(cx, &params.files, params.folder.as_deref(), &params.objects)?;
        let how = How {
            namespace: params.namespace.as_deref(),
            force: params.force,
            within: params.within,
        };
        let (objects, mut answers) = apply_all(cx, &kube, planned, how).await?;
        if params.wait {
            wait_ready(cx, &kube, &mut answers, params.within).await?;
        }
        let shown: Vec<Value> = answers.iter().map(object::showable).collect();
        cx.evidence_json("applied.json", &Value::Array(shown))
            .await?;
        Ok(StepOutput::of(json!(Output { objects })))
    }
}

#[cfg(test)]
#[path = "kube_apply/tests.rs"]
mod tests;
