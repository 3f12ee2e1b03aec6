//! `kube.events`: looks for bad events of pods, and for containers that were killed for memory.
//!
//! Effect: none; it only reads. No event is good news only when the pods were seen that could have
//! had one. The API server forgets events after an hour by default, so container states are looked at too.
//! Permissions: `list` on pods and events.

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{Finding, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::kube::{Resource, Selection, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding};
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which pods, how far back, and which reasons are bad.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The namespace.
    pub namespace: String,
    /// Pods by labels; left out together with `name`: all events of the namespace.
    #[serde(default)]
    pub selector: Option<String>,
    /// One pod by name.
    #[serde(default)]
    pub name: Option<String>,
    /// With fewer pods nothing is proven.
    #[schemars(range(min = 1))]
    pub min_pods: usize,
    /// Reasons that must not occur, among events and among the ends of containers.
    #[serde(default = "bad_reasons")]
    pub forbid: Vec<String>,
    /// How far back.
    #[serde(default = "an_hour")]
    pub since: Span,
}

fn bad_reasons() -> Vec<String> {
    [
        "OOMKilled",
        "OOMKilling",
        "SystemOOM",
        "BackOff",
        "Failed",
        "FailedScheduling",
        "FailedMount",
        "Evicted",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn an_hour() -> Span {
    Span::from_secs(3600)
}

/// What was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many pods were seen.
    pub pods: usize,
    /// How many events there were.
    pub events: usize,
    /// How many of them were warnings.
    pub warnings: usize,
    /// What was forbidden and occurred.
    pub forbidden: Vec<Occurrence>,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Occurrence {
    /// For example `OOMKilled`.
    pub reason: String,
    /// `Pod trino-worker-1`.
    pub object: String,
    /// In the words of whoever noticed it.
    pub message: String,
    /// How often.
    pub count: i64,
    /// When last.
    pub last: String,
}

/// What was seen, as the record has it: what follows is worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// When; records of before it was kept have none.
    at: Option<Timestamp>,
    /// The events that count.
    events: Vec<Value>,
    /// The pods.
    pods: Vec<SeenPod>,
    /// What there is in the place of too few pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead: Option<String>,
}

/// A pod and the states of its containers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenPod {
    name: String,
    uid: String,
    #[serde(default)]
    container_statuses: Value,
    #[serde(default)]
    init_container_statuses: Value,
}

/// The step.
#[derive(Debug)]
pub struct KubeEvents {
    params: Params,
}

