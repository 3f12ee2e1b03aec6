//! `kube.exec`: runs a program in a container of a pod that is ready.
//!
//! Effect: whatever the program does, at least once: a program that was running when flowctl died goes
//! on in its container and is started again on resume. Permissions: `list` on pods, `create` on `pods/exec`.

mod came;

use ::kube::Api;
use ::kube::api::AttachParams;
use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};

use self::came::{Came, HOW, How, STDERR, STDOUT};
use crate::again::JudgeAgain;
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::kube::{Kube, Resource, Subject, error, object, pods};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// So much of each stream is kept; the rest is read and dropped.
const KEPT: usize = 1 << 20;

/// Where, what, and what it must come to.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The namespace.
    pub namespace: String,
    /// Pods by labels; the first ready one by name is taken.
    #[serde(default)]
    pub selector: Option<String>,
    /// One pod by name.
    #[serde(default)]
    pub name: Option<String>,
    /// The container, if there are several.
    #[serde(default)]
    pub container: Option<String>,
    /// The program and its arguments; there is no shell unless you name one.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// Exit codes that are a success.
    #[serde(default = "zero")]
    pub success: Vec<i32>,
    /// A regular expression that standard output must match; then the step reports a finding.
    #[serde(default)]
    pub stdout: Option<String>,
    /// How long it may run.
    #[serde(default = "a_minute")]
    pub within: Span,
}

fn zero() -> Vec<i32> {
    vec![0]
}

fn a_minute() -> Span {
    Span::from_secs(60)
}

/// What it came to.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// The pod.
    pub pod: String,
    /// The program's exit code.
    pub exit_code: i32,
    /// Its standard output, at most 64 KiB.
    pub stdout: String,
    /// Its standard error, at most 64 KiB.
    pub stderr: String,
}

/// The step.
#[derive(Debug)]
pub struct KubeExec {
    params: Params,
    stdout: Option<Regex>,
}

impl Kind for KubeExec {
    const INFO: KindInfo = KindInfo {
        name: "kube.exec",
        summary: "Runs a program in a container of a ready pod.",
        effect: "Whatever the program does, at least once: after a crash of flowctl it is started again.",
        permissions: "list on pods, create and get on pods/exec.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: true,
        needs_target: true,
        example: "- id: java_version\n  uses: kube.exec\n  with:\n    namespace: data-platform\n    selector: app.kubernetes.io/component=coordinator\n    argv: [java, -version]\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(came::judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        if params.selector.is_none() && params.name.is_none() {
            return Err("one of `selector` and `name` is needed".to_owned());
        }
        if params.argv.is_empty() {
            return Err("`argv` names no program".to_owned());
        }
        let stdout = params.wanted()?;
        Ok(Box::new(Self { params, stdout }))
    }
}

#[async_trait]
impl Step for KubeExec {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.execute(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("what a program did cannot be taken back"))
    }
}

