//! `flux.release`: applies a HelmRelease (and its sources), waits until Flux has really deployed it,
//! and looks whether its values arrived.
//!
//! Effect: server-side apply of the manifests, then a request to Flux to reconcile now, named by the
//! attempt: a resumed attempt finds its own request. A rollout status right after a change still
//! answers for the old release; so the step waits until the controller has handled this request for
//! this generation. Permissions: those of `kube.apply`; `get` on Secrets for the proof of the values.

mod helm;
mod progress;
mod proof;
mod unread;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kube_apply::objects::{self, File};
use super::kube_apply::{Applied, How, apply_all, undo};
use crate::again::JudgeAgain;
use crate::clients::kube::object;
use crate::clients::kube::waiting::unless_cancelled;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Asks Flux to reconcile now; the value comes back as `status.lastHandledReconcileAt`.
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Makes Flux forget the failures that it counted, so that it tries again.
const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";

/// At least one of `files` and `objects`; exactly one HelmRelease among them.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Manifests: a HelmRelease, and its source unless that is there already.
    #[serde(default)]
    pub files: Vec<File>,
    /// The same in place.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// The namespace of objects that name none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Takes fields over from other managers.
    #[serde(default)]
    pub force: bool,
    /// How long until it is deployed.
    #[serde(default = "ten_minutes")]
    pub within: Span,
    /// What values mean that no template of the chart reads.
    #[serde(default)]
    pub unread_values: Unread,
}

/// What values mean that no template of the chart reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unread {
    /// They are named in the finding and the output.
    #[default]
    Warn,
    /// The finding is FAIL.
    Fail,
}

fn ten_minutes() -> Span {
    Span::from_secs(600)
}

/// What Flux deployed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// The HelmRelease.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its generation.
    pub generation: i64,
    /// The chart.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// What the chart says it deploys.
    pub app_version: String,
    /// Helm's revision of the release.
    pub revision: i64,
    /// Digest of the values, as Flux computed it.
    pub config_digest: String,
    /// Digest of the release.
    pub digest: String,
    /// Whether the values were found in what Helm recorded.
    pub values_proven: bool,
    /// Values that no template reads, found by their names.
    pub unread_values: Vec<String>,
    /// The objects that were applied.
    pub objects: Vec<Applied>,
}

/// The step.
#[derive(Debug)]
pub struct FluxRelease {
    params: Params,
}

impl Kind for FluxRelease {
    const INFO: KindInfo = KindInfo {
        name: "flux.release",
        summary: "Applies a HelmRelease, waits until Flux has deployed it, and proves that its values arrived.",
        effect: "Server-side apply under the field manager `flowctl`, then a reconciliation; twice is the same as once. The undo deletes or puts back the manifests.",
        permissions: "get, patch and create on HelmReleases and their sources; list on pods; get on Secrets for the proof of the values.",
        measures: true,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: true,
        example: "- id: deploy_trino\n  uses: flux.release\n  with:\n    files: [manifests/trino.yaml]\n    namespace: data-platform\n    within: 15m\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(proof::judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.files.is_empty() && params.objects.is_empty() {
            return Err("one of `files` and `objects` is needed".to_owned());
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for FluxRelease {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.release(cx))
            .await
            .map_err(|mut error| {
                error.message = cx.secrets.redact(&error.message);
                error
            })
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        unless_cancelled(cx, undo::put_back(cx)).await
    }
}

fn is_release(object: &Value) -> bool {
    object::kind(object) == "HelmRelease"
        && object::api_version(object).starts_with("helm.toolkit.fluxcd.io/")
}

impl FluxRelease {
    async fn release(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let params = &self.params;
        let kube = cx.clients.kube().await?;
        let mut planned = objects::gather(cx, &params.files, None, &params.objects)?;
        let request = cx.attempt.to_string();
        let mut releases = planned
            .iter_mut()
            .filter(|planned| is_release(&planned.object));
        let (Some(release), None) = (releases.next(), releases.next()) else {
            return Err(StepError::permanent("flux.one_release", "exactly one HelmRelease is needed among the objects")
                .help("apply other manifests with `kube.apply`, and each HelmRelease with a step of its own"));
        };
        if release.object.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
            return Err(suspended(&object::title(&release.object)));
        }
        for annotation in [REQUESTED_AT, RESET_AT] {
            object::mark(&mut release.object, "annotations", annotation, &request);
        }
        let wanted = release
            .object
            .pointer("/spec/values")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let how = How {
            namespace: params.namespace.as_deref(),
            force: params.force,
            within: params.within,
        };
        let watch = progress::Watch::begin(cx, &kube, &request, params.within);
        let (applied, answers) = apply_all(cx, &kube, planned, how).await?;
        let applied_release = answers
            .iter()
            .find(|answer| is_release(answer))
            .ok_or_else(|| {
                StepError::permanent(
                    "flux.one_release",
                    "the server did not answer with the HelmRelease",
                )
            })?;
        let release = watch.deployed(applied_release).await?;
        proof::report(cx, &kube, &release, wanted, applied, params.unread_values).await
    }
}

fn suspended(title: &str) -> StepError {
    StepError::permanent(
        "flux.suspended",
        format!("{title} is suspended: Flux does nothing with it"),
    )
    .help("set `spec.suspend` to false, or resume it with `flux resume helmrelease`")
}

#[cfg(test)]
#[path = "flux_release/tests.rs"]
mod tests;