impl Kind for KubeEvents {
    const INFO: KindInfo = KindInfo {
        name: "kube.events",
        summary: "Looks for bad events of pods and for containers that were killed for memory.",
        effect: "None: it only reads.",
        permissions: "list on pods and events.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: no_oom\n  uses: kube.events\n  with:\n    namespace: data-platform\n    selector: app.kubernetes.io/name=trino\n    min_pods: 3\n    forbid: [OOMKilled, BackOff]\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        if params.min_pods == 0 || params.forbid.is_empty() {
            return Err("`min_pods` must be at least 1 and `forbid` not empty: there is no pass for nothing".to_owned());
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeEvents {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.look(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeEvents {
    fn choice(&self) -> Choice<'_> {
        self.params.choice()
    }

    async fn look(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let pods = self.choice().of(&kube, &Resource::pods()).await?;
        let events = kube
            .list(
                &Resource::core("Event", "events"),
                &Selection::all_in(&self.params.namespace),
            )
            .await?;
        let at = cx.clock.now();
        let earliest = self.params.earliest(at);
        let whole = self.params.selector.is_none() && self.params.name.is_none();
        let events: Vec<&Value> = events
            .iter()
            .filter(|event| last_seen(event).is_none_or(|last| last >= earliest))
            .filter(|event| whole || pods.iter().any(|pod| concerns(event, pod)))
            .collect();
        let instead = if pods.len() < self.params.min_pods {
            let choice = self.choice();
            Some(choice.alternatives(&kube, &Resource::pods()).await)
        } else {
            None
        };
        let seen = Seen {
            at: Some(at),
            events: events.into_iter().cloned().collect(),
            pods: pods.iter().map(SeenPod::of).collect(),
            instead,
        };
        let evidence = cx.evidence_json("events.json", &json!(seen)).await?;
        let (mut found, output) = conclude(&self.params, &seen, at);
        found.evidence = vec![evidence.sha256];
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>("events.json", |name| name == "events.json")?;
    let at = record
        .value
        .at
        .ok_or_else(|| NotJudged::lacking("when it looked, nor how init containers ended"))?;
    let (mut found, output) = conclude(params, &record.value, at);
    found.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

/// What a look comes to. Pure.
fn conclude(params: &Params, seen: &Seen, at: Timestamp) -> (Finding, Output) {
    let earliest = params.earliest(at);
    let Seen { events, pods, .. } = seen;
    // The end of a container says more than the back-off that follows it.
    let mut forbidden: Vec<Occurrence> = pods.iter().flat_map(|pod| ends(pod, earliest)).collect();
    forbidden.extend(events.iter().map(occurrence));
    forbidden.retain(|occurrence| params.forbid.contains(&occurrence.reason));
    let output = Output {
        pods: pods.len(),
        events: events.len(),
        warnings: events
            .iter()
            .filter(|event| event["type"] == "Warning")
            .count(),
        forbidden,
    };
    let (verdict, mut reason) = params.judge(&output);
    if let Some(instead) = &seen.instead {
        reason = format!("{reason}; {instead}");
    }
    let mut found = finding(
        format!("events of pods {}", params.choice()),
        verdict,
        reason,
    );
    found.numbers = vec![
        count("pods", output.pods),
        count("events", output.events),
        count("forbidden", output.forbidden.len()),
    ];
    (found, output)
}

impl Params {
    fn choice(&self) -> Choice<'_> {
        Choice {
            namespace: Some(&self.namespace),
            selector: self.selector.as_deref(),
            name: self.name.as_deref(),
        }
    }

    /// What lies before it is too old, as seen at this moment.
    fn earliest(&self, at: Timestamp) -> Timestamp {
        let since = jiff::SignedDuration::try_from(self.since.duration()).unwrap_or_default();
        at.checked_sub(since).unwrap_or(Timestamp::MIN)
    }

    /// Pure.
    fn judge(&self, output: &Output) -> (Verdict, String) {
        let (pods, min, since) = (output.pods, self.min_pods, self.since);
        if let Some(first) = output.forbidden.first() {
            let more = output.forbidden.len() - 1;
            let more = if more > 0 {
                format!(", and {more} more")
            } else {
                String::new()
            };
            let Occurrence {
                reason,
                object,
                message,
                ..
            } = first;
            return (
                Verdict::Fail,
                format!("{reason} of {object}: {message}{more}"),
            );
        }
        if pods < min {
            return (
                Verdict::Inconclusive,
                format!("{pods} pods {}, at least {min} are needed", self.choice()),
            );
        }
        let (events, forbid) = (output.events, self.forbid.join(", "));
        (
            Verdict::Pass,
            format!(
                "none of {forbid} among {events} events of the last {since} and the container states of {pods} pods"
            ),
        )
    }
}

/// When an event was last seen: its writers use different fields.
fn last_seen(event: &Value) -> Option<Timestamp> {
    [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .iter()
    .filter_map(|pointer| object::text(event, pointer).parse().ok())
    .max()
}

fn concerns(event: &Value, pod: &Value) -> bool {
    let regarded = object::text(event, "/involvedObject/uid");
    if regarded.is_empty() {
        object::text(event, "/involvedObject/name") == object::name(pod)
    } else {
        regarded == object::uid(pod)
    }
}

fn occurrence(event: &Value) -> Occurrence {
    let kind = object::text(event, "/involvedObject/kind");
    Occurrence {
        reason: object::text(event, "/reason").to_owned(),
        object: format!("{kind} {}", object::text(event, "/involvedObject/name")),
        message: object::text(event, "/message").to_owned(),
        count: object::number(event, "/series/count")
            .or_else(|| object::number(event, "/count"))
            .unwrap_or(1),
        last: last_seen(event)
            .map(|last| last.to_string())
            .unwrap_or_default(),
    }
}

impl SeenPod {
    fn of(pod: &Value) -> Self {
        Self {
            name: object::name(pod).to_owned(),
            uid: object::uid(pod).to_owned(),
            container_statuses: pod["status"]["containerStatuses"].clone(),
            init_container_statuses: pod["status"]["initContainerStatuses"].clone(),
        }
    }
}

/// How the containers of a pod ended, those that run again too.
fn ends(pod: &SeenPod, earliest: Timestamp) -> Vec<Occurrence> {
    [&pod.container_statuses, &pod.init_container_statuses]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .flat_map(|status| {
            ["/state/terminated", "/lastState/terminated"]
                .map(|pointer| (status, status.pointer(pointer)))
        })
        .filter_map(|(status, ended)| Some((status, ended?)))
        .filter(|(_, ended)| {
            object::text(ended, "/finishedAt")
                .parse::<Timestamp>()
                .is_ok_and(|at| at >= earliest)
        })
        .map(|(status, ended)| Occurrence {
            reason: object::text(ended, "/reason").to_owned(),
            object: format!("Pod {}", pod.name),
            message: format!(
                "container `{}` ended with exit code {}",
                object::text(status, "/name"),
                object::number(ended, "/exitCode").unwrap_or(0)
            ),
            count: 1,
            last: object::text(ended, "/finishedAt").to_owned(),
        })
        .collect()
}

#[cfg(test)]
#[path = "kube_events/tests.rs"]
mod tests;
