//! `kube.restart`: makes a workload replace its pods, and waits until every pod is a new one.
//!
//! Effect: a rolling restart, once per attempt: the attempt's name stands in an annotation of the pod
//! template, so a resumed attempt finds its own restart and follows it. Permissions: `get` and
//! `patch` on the workload, `list` on pods.

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clients::kube::pods::{self, PodSummary};
use crate::clients::kube::readiness::{Readiness, readiness};
use crate::clients::kube::waiting::{Look, Wait, Waited, unless_cancelled};
use crate::clients::kube::{Kube, PatchMode, PatchType, Resource, Selection, object, trouble};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// The annotation that carries the attempt's name from the template to every pod.
const RESTARTED_BY: &str = "flowctl.dev/restarted-by";

/// How often the mark is set anew because something else of the workload changed in between.
const TRIES: usize = 5;

/// Which workload.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The kind of workload.
    #[serde(default)]
    pub kind: Workload,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long until every pod is a new one and ready.
    #[serde(default = "ten_minutes")]
    pub within: Span,
}

/// Kinds that restart by rolling.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema,
)]
pub enum Workload {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Workload::Deployment => "Deployment",
            Workload::StatefulSet => "StatefulSet",
            Workload::DaemonSet => "DaemonSet",
        }
    }
}

fn ten_minutes() -> Span {
    Span::from_secs(600)
}

/// What there is now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// The workload's generation after the restart.
    pub generation: i64,
    /// The new pods.
    pub pods: Vec<PodSummary>,
}

/// The step.
#[derive(Debug)]
pub struct KubeRestart {
    params: Params,
}

impl Kind for KubeRestart {
    const INFO: KindInfo = KindInfo {
        name: "kube.restart",
        summary: "Restarts a workload by rolling and waits until every pod is a new one.",
        effect: "A rolling restart, once per attempt.",
        permissions: "get and patch on the workload, list on pods.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: true,
        example: "- id: restart_workers\n  uses: kube.restart\n  with: {namespace: data-platform, name: trino-worker}\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeRestart {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.restart(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("a restart cannot be taken back"))
    }
}

fn mark(object: &Value) -> &str {
    object["metadata"]["annotations"][RESTARTED_BY]
        .as_str()
        .unwrap_or_default()
}

/// The patch that makes every pod a new one.
fn request(attempt: &str) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_BY: attempt}}}}})
}

impl KubeRestart {
    /// Marks the template of the pods, if that was not done yet. Under the version that was seen, so that nothing that
    /// others did in between is passed over.
    async fn mark_pods(
        &self,
        kube: &Kube,
        resource: &Resource,
        mut workload: Value,
        attempt: &str,
    ) -> Result<(), StepError> {
        let (namespace, name) = (
            Some(self.params.namespace.as_str()),
            self.params.name.as_str(),
        );
        let mode = PatchMode {
            patch_type: PatchType::Merge,
            manager: "flowctl",
            dry_run: false,
        };
        let mut tries = TRIES;
        while mark(&workload["spec"]["template"]) != attempt {
            let version = object::resource_version(&workload);
            let patch = PatchType::Merge.only_at(&request(attempt), version);
            match kube.patch(resource, namespace, name, &patch, mode).await {
                // Its status alone changes often.
                Err(error) if error.code == "kube.changed_meanwhile" && tries > 0 => tries -= 1,
                patched => return patched.map(drop),
            }
            workload = kube
                .get(resource, namespace, name)
                .await?
                .ok_or_else(|| self.not_there())?;
        }
        Ok(())
    }

    async fn restart(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let (namespace, name) = (
            Some(self.params.namespace.as_str()),
            self.params.name.as_str(),
        );
        let kube = cx.clients.kube().await?;
        let resource = kube.resource("apps/v1", self.params.kind.name()).await?;
        let workload = kube
            .get(&resource, namespace, name)
            .await?
            .ok_or_else(|| self.not_there())?;
        if object::text(&workload, "/spec/updateStrategy/type") == "OnDelete" {
            return Err(StepError::permanent(
                "kube.on_delete",
                format!(
                    "{} replaces pods only when they are deleted",
                    object::title(&workload)
                ),
            ));
        }
        if object::number(&workload, "/spec/replicas") == Some(0) {
            return Err(StepError::permanent(
                "kube.no_replicas",
                format!(
                    "{} wants 0 pods: there is nothing to restart",
                    object::title(&workload)
                ),
            ));
        }
        let attempt = cx.attempt.to_string();
        self.mark_pods(&kube, &resource, workload, &attempt).await?;
        let mut wait = Wait::begin(cx, self.params.within.duration());
        let waited = loop {
            let look = self.look(cx, &kube, &resource, &attempt).await;
            if let Some(waited) = wait.after(look).await? {
                break waited;
            }
        };
        let (workload, pods) = match waited {
            Waited::Held(found) => found,
            Waited::Expired(missing) => {
                return Err(self.expired(cx, &kube, &resource, &missing).await);
            }
        };
        let shown: Vec<Value> = pods.iter().map(object::showable).collect();
        cx.evidence_json(
            "restarted.json",
            &json!({"workload": object::showable(&workload), "pods": shown}),
        )
        .await?;
        let generation = object::number(&workload, "/metadata/generation").unwrap_or(0);
        Ok(StepOutput::of(json!(Output {
            generation,
            pods: pods.iter().map(pods::summary).collect()
        })))
    }

