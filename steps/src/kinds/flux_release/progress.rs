//! Following a HelmRelease until Flux has deployed what was asked for, and no earlier.

use std::collections::HashSet;

use flowctl_workflows::policy::Span;
use serde_json::Value;

use super::suspended;
use crate::clients::kube::waiting::{Look, Wait, Waited};
use crate::clients::kube::{Kube, Resource, Selection, object, pods, trouble};
use crate::context::StepContext;
use crate::error::StepError;

/// The labels by which charts mark the pods of a release: the usual one and the older one.
const INSTANCE_LABELS: [&str; 2] = ["app.kubernetes.io/instance", "release"];

/// How far a release is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Deployed,
    Waiting(String),
    Failed(String),
    Suspended,
}

/// How far the release is with this request. Conditions of another generation say nothing.
pub(super) fn progress(release: &Value, request: &str) -> Progress {
    let title = object::title(release);
    if release.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Progress::Suspended;
    }
    let generation = object::number(release, "/metadata/generation").unwrap_or(0);
    let current = |kind: &str| {
        object::condition(release, kind).filter(|condition| {
            object::number(condition, "/observedGeneration").is_none_or(|seen| seen == generation)
        })
    };
    let handled = object::text(release, "/status/lastHandledReconcileAt") == request;
    let ready = current("Ready");
    let says = ready.map(object::explain).unwrap_or_default();
    if !handled {
        return Progress::Waiting(format!(
            "{title}: Flux has not taken up the request yet; {says}"
        ));
    }
    if let Some(stalled) = current("Stalled").filter(|stalled| stalled["status"] == "True") {
        // `Stalled` says that no further attempt is made; `Released` and `Ready` say why.
        let released = current("Released")
            .filter(|released| released["status"] == "False")
            .map(object::explain);
        return Progress::Failed(format!(
            "{}; {}",
            object::explain(stalled),
            released.unwrap_or(says)
        ));
    }
    if let Some(released) = current("Released").filter(|released| released["status"] == "False")
        && gave_up(release, request)
    {
        return Progress::Failed(object::explain(released));
    }
    let observed = object::number(release, "/status/observedGeneration");
    if observed != Some(generation) {
        let observed = observed.unwrap_or(-1);
        return Progress::Waiting(format!(
            "{title}: generation {observed} of {generation} is reconciled; {says}"
        ));
    }
    match ready.and_then(|ready| ready["status"].as_str()) {
        Some("True") => Progress::Deployed,
        _ => Progress::Waiting(format!("{title}: {says}")),
    }
}

/// Whether an install or upgrade failed after this request, and the release asks for no further try.
/// The request resets Flux's count of failures, so those that are counted came after it. Without such
/// an order Flux tries again at every interval, for ever, and never calls the release stalled.
fn gave_up(release: &Value, request: &str) -> bool {
    if object::text(release, "/status/lastHandledResetAt") != request {
        return false;
    }
    let action = object::text(release, "/status/lastAttemptedReleaseAction");
    if object::text(release, &format!("/spec/{action}/strategy/name")) == "RetryOnFailure" {
        return false;
    }
    let retries =
        object::number(release, &format!("/spec/{action}/remediation/retries")).unwrap_or(0);
    let failures = object::number(release, "/status/failures").unwrap_or(0);
    retries >= 0 && failures > retries
}

/// A release that is being followed.
pub(super) struct Watch<'a> {
    cx: &'a StepContext,
    kube: &'a Kube,
    request: &'a str,
    within: Span,
}

impl<'a> Watch<'a> {
    pub(super) fn begin(
        cx: &'a StepContext,
        kube: &'a Kube,
        request: &'a str,
        within: Span,
    ) -> Self {
        Self {
            cx,
            kube,
            request,
            within,
        }
    }

