//! `kube.wait`: waits until enough objects of a kind are ready, or gone.
//!
//! Effect: none; it only reads. A selector that matches too few objects never passes: at the deadline
//! it fails and says which labels there are. Permissions: `get` and `list` on the kind and on pods.

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::pods::{self, PodSummary};
use crate::clients::kube::readiness::{Readiness, readiness};
use crate::clients::kube::version::{checked_version_of, version_of};
use crate::clients::kube::waiting::{Look, Wait, Waited, enumerate, unless_cancelled};
use crate::clients::kube::{Kube, object, trouble};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding};
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which objects, how many, and what they must be.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The kind of object.
    #[serde(default = "pod")]
    pub kind: String,
    /// Its API version; known without saying for the usual kinds.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The namespace, for kinds that live in one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// By labels, as kubectl writes them.
    #[serde(default)]
    pub selector: Option<String>,
    /// By name.
    #[serde(default)]
    pub name: Option<String>,
    /// The fewest objects that must match. Needed unless they are to be gone: there is no pass for nothing.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub min: Option<usize>,
    /// The most that may match, those on their way out included.
    #[serde(default)]
    pub max: Option<usize>,
    /// `ready`, `gone`, or the type of a condition that must be `True`.
    #[serde(default = "ready")]
    pub condition: String,
    /// How long it may take.
    #[serde(default = "five_minutes")]
    pub within: Span,
    /// Fails at once when a pod is in a state that waiting does not mend (crash loop, image that cannot be had).
    #[serde(default = "yes")]
    pub fail_early: bool,
}

fn pod() -> String {
    "Pod".to_owned()
}

fn ready() -> String {
    "ready".to_owned()
}

fn yes() -> bool {
    true
}

fn five_minutes() -> Span {
    Span::from_secs(300)
}

/// What was found at the end.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many objects matched, those on their way out not counted.
    pub matched: usize,
    /// The pods, if these were what was waited for.
    pub pods: Vec<PodSummary>,
    /// The names of what matched.
    pub names: Vec<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubeWait {
    params: Params,
}

