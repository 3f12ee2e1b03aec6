//! `kube.apply`: makes objects be as manifests say, and waits until they are ready.
//!
//! Effect: server-side apply under the field manager `flowctl`, with strict validation; a field that
//! the server does not know, or throws away, is an error that names it. Idempotent: twice is the
//! same as once. What was there before is written down before the first change. Permissions:
//! `get`, `patch`, `create` on what it applies, `delete` and `update` for the undo, `list` on pods.

mod objects;
mod undo;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::objects::File;
use self::objects::Planned;
use crate::clients::kube::readiness::{Readiness, readiness};
use crate::clients::kube::waiting::{Look, Wait, Waited, unless_cancelled};
use crate::clients::kube::{ApplyMode, Kube, manifest, object, trouble};
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
#[derive(Debug, Serialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
        let mut planned = objects::gather(cx, &self.params)?;
        objects::look_up(cx, &kube, &mut planned, self.params.namespace.as_deref()).await?;
        undo::remember(cx, &planned).await?;

        let mut applied = Vec::new();
        let mut answers = Vec::new();
        for wave in
            planned.chunk_by_mut(|a, b| manifest::wave(&a.object) == manifest::wave(&b.object))
        {
            let mut of_wave = Vec::new();
            for planned in wave.iter_mut() {
                cx.sink
                    .progress(&format!("applying {}", object::title(&planned.object)));
                let answer = self.apply_one(cx, &kube, planned).await?;
                applied.push(report(planned, &answer));
                of_wave.push(answer);
            }
            // What comes next lives in these namespaces and is of these kinds.
            if wave
                .first()
                .is_some_and(|first| manifest::wave(&first.object) < manifest::LAST_WAVE)
            {
                wait_ready(cx, &kube, &mut of_wave, self.params.within).await?;
            }
            answers.extend(of_wave);
        }
        if self.params.wait {
            wait_ready(cx, &kube, &mut answers, self.params.within).await?;
        }
        let shown: Vec<Value> = answers.iter().map(object::showable).collect();
        cx.evidence_json("applied.json", &Value::Array(shown))
            .await?;
        Ok(StepOutput::of(json!(Output { objects: applied })))
    }

    async fn apply_one(
        &self,
        cx: &StepContext,
        kube: &Kube,
        planned: &mut Planned,
    ) -> Result<Value, StepError> {
        let namespace = object::namespace(&planned.object).map(str::to_owned);
        // Its kind may have come with this very step.
        let resource = match planned.resource.take() {
            Some(resource) => resource,
            None => {
                kube.resource(
                    object::api_version(&planned.object),
                    object::kind(&planned.object),
                )
                .await?
            }
        };
        let object = objects::final_form(cx, planned)?;
        let mode = ApplyMode {
            force: self.params.force,
            dry_run: false,
        };
        let answer = kube
            .apply(
                &resource,
                namespace.as_deref(),
                object::name(&object),
                &object,
                mode,
            )
            .await?;
        planned.resource = Some(resource);
        let pruned = manifest::pruned(&planned.object, &answer);
        if pruned.is_empty() {
            return Ok(answer);
        }
        Err(StepError::permanent(
            "kube.pruned",
            format!(
                "the server threw away fields of {}: {}",
                object::title(&planned.object),
                pruned.join(", ")
            ),
        )
        .help("this version of the kind has no such fields: kubectl explain tells which it has"))
    }
}

fn report(planned: &Planned, answer: &Value) -> Applied {
    let action = match &planned.former {
        None => Action::Created,
        Some(former) if objects::same(former, answer) => Action::Unchanged,
        Some(_) => Action::Configured,
    };
    Applied {
        api_version: object::api_version(answer).to_owned(),
        kind: object::kind(answer).to_owned(),
        namespace: object::namespace(answer).map(str::to_owned),
        name: object::name(answer).to_owned(),
        uid: object::uid(answer).to_owned(),
        resource_version: object::resource_version(answer).to_owned(),
        action,
    }
}

/// Waits until all are ready, reading each again; `objects` then holds them as they are at the end.
async fn wait_ready(
    cx: &StepContext,
    kube: &Kube,
    objects: &mut [Value],
    within: Span,
) -> Result<(), StepError> {
    let mut wait = Wait::begin(cx, within.duration());
    let waited = loop {
        let look = look(cx, kube, objects).await;
        if let Some(waited) = wait.after(look).await? {
            break waited;
        }
    };
    match waited {
        Waited::Held(()) => Ok(()),
        Waited::Expired(missing) => {
            let troubles = trouble::behind(kube, objects).await.unwrap_or_default();
            let words = trouble::explain(cx, kube, &troubles).await;
            let message = format!("not ready within {within}: {missing}");
            Err(StepError::timed_out(
                "kube.not_ready",
                with_words(&message, &words),
            ))
        }
    }
}

/// Reads again those that are not ready yet.
async fn look(cx: &StepContext, kube: &Kube, objects: &mut [Value]) -> Result<Look<()>, StepError> {
    let mut missing = Vec::new();
    for object in objects
        .iter_mut()
        .filter(|object| readiness(object) != Readiness::Ready)
    {
        let resource = kube
            .resource(object::api_version(object), object::kind(object))
            .await?;
        if let Some(now) = kube
            .get(&resource, object::namespace(object), object::name(object))
            .await?
        {
            *object = now;
        }
        match readiness(object) {
            Readiness::Ready => {}
            Readiness::Waiting(what) => missing.push(format!("{} {what}", object::title(object))),
            Readiness::Failed(why) => {
                let troubles = trouble::behind(kube, std::slice::from_ref(object)).await?;
                let words = trouble::explain(cx, kube, &troubles).await;
                return Err(failed(
                    &format!("{} has failed: {why}", object::title(object)),
                    &words,
                ));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Look::Done(()));
    }
    let troubles = trouble::behind(kube, objects).await?;
    if troubles.first().is_some_and(|first| first.problem.hopeless) {
        let words = trouble::explain(cx, kube, &troubles).await;
        return Err(failed(&missing.join("; "), &words));
    }
    Ok(Look::NotYet(missing.join("; ")))
}

fn failed(message: &str, words: &str) -> StepError {
    StepError::permanent("kube.pods_failing", with_words(message, words))
}

fn with_words(message: &str, words: &str) -> String {
    if words.is_empty() {
        message.to_owned()
    } else {
        format!("{message}; {words}")
    }
}

#[cfg(test)]
#[path = "kube_apply/tests.rs"]
mod tests;