    /// Waits until it is deployed, and answers with it.
    pub(super) async fn deployed(&self, release: &Value) -> Result<Value, StepError> {
        let resource = self
            .kube
            .resource(object::api_version(release), object::kind(release))
            .await?;
        // Pods that failed before are what this release may be there to mend.
        let troubled: HashSet<String> = self
            .pods(release)
            .await?
            .iter()
            .filter(|pod| has_trouble(pod))
            .map(|pod| object::uid(pod).to_owned())
            .collect();
        let mut wait = Wait::begin(self.cx, self.within.duration());
        let waited = loop {
            let look = self.look(&resource, release, &troubled).await;
            if let Some(waited) = wait.after(look).await? {
                break waited;
            }
        };
        match waited {
            Waited::Held(release) => Ok(release),
            Waited::Expired(missing) => {
                let message = format!("not deployed within {}: {missing}", self.within);
                let words = self.troubles(release, &HashSet::new()).await;
                Err(StepError::timed_out(
                    "flux.not_deployed",
                    with_words(message, &words),
                ))
            }
        }
    }

    async fn look(
        &self,
        resource: &Resource,
        release: &Value,
        troubled: &HashSet<String>,
    ) -> Result<Look<Value>, StepError> {
        let live = self
            .kube
            .get(resource, object::namespace(release), object::name(release))
            .await?;
        let live = live.ok_or_else(|| {
            StepError::permanent(
                "flux.gone",
                format!(
                    "{} was deleted while it was being deployed",
                    object::title(release)
                ),
            )
        })?;
        match progress(&live, self.request) {
            Progress::Deployed => Ok(Look::Done(live)),
            Progress::Suspended => Err(suspended(&object::title(&live))),
            Progress::Failed(why) => {
                self.cx
                    .evidence_json("release.json", &object::showable(&live))
                    .await?;
                let words = self.troubles(&live, troubled).await;
                let message = format!("{} has failed: {why}", object::title(&live));
                Err(StepError::permanent(
                    "flux.failed",
                    with_words(message, &words),
                ))
            }
            Progress::Waiting(missing) => {
                let pods = self.pods(&live).await?;
                let new: Vec<Value> = pods
                    .into_iter()
                    .filter(|pod| !troubled.contains(object::uid(pod)))
                    .collect();
                let troubles = trouble::among(&new);
                if troubles.first().is_some_and(|first| first.problem.hopeless) {
                    self.cx
                        .evidence_json("release.json", &object::showable(&live))
                        .await?;
                    let words = trouble::explain(self.cx, self.kube, &troubles).await;
                    return Err(StepError::permanent(
                        "flux.pods_failing",
                        with_words(missing, &words),
                    ));
                }
                Ok(Look::NotYet(missing))
            }
        }
    }

    async fn troubles(&self, release: &Value, without: &HashSet<String>) -> String {
        let mut pods = self.pods(release).await.unwrap_or_default();
        pods.retain(|pod| !without.contains(object::uid(pod)));
        trouble::explain(self.cx, self.kube, &trouble::among(&pods)).await
    }

    /// The pods of the release, by the labels that charts give them.
    async fn pods(&self, release: &Value) -> Result<Vec<Value>, StepError> {
        let (namespace, name) = target(release);
        let mut found: Vec<Value> = Vec::new();
        for label in INSTANCE_LABELS {
            let selection = Selection::labelled(&namespace, &format!("{label}={name}"));
            for pod in self.kube.list(&Resource::pods(), &selection).await? {
                if !found
                    .iter()
                    .any(|known| object::uid(known) == object::uid(&pod))
                {
                    found.push(pod);
                }
            }
        }
        Ok(found)
    }
}

fn has_trouble(pod: &Value) -> bool {
    !pods::problems(pod).is_empty()
}

fn with_words(message: String, words: &str) -> String {
    if words.is_empty() {
        message
    } else {
        format!("{message}; {words}")
    }
}

/// The namespace and the name of the Helm release that a HelmRelease stands for.
pub(super) fn target(release: &Value) -> (String, String) {
    let own = object::namespace(release).unwrap_or_default();
    let other = object::text(release, "/spec/targetNamespace");
    let namespace = if other.is_empty() { own } else { other };
    let name = match object::text(release, "/spec/releaseName") {
        "" if other.is_empty() => object::name(release).to_owned(),
        "" => format!("{other}-{}", object::name(release)),
        name => name.to_owned(),
    };
    (namespace.to_owned(), name)
}