impl Kind for KubeWait {
    const INFO: KindInfo = KindInfo {
        name: "kube.wait",
        summary: "Waits until at least `min` objects are ready, or until they are gone.",
        effect: "None: it only reads.",
        permissions: "get and list on the kind, list on pods and get on pods/log for the reason of a failure.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: workers_ready\n  uses: kube.wait\n  with:\n    namespace: data-platform\n    selector: app.kubernetes.io/component=worker\n    min: 2\n    within: 5m\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        match (params.condition.as_str(), params.min, params.max) {
            ("gone", Some(_), _) | ("gone", _, Some(_)) => {
                Err("what is to be gone takes no `min` and no `max`".to_owned())
            }
            ("gone", None, None) => Ok(()),
            (_, None | Some(0), _) => Err(
                "`min` must be given, and be at least 1: there is no pass for nothing".to_owned(),
            ),
            (_, Some(min), Some(max)) if max < min => {
                Err(format!("`max` ({max}) is less than `min` ({min})"))
            }
            _ => Ok(()),
        }?;
        version_of(&params.kind, params.api_version.as_deref())?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeWait {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.wait(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeWait {
    fn choice(&self) -> Choice<'_> {
        self.params.choice()
    }

    async fn wait(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let version = checked_version_of(&self.params.kind, self.params.api_version.as_deref())?;
        let mut seen = Vec::new();
        let mut wait = Wait::begin(cx, self.params.within.duration());
        let waited = loop {
            let look = self.look(cx, &kube, version, &mut seen).await;
            if let Some(waited) = wait.after(look).await? {
                break waited;
            }
        };
        match waited {
            Waited::Held(()) => self.report(cx, &seen).await,
            Waited::Expired(missing) => {
                Err(self.expired(cx, &kube, version, &seen, &missing).await)
            }
        }
    }

    async fn look(
        &self,
        cx: &StepContext,
        kube: &Kube,
        version: &str,
        seen: &mut Vec<Value>,
    ) -> Result<Look<()>, StepError> {
        let resource = match kube.resource(version, &self.params.kind).await {
            // A kind that comes later is waited for, like its objects; one that went took them along.
            Err(error) if error.code == "kube.unknown_kind" && self.params.condition == "gone" => {
                seen.clear();
                return Ok(Look::Done(()));
            }
            Err(error) if error.code == "kube.unknown_kind" => {
                return Ok(Look::NotYet(error.message));
            }
            found => found?,
        };
        *seen = self.choice().of(kube, &resource).await?;
        let missing = match evaluate(seen, &self.params) {
            None => return Ok(Look::Done(())),
            Some(missing) => missing,
        };
        if self.params.fail_early && self.params.condition != "gone" {
            let troubles = self.troubles(kube, seen).await?;
            if troubles.first().is_some_and(|first| first.problem.hopeless) {
                cx.evidence_json("objects.json", &shown(seen)).await?;
                let words = trouble::explain(cx, kube, &troubles).await;
                return Err(StepError::permanent(
                    "kube.pods_failing",
                    format!("{missing}; {words}"),
                ));
            }
        }
        Ok(Look::NotYet(missing))
    }

    async fn troubles(
        &self,
        kube: &Kube,
        seen: &[Value],
    ) -> Result<Vec<trouble::Trouble>, StepError> {
        if self.params.kind == "Pod" {
            Ok(trouble::among(seen))
        } else {
            trouble::behind(kube, seen).await
        }
    }

    async fn report(&self, cx: &StepContext, seen: &[Value]) -> Result<StepOutput, StepError> {
        let evidence = cx.evidence_json("objects.json", &shown(seen)).await?;
        let (mut found, output) = conclude(&self.params, seen);
        found.evidence = vec![evidence.sha256];
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }

    async fn expired(
        &self,
        cx: &StepContext,
        kube: &Kube,
        version: &str,
        seen: &[Value],
        missing: &str,
    ) -> StepError {
        // What was seen is worth keeping, but its loss must not hide why the step failed.
        let _ = cx.evidence_json("objects.json", &shown(seen)).await;
        let message = format!("not so within {}: {missing}", self.params.within);
        let few =
            seen.iter().filter(|object| counts(object)).count() < self.params.min.unwrap_or(0);
        if few {
            let help = match kube.resource(version, &self.params.kind).await {
                Ok(resource) => self.choice().alternatives(kube, &resource).await,
                Err(error) => error.message,
            };
            return StepError::timed_out("kube.too_few_matches", message).help(help);
        }
        let troubles = self.troubles(kube, seen).await.unwrap_or_default();
        let words = trouble::explain(cx, kube, &troubles).await;
        let message = if words.is_empty() {
            message
        } else {
            format!("{message}; {words}")
        };
        let code = if self.params.condition == "gone" {
            "kube.not_gone"
        } else {
            "kube.not_ready"
        };
        StepError::timed_out(code, message)
    }
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Vec<Value>>("objects.json", |name| name == "objects.json")?;
    if let Some(missing) = evaluate(&record.value, params) {
        return Err(NotJudged::Wrong(format!(
            "its record does not show what it waited for: {missing}"
        )));
    }
    let (mut found, output) = conclude(params, &record.value);
    found.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

/// What objects come to that are as they were waited for. Pure.
fn conclude(params: &Params, seen: &[Value]) -> (Finding, Output) {
    let counted: Vec<&Value> = seen.iter().filter(|object| counts(object)).collect();
    let (kind, choice) = (&params.kind, params.choice());
    let reason = match params.condition.as_str() {
        "gone" => format!("no {kind} {choice} is there any more"),
        condition => format!(
            "{} {kind} {choice} {condition}, at least {} wanted",
            counted.len(),
            params.min.unwrap_or(1)
        ),
    };
    let mut found = finding(format!("{kind} {choice}"), Verdict::Pass, reason);
    found.numbers = vec![count("matched", counted.len())];
    let of_pods = params.kind == "Pod";
    let output = Output {
        matched: counted.len(),
        pods: counted
            .iter()
            .filter(|_| of_pods)
            .map(|pod| pods::summary(pod))
            .collect(),
        names: counted
            .iter()
            .map(|object| object::name(object).to_owned())
            .collect(),
    };
    (found, output)
}

impl Params {
    fn choice(&self) -> Choice<'_> {
        Choice {
            namespace: self.namespace.as_deref(),
            selector: self.selector.as_deref(),
            name: self.name.as_deref(),
        }
    }
}

/// Whether an object counts as a match: one on its way out, or a pod that has done its work, does not.
fn counts(object: &Value) -> bool {
    let finished =
        object::kind(object) == "Pod" && object::text(object, "/status/phase") == "Succeeded";
    !finished && !pods::is_terminating(object)
}

fn shown(objects: &[Value]) -> Value {
    objects.iter().map(object::showable).collect()
}

/// What is missing; `None`: nothing.
fn evaluate(seen: &[Value], params: &Params) -> Option<String> {
    let kind = &params.kind;
    if params.condition == "gone" {
        let names: Vec<&str> = seen.iter().map(object::name).collect();
        return (!seen.is_empty())
            .then(|| format!("{} {kind} still there: {}", seen.len(), names.join(", ")));
    }
    let min = params.min.unwrap_or(1);
    let counted: Vec<&Value> = seen.iter().filter(|object| counts(object)).collect();
    if counted.len() < min {
        let choice = params.choice();
        return Some(format!(
            "{} of at least {min} {kind} {choice}",
            counted.len()
        ));
    }
    if let Some(max) = params.max.filter(|max| seen.len() > *max) {
        return Some(format!("{} {kind}, at most {max} wanted", seen.len()));
    }
    let missing: Vec<String> = counted
        .iter()
        .filter_map(|object| lacks(object, &params.condition))
        .collect();
    (!missing.is_empty()).then(|| enumerate(&missing))
}

/// What an object lacks to be as the condition says.
fn lacks(object: &Value, condition: &str) -> Option<String> {
    let title = object::title(object);
    if condition != "ready" {
        let found = object::condition(object, condition);
        return match found.and_then(|found| found["status"].as_str()) {
            Some("True") => None,
            Some(_) => Some(format!(
                "{title} is not {condition}: {}",
                found.map(object::explain).unwrap_or_default()
            )),
            None => Some(format!("{title} has no condition {condition}")),
        };
    }
    if object::number(object, "/spec/replicas") == Some(0) {
        return Some(format!("{title} wants 0 pods, which proves nothing"));
    }
    match readiness(object) {
        Readiness::Ready => None,
        Readiness::Waiting(what) | Readiness::Failed(what) => Some(format!("{title} {what}")),
    }
}

#[cfg(test)]
#[path = "kube_wait/tests.rs"]
mod tests;