    fn not_there(&self) -> StepError {
        let Params {
            kind,
            namespace,
            name,
            ..
        } = &self.params;
        StepError::permanent(
            "kube.not_found",
            format!(
                "there is no {} `{name}` in namespace `{namespace}`",
                kind.name()
            ),
        )
        .help(format!(
            "kubectl get {} -n {namespace}",
            kind.name().to_lowercase()
        ))
    }

    async fn look(
        &self,
        cx: &StepContext,
        kube: &Kube,
        resource: &Resource,
        attempt: &str,
    ) -> Result<Look<(Value, Vec<Value>)>, StepError> {
        let workload = kube
            .get(resource, Some(&self.params.namespace), &self.params.name)
            .await?;
        let workload = workload.ok_or_else(|| self.not_there())?;
        if mark(&workload["spec"]["template"]) != attempt {
            return Err(StepError::permanent(
                "kube.restart_undone",
                format!(
                    "someone took the restart's mark from {}: its pods are being replaced again",
                    object::title(&workload)
                ),
            ));
        }
        let selector = trouble::selector_of(&workload).unwrap_or_default();
        let pods = kube
            .list(
                &Resource::pods(),
                &Selection::labelled(&self.params.namespace, &selector),
            )
            .await?;
        let missing = match readiness(&workload) {
            Readiness::Ready => unrestarted(&pods, attempt),
            Readiness::Waiting(what) => Some(what),
            Readiness::Failed(why) => {
                let words = trouble::explain(cx, kube, &trouble::among(&pods)).await;
                return Err(StepError::permanent(
                    "kube.pods_failing",
                    format!("{} has failed: {why}; {words}", object::title(&workload)),
                ));
            }
        };
        let Some(missing) = missing else {
            return Ok(Look::Done((workload, pods)));
        };
        let troubles = trouble::among(&pods);
        if troubles.first().is_some_and(|first| first.problem.hopeless) {
            let words = trouble::explain(cx, kube, &troubles).await;
            return Err(StepError::permanent(
                "kube.pods_failing",
                format!("{missing}; {words}"),
            ));
        }
        Ok(Look::NotYet(missing))
    }

    async fn expired(
        &self,
        cx: &StepContext,
        kube: &Kube,
        resource: &Resource,
        missing: &str,
    ) -> StepError {
        let workload = kube
            .get(resource, Some(&self.params.namespace), &self.params.name)
            .await
            .ok()
            .flatten();
        let troubles = trouble::behind(kube, workload.as_slice())
            .await
            .unwrap_or_default();
        let words = trouble::explain(cx, kube, &troubles).await;
        StepError::timed_out(
            "kube.not_ready",
            format!(
                "not restarted within {}: {missing}; {words}",
                self.params.within
            ),
        )
    }
}

/// What is missing until every pod is of this restart and ready, and no other is left.
fn unrestarted(pods: &[Value], attempt: &str) -> Option<String> {
    let old: Vec<&str> = pods
        .iter()
        .filter(|pod| mark(pod) != attempt)
        .map(object::name)
        .collect();
    if !old.is_empty() {
        return Some(format!("old pods are still there: {}", old.join(", ")));
    }
    if pods.is_empty() {
        return Some("there is no pod yet".to_owned());
    }
    let unready: Vec<&str> = pods
        .iter()
        .filter(|pod| !pods::is_ready(pod))
        .map(object::name)
        .collect();
    (!unready.is_empty()).then(|| format!("not ready yet: {}", unready.join(", ")))
}

#[cfg(test)]
#[path = "kube_restart/tests.rs"]
mod tests;
