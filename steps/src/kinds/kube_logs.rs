//! `kube.logs`: reads the logs of pods and judges what stands in them.
//!
//! Effect: none; it only reads. Too few pods, or a pod without a line, is INCONCLUSIVE: no log is no
//! proof that nothing bad was logged. Permissions: `list` on pods, `get` on `pods/log`.

mod judge;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::judge::{PODS, PodLog, Seen, SeenPod, log_name};
use crate::again::JudgeAgain;
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::kube::{Kube, LogWindow, Resource, object, pods};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// At most so much of one container's log is read.
const MOST_BYTES: i64 = 4 << 20;

/// Whose logs, which part, and what must and must not stand there.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The namespace.
    pub namespace: String,
    /// Pods by labels.
    #[serde(default)]
    pub selector: Option<String>,
    /// One pod by name.
    #[serde(default)]
    pub name: Option<String>,
    /// The container; left out: every container of each pod.
    #[serde(default)]
    pub container: Option<String>,
    /// With fewer pods nothing is proven.
    #[schemars(range(min = 1))]
    pub min_pods: usize,
    /// With fewer lines from a pod nothing is proven.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub min_lines: usize,
    /// At most so many of the last lines of each container.
    #[serde(default = "thousands")]
    pub tail: u32,
    /// Not older than this.
    #[serde(default)]
    pub since: Option<Span>,
    /// Of the containers' former lives.
    #[serde(default)]
    pub previous: bool,
    /// Regular expressions; each must match a line of at least one pod.
    #[serde(default)]
    pub require: Vec<String>,
    /// Regular expressions; each must match a line of every pod.
    #[serde(default)]
    pub require_in_every_pod: Vec<String>,
    /// Regular expressions that no line may match.
    #[serde(default)]
    pub forbid: Vec<String>,
    /// Regular expressions; a line that matches one is forgiven by `forbid`.
    #[serde(default)]
    pub except: Vec<String>,
}

fn one() -> usize {
    1
}

fn thousands() -> u32 {
    5000
}

/// What was read.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many pods.
    pub pods: usize,
    /// How many lines in all.
    pub lines: usize,
    /// Lines that were forbidden, at most a hundred.
    pub forbidden: Vec<String>,
    /// Expressions that were required and not found.
    pub missing: Vec<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubeLogs {
    params: Params,
    require: Vec<Regex>,
    require_in_every_pod: Vec<Regex>,
    forbid: Vec<Regex>,
    except: Vec<Regex>,
}

impl Kind for KubeLogs {
    const INFO: KindInfo = KindInfo {
        name: "kube.logs",
        summary: "Reads the logs of pods: what must stand in them, and what must not.",
        effect: "None: it only reads.",
        permissions: "list on pods, get on pods/log.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: worker_logs\n  uses: kube.logs\n  with:\n    namespace: data-platform\n    selector: app.kubernetes.io/component=worker\n    min_pods: 2\n    require_in_every_pod: [SERVER STARTED]\n    forbid: [OutOfMemoryError]\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge::judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        if params.min_pods == 0 || params.min_lines == 0 {
            return Err(
                "`min_pods` and `min_lines` must be at least 1: there is no pass for nothing"
                    .to_owned(),
            );
        }
        Ok(Box::new(Self::of(params)?))
    }
}

#[async_trait]
impl Step for KubeLogs {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.read(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeLogs {
    fn of(params: Params) -> Result<Self, String> {
        let compile = |texts: &[String]| {
            texts
                .iter()
                .map(|text| Regex::new(text).map_err(|error| format!("`{text}`: {error}")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            require: compile(&params.require)?,
            require_in_every_pod: compile(&params.require_in_every_pod)?,
            forbid: compile(&params.forbid)?,
            except: compile(&params.except)?,
            params,
        })
    }

    fn choice(&self) -> Choice<'_> {
        Choice {
            namespace: Some(&self.params.namespace),
            selector: self.params.selector.as_deref(),
            name: self.params.name.as_deref(),
        }
    }

    async fn read(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let chosen = self.choice().of(&kube, &Resource::pods()).await?;
        let mut logs = Vec::new();
        let mut evidence = Vec::new();
        let mut seen = Seen::default();
        for pod in chosen.iter().filter(|pod| !pods::is_terminating(pod)) {
            let name = object::name(pod).to_owned();
            let containers = self.containers(pod);
            let mut log = PodLog {
                pod: name.clone(),
                lines: Vec::new(),
            };
            for container in &containers {
                // A program may log what it must not; what is judged is what is kept.
                let text = self.log_of(&kube, &name, container).await?;
                let text = cx.secrets.redact(&text);
                log.lines.extend(text.lines().map(str::to_owned));
                let kept = cx
                    .evidence(&log_name(&name, container), "text/plain", text.as_bytes())
                    .await?;
                evidence.push(kept.sha256);
            }
            logs.push(log);
            seen.pods.push(SeenPod { name, containers });
        }
        if logs.len() < self.params.min_pods {
            let instead = self.choice().alternatives(&kube, &Resource::pods()).await;
            seen.instead = Some(instead);
        }
        evidence.push(cx.evidence_json(PODS, &json!(seen)).await?.sha256);
        let (mut found, output) = self.conclude(&logs, seen.instead.as_deref());
        found.evidence = evidence;
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }

    fn containers(&self, pod: &Value) -> Vec<String> {
        match &self.params.container {
            Some(container) => vec![container.clone()],
            None => object::list(pod, "/spec/containers")
                .iter()
                .map(|container| object::text(container, "/name").to_owned())
                .collect(),
        }
    }

    async fn log_of(&self, kube: &Kube, pod: &str, container: &str) -> Result<String, StepError> {
        let window = LogWindow {
            container: Some(container.to_owned()),
            tail: Some(i64::from(self.params.tail)),
            since_seconds: self
                .params
                .since
                .map(|since| i64::try_from(since.millis().div_ceil(1000)).unwrap_or(i64::MAX)),
            limit_bytes: Some(MOST_BYTES),
            previous: self.params.previous,
        };
        match kube.log(&self.params.namespace, pod, &window).await {
            // Gone meanwhile, or not begun: then it has no line, which the verdict says.
            Ok(text) => Ok(text.unwrap_or_default()),
            Err(error) if error.code == "kube.bad_request" => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[path = "kube_logs/tests.rs"]
mod tests;
