//! `kube.top`: what pods use, beside what they asked for, what they may use and what their nodes have.
//!
//! Effect: none; it only reads. A pod without a fresh measurement is INCONCLUSIVE, as are too few pods.
//! Permissions: `list` on pods and `pods.metrics.k8s.io`; `get` on nodes for what they have (unknown if refused).

mod usage;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::usage::{Measured, PodUsage};
use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::kube::choose::{self, Choice};
use crate::clients::kube::waiting::{Look, Wait, Waited, unless_cancelled};
use crate::clients::kube::{Kube, Resource, object, pods, quantity};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding, number};
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which pods, and what they may use.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
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
    /// With fewer pods nothing is proven.
    #[schemars(range(min = 1))]
    pub min_pods: usize,
    /// What each container's memory must stay under.
    #[serde(default)]
    pub memory: Option<Bound>,
    /// What each container's CPU use must stay under.
    #[serde(default)]
    pub cpu: Option<Bound>,
    /// A measurement older than this counts as none.
    #[serde(default = "two_minutes")]
    pub fresh: Span,
    /// How long to wait for fresh measurements of all pods; new pods have none for up to a minute.
    #[serde(default = "two_minutes")]
    pub within: Span,
}

/// What a container's use must stay under; at least one.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// This share of its limit, for example 0.9.
    #[serde(default)]
    pub below_limit: Option<f64>,
    /// This share of its request.
    #[serde(default)]
    pub below_request: Option<f64>,
    /// This quantity, for example `8Gi`.
    #[serde(default)]
    pub below: Option<String>,
}

fn two_minutes() -> Span {
    Span::from_secs(120)
}

/// What was measured.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// Each pod's use.
    pub pods: Vec<PodUsage>,
    /// What the nodes of these pods have for pods.
    pub nodes: Vec<NodeRoom>,
    /// All of it together.
    pub total: Total,
}

/// The sums over all pods, and over their nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Total {
    /// Memory in bytes.
    pub memory: Sums,
    /// CPU in cores.
    pub cpu: Sums,
}

/// What is in use, asked for and allowed, and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Sums {
    /// In use.
    pub used: f64,
    /// Asked for; none when a container asks for nothing.
    pub request: Option<f64>,
    /// Allowed; none when a container has no limit.
    pub limit: Option<f64>,
    /// What the pods' nodes have for pods; none when a node may not be read.
    pub allocatable: Option<f64>,
}

/// What a node has for pods.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeRoom {
    /// Its name.
    pub name: String,
    /// Bytes of memory.
    pub memory: Option<f64>,
    /// Cores.
    pub cpu: Option<f64>,
}

/// What was seen, as the record has it: what follows is worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// The pods.
    pods: Vec<Value>,
    /// Their measurements.
    metrics: Vec<Value>,
    /// When; records of before it was kept have none.
    at: Option<Timestamp>,
    /// What the pods' nodes have.
    nodes: Option<Vec<NodeRoom>>,
    /// What was still missing when the time was up.
    missing: Option<String>,
    /// What there is in the place of too few pods.
    instead: Option<String>,
}

/// The step.
#[derive(Debug)]
pub struct KubeTop {
    params: Params,
}