/// What a program left.
struct Ended {
    exit_code: Option<i32>,
    status: Status,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl KubeExec {
    async fn execute(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let pod = self.pod(&kube).await?;
        cx.sink
            .progress(&format!("running {} in pod {pod}", self.params.argv[0]));
        let within = self.params.within;
        let ended = tokio::time::timeout(within.duration(), self.run_in(&kube, &pod))
            .await
            .map_err(|_| {
                StepError::timed_out(
                    "kube.exec_timeout",
                    format!(
                        "`{}` in pod `{pod}` did not end within {within}",
                        self.params.argv[0]
                    ),
                )
            })??;
        let text = |content: &[u8]| cx.secrets.redact(&String::from_utf8_lossy(content));
        let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
        let mut evidence = Vec::new();
        for (name, content) in [(STDOUT, &stdout), (STDERR, &stderr)] {
            let kept = cx.evidence(name, "text/plain", content.as_bytes()).await?;
            evidence.push(kept.sha256);
        }
        let exit_code = self.exit_code(&pod, &ended, &stderr)?;
        let how = How { pod, exit_code };
        evidence.push(cx.evidence_json(HOW, &json!(how)).await?.sha256);
        let came = Came {
            how,
            stdout,
            stderr,
        };
        let (mut found, output) = self.params.conclude(self.stdout.as_ref(), &came);
        found.evidence = evidence;
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }

    /// The exit code, if it is a success.
    fn exit_code(&self, pod: &str, ended: &Ended, stderr: &str) -> Result<i32, StepError> {
        let program = &self.params.argv[0];
        let Some(exit_code) = ended.exit_code else {
            let said = ended.status.message.clone().unwrap_or_default();
            return Err(StepError::permanent(
                "kube.exec",
                format!("`{program}` could not be run in pod `{pod}`: {said}"),
            ));
        };
        if self.params.success.contains(&exit_code) {
            return Ok(exit_code);
        }
        let last = stderr
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("nothing on standard error");
        Err(StepError::permanent(
            "kube.exec_exit",
            format!("`{program}` in pod `{pod}` ended with exit code {exit_code}: {last}"),
        ))
    }

    /// The first ready pod by name.
    async fn pod(&self, kube: &Kube) -> Result<String, StepError> {
        let params = &self.params;
        let choice = Choice {
            namespace: Some(&params.namespace),
            selector: params.selector.as_deref(),
            name: params.name.as_deref(),
        };
        let found = choice.of(kube, &Resource::pods()).await?;
        let mut ready: Vec<&str> = found
            .iter()
            .filter(|pod| pods::is_ready(pod))
            .map(object::name)
            .collect();
        ready.sort_unstable();
        match ready.first() {
            Some(name) => Ok((*name).to_owned()),
            // Pods come and go: the next attempt may find one.
            None => Err(StepError::transient(
                "kube.no_ready_pod",
                format!("no pod {choice} is ready, of {} that match", found.len()),
            )
            .help(choice.alternatives(kube, &Resource::pods()).await)),
        }
    }

    async fn run_in(&self, kube: &Kube, pod: &str) -> Result<Ended, StepError> {
        let subject = Subject {
            verb: "create",
            resource: "pods/exec".to_owned(),
            namespace: Some(self.params.namespace.clone()),
            name: Some(pod.to_owned()),
        };
        let attach = AttachParams {
            container: self.params.container.clone(),
            stdin: false,
            stdout: true,
            stderr: true,
            ..AttachParams::default()
        };
        kube.may_write().await?;
        let api: Api<Pod> = Api::namespaced(kube.client(), &self.params.namespace);
        let mut process = api
            .exec(pod, &self.params.argv, &attach)
            .await
            .map_err(|e| error::classify(&e, &subject))?;
        let status = process.take_status();
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let (stdout, stderr) = tokio::join!(keep(stdout), keep(stderr));
        // The connection may break before the program ends: then nobody knows what it did.
        let lost = || {
            StepError::new(
                flowctl_workflows::result::ErrorClass::Lost,
                "kube.exec_lost",
                format!(
                    "the connection to pod `{pod}` broke before `{}` had ended",
                    self.params.argv[0]
                ),
            )
        };
        let status = match status {
            Some(status) => status.await.ok_or_else(lost)?,
            None => return Err(lost()),
        };
        Ok(Ended {
            exit_code: exit_code(&status),
            status,
            stdout,
            stderr,
        })
    }
}

/// The exit code in the status that ends an exec; `None`: the program was not run.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_deref()?.parse().ok()
}

/// Reads a stream to its end and keeps its beginning.
async fn keep(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return kept;
    };
    let mut part = vec![0; 16 << 10];
    while let Ok(read) = stream.read(&mut part).await {
        if read == 0 {
            break;
        }
        let room = KEPT - kept.len();
        kept.extend_from_slice(&part[..read.min(room)]);
    }
    kept
}

#[cfg(test)]
#[path = "kube_exec/tests.rs"]
mod tests;