impl Kind for KubeTop {
    const INFO: KindInfo = KindInfo {
        name: "kube.top",
        summary: "Measures what pods use, beside their requests and limits.",
        effect: "None: it only reads.",
        permissions: "list on pods and pods.metrics.k8s.io, get on nodes.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: usage\n  uses: kube.top\n  with:\n    namespace: data-platform\n    selector: app.kubernetes.io/name=trino\n    min_pods: 3\n    memory: {below_limit: 0.95}\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        choose::check(params.selector.as_deref(), params.name.as_deref())?;
        if params.min_pods == 0 {
            return Err("`min_pods` must be at least 1: there is no pass for nothing".to_owned());
        }
        for (what, bound) in [("memory", &params.memory), ("cpu", &params.cpu)] {
            let Some(bound) = bound else { continue };
            if bound.below_limit.is_none() && bound.below_request.is_none() && bound.below.is_none()
            {
                return Err(format!(
                    "`{what}` needs one of `below_limit`, `below_request` and `below`"
                ));
            }
            if let Some(text) = bound
                .below
                .as_deref()
                .filter(|text| quantity::parse(text).is_none())
            {
                return Err(format!(
                    "`{text}` is not a quantity, for example `8Gi` or `500m`"
                ));
            }
        }
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for KubeTop {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.measure(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl KubeTop {
    fn choice(&self) -> Choice<'_> {
        self.params.choice()
    }

    async fn measure(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let kube = cx.clients.kube().await?;
        let mut seen = (Vec::new(), Vec::new());
        let mut wait = Wait::begin(cx, self.params.within.duration());
        let waited = loop {
            let look = self.look(cx, &kube, &mut seen).await;
            if let Some(waited) = wait.after(look).await? {
                break waited;
            }
        };
        let missing = match waited {
            Waited::Held(()) => None,
            Waited::Expired(missing) => Some(missing),
        };
        let (pods, metrics) = seen;
        let instead = if pods.len() < self.params.min_pods {
            let choice = self.choice();
            Some(choice.alternatives(&kube, &Resource::pods()).await)
        } else {
            None
        };
        let (at, nodes) = (cx.clock.now(), rooms(&kube, &pods).await);
        let seen = Seen {
            pods: pods.iter().map(object::showable).collect(),
            metrics,
            at: Some(at),
            nodes: Some(nodes.clone()),
            missing,
            instead,
        };
        let evidence = cx.evidence_json("usage.json", &json!(seen)).await?;
        let (mut found, output) = conclude(&self.params, &seen, at, nodes);
        found.evidence = vec![evidence.sha256];
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }

    /// One look at pods and measurements, kept in `seen`.
    async fn look(
        &self,
        cx: &StepContext,
        kube: &Kube,
        seen: &mut (Vec<Value>, Vec<Value>),
    ) -> Result<Look<()>, StepError> {
        let mut running = self.choice().of(kube, &Resource::pods()).await?;
        running.retain(|pod| {
            !pods::is_terminating(pod) && object::text(pod, "/status/phase") == "Running"
        });
        let resource = match kube.resource("metrics.k8s.io/v1beta1", "PodMetrics").await {
            Err(error) if error.code == "kube.unknown_kind" => {
                seen.0 = running;
                return Ok(Look::NotYet(
                    "the cluster serves no pod metrics (is metrics-server installed?)".to_owned(),
                ));
            }
            found => found?,
        };
        let metrics = self.choice().of(kube, &resource).await?;
        let measured = usage::join(
            &running,
            &metrics,
            cx.clock.now(),
            self.params.fresh.duration(),
        );
        *seen = (running, metrics);
        let lacking: Vec<&str> = measured.iter().filter_map(Measured::lacking).collect();
        if seen.0.len() < self.params.min_pods {
            Ok(Look::NotYet(format!(
                "{} of at least {} running pods {}",
                seen.0.len(),
                self.params.min_pods,
                self.choice()
            )))
        } else if lacking.is_empty() {
            Ok(Look::Done(()))
        } else {
            Ok(Look::NotYet(format!(
                "no fresh measurement of {}",
                lacking.join(", ")
            )))
        }
    }
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>("usage.json", |name| name == "usage.json")?;
    let seen = record.value;
    let (Some(at), Some(nodes)) = (seen.at, seen.nodes.clone()) else {
        return Err(NotJudged::lacking(
            "when it looked, and what the nodes have",
        ));
    };
    let (mut found, output) = conclude(params, &seen, at, nodes);
    found.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

/// What a look comes to. Pure.
fn conclude(
    params: &Params,
    seen: &Seen,
    at: Timestamp,
    nodes: Vec<NodeRoom>,
) -> (Finding, Output) {
    let measured = usage::join(&seen.pods, &seen.metrics, at, params.fresh.duration());
    let (verdict, mut reason) = usage::judge(&measured, params, seen.missing.as_deref());
    if let Some(instead) = &seen.instead {
        reason = format!("{reason}; {instead}");
    }
    let mut found = finding(format!("use of pods {}", params.choice()), verdict, reason);
    found.numbers = vec![count("pods", seen.pods.len())];
    for pod in measured.iter().filter_map(Measured::usage) {
        found.numbers.push(number(
            format!("memory of {}", pod.name),
            pod.memory,
            "bytes",
        ));
        found
            .numbers
            .push(number(format!("cpu of {}", pod.name), pod.cpu, "cores"));
    }
    let pods: Vec<PodUsage> = measured
        .into_iter()
        .filter_map(Measured::into_usage)
        .collect();
    let total = usage::total(&pods, &nodes);
    for (what, sums, unit) in [
        ("memory", total.memory, "bytes"),
        ("cpu", total.cpu, "cores"),
    ] {
        let all = [
            ("requested", sums.request),
            ("allocatable", sums.allocatable),
        ];
        let all = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        found
            .numbers
            .extend(all.map(|(name, value)| number(format!("{what} {name} in all"), value, unit)));
    }
    (found, Output { pods, nodes, total })
}

impl Params {
    fn choice(&self) -> Choice<'_> {
        Choice {
            namespace: Some(&self.namespace),
            selector: self.selector.as_deref(),
            name: self.name.as_deref(),
        }
    }
}

/// What the pods' nodes have.
async fn rooms(kube: &Kube, pods: &[Value]) -> Vec<NodeRoom> {
    let mut names: Vec<&str> = pods
        .iter()
        .map(|pod| object::text(pod, "/spec/nodeName"))
        .collect();
    names.sort_unstable();
    names.dedup();
    let nodes = Resource {
        namespaced: false,
        ..Resource::core("Node", "nodes")
    };
    let mut rooms = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        if let Ok(Some(node)) = kube.get(&nodes, None, name).await {
            let room = |what: &str| {
                quantity::parse(object::text(&node, &format!("/status/allocatable/{what}")))
            };
            rooms.push(NodeRoom {
                name: name.to_owned(),
                memory: room("memory"),
                cpu: room("cpu"),
            });
        } else {
            // Its room is not nothing, it is unknown.
            rooms.push(NodeRoom {
                name: name.to_owned(),
                memory: None,
                cpu: None,
            });
        }
    }
    rooms
}

#[cfg(test)]
#[path = "kube_top/tests.rs"]
mod tests;
