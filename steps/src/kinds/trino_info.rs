//! `trino.info`: waits until the coordinator is really ready, and says what it is made of.
//! Effect: none. Idempotent. Permissions: a user who may read `system.runtime.nodes`; with `pods`, to list them.
//!
//! Ready means that `/v1/info` says `starting: false`: the port answers, and takes queries only to fail them,
//! long before that. And a worker is one whose pod is there, when `pods` says which those are: the coordinator alone is no witness.

mod pods;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{ErrorClass, Finding, Number, Verdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::pods::Pods;
use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::trino::protocol::ServerInfo;
use crate::clients::trino::result::millis;
use crate::clients::trino::{QueryOptions, Statement, TrinoClient};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// How long between two looks at a server that is not ready.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long between two looks at the nodes; each is a query.
const LOOK_AT_NODES_EVERY: Duration = Duration::from_secs(2);
/// How long the question for the nodes may take. The coordinator may give it to a worker that has gone, and would then wait
/// for minutes (`query.remote-task.max-error-duration`).
const PATIENCE: &str = "20s";

/// Reads every node that the coordinator knows.
const NODES: &str =
    "SELECT node_id, http_uri, node_version, coordinator, state FROM system.runtime.nodes";

/// What stands under `with:`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How long to wait for the server to be ready and for the workers to be there.
    pub within: Span,
    /// How many workers must be active.
    pub workers: Option<Workers>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            within: Span::from_secs(120),
            workers: None,
        }
    }
}

/// How many workers must be active.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// At least so many nodes that are not the coordinator.
    #[schemars(range(min = 1))]
    pub min: u64,
    /// A node counts only if it is one of these pods, and ready: the coordinator calls a worker active for a minute and more
    /// after its pod has gone.
    #[serde(default)]
    pub pods: Option<Pods>,
}

/// What the server is made of.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Info {
    /// For example `476`.
    pub version: String,
    /// `node.environment`.
    pub environment: String,
    /// Time since the step began until the server was ready.
    pub ready_after_millis: u64,
    /// Active nodes that are not the coordinator.
    pub workers: u64,
    /// All nodes that the coordinator knows.
    pub nodes: Vec<Node>,
    /// Whether it was reached through a port-forward.
    pub port_forwarded: bool,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its address inside the cluster.
    pub uri: String,
    /// Its version.
    pub version: String,
    /// Whether it is the coordinator.
    pub coordinator: bool,
    /// `active`, `inactive` or `shutting_down`; `gone` when the coordinator calls it active but no ready pod has its address.
    pub state: String,
}

/// What was seen, as the record has it: what follows is worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// Where it was asked.
    address: String,
    port_forwarded: bool,
    ready_after_millis: u64,
    /// What the server says of itself.
    info: ServerInfo,
    #[serde(flatten)]
    members: Members,
}

/// Who belongs to the cluster.
#[derive(Debug, Serialize, Deserialize)]
struct Members {
    /// The nodes that the coordinator lists, in its words.
    listed: Vec<Node>,
    /// The addresses of the ready pods, where it is asked which those are.
    pods: Option<BTreeSet<String>>,
}

impl Members {
    /// The nodes, those marked that have gone.
    fn nodes(&self) -> Vec<Node> {
        match &self.pods {
            Some(pods) => pods::without_the_gone(&self.listed, pods),
            None => self.listed.clone(),
        }
    }
}

/// The step.
#[derive(Debug)]
pub struct TrinoInfo(Params);

impl Kind for TrinoInfo {
    const INFO: KindInfo = KindInfo {
        name: "trino.info",
        summary: "Waits until Trino is really ready and reads its version and nodes.",
        effect: "None; it only reads.",
        permissions: "The target's user must be able to read system.runtime.nodes.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: trino_ready\n  uses: trino.info\n  with: {within: 5m, workers: {min: 2}}\n  proves: [coordinator_ready]\n",
    };
    type Params = Params;
    type Output = Info;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if let Some(pods) = params.workers.as_ref().and_then(|of| of.pods.as_ref()) {
            pods.check()?;
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for TrinoInfo {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let begun = cx.clock.elapsed();
        let deadline = begun + self.0.within.duration();
        let server = ready(cx, deadline).await?;
        let ready_after_millis = millis(cx.clock.elapsed() - begun);
        // A service behind the target's address may have changed with the pods.
        let client = cx.clients.trino().await?;
        let members = self.members(cx, &client, deadline).await?;
        let seen = Seen {
            address: client.address().to_owned(),
            port_forwarded: client.forwarded(),
            ready_after_millis,
            info: server,
            members,
        };
        let evidence = cx.evidence_json("server.json", &json!(seen)).await?;
        let (mut found, info) = conclude(&self.0, &seen);
        found.evidence.push(evidence.sha256);
        Ok(Output {
            value: json!(info),
            findings: vec![found],
        })
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("only reads"))
    }
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>("server.json", |name| name == "server.json")?;
    if params.asks_for_pods() && record.value.members.pods.is_none() {
        return Err(NotJudged::Wrong(
            "its record does not hold the pods that were asked for".to_owned(),
        ));
    }
    let (mut found, info) = conclude(params, &record.value);
    found.evidence.push(record.sha256.to_owned());
    Ok(Again {
        findings: vec![found],
        value: again::output(info)?,
    })
}

/// What was seen comes to. Pure.
fn conclude(params: &Params, seen: &Seen) -> (Finding, Info) {
    let nodes = seen.members.nodes();
    let found = judge(&seen.info, &nodes, params.workers.as_ref());
    let info = Info {
        version: seen.info.node_version.version.clone(),
        environment: seen.info.environment.clone(),
        ready_after_millis: seen.ready_after_millis,
        workers: active_workers(&nodes),
        nodes,
        port_forwarded: seen.port_forwarded,
    };
    (found, info)
}

impl Params {
    fn asks_for_pods(&self) -> bool {
        let workers = self.workers.as_ref();
        workers.is_some_and(|workers| workers.pods.is_some())
    }
}

/// Asks until the server is ready.
async fn ready(cx: &StepContext, deadline: Duration) -> Result<ServerInfo, StepError> {
    loop {
        let not_ready = match cx.clients.trino().await {
            Ok(client) => {
                let answer = tokio::select! {
                    () = cx.cancel.cancelled() => return Err(StepError::cancelled()),
                    answer = client.info() => answer,
                };
                match answer {
                    Ok(info) if !info.coordinator => {
                        return Err(StepError::permanent(
                            "trino.not_the_coordinator",
                            format!(
                                "{} is a worker of Trino, not its coordinator",
                                client.address()
                            ),
                        )
                        .help("give the coordinator's address in the target"));
                    }
                    Ok(info) if !info.starting => return Ok(info),
                    Ok(_) => StepError::transient(
                        "trino.starting",
                        format!("Trino at {} is still starting", client.address()),
                    ),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if not_ready.class == ErrorClass::Permanent {
            return Err(not_ready);
        }
        cx.sink.progress(&not_ready.message);
        if cx.clock.elapsed() + LOOK_EVERY > deadline {
            return Err(StepError::timed_out(
                "trino.not_ready",
                format!("Trino was not ready in time: {}", not_ready.message),
            )
            .help("look at the coordinator's log; `within:` says how long to wait"));
        }
        cx.sleep(LOOK_EVERY).await?;
    }
}

impl TrinoInfo {
    /// Reads the nodes, again and again until there are enough workers or time is up.
    async fn members(
        &self,
        cx: &StepContext,
        client: &TrinoClient,
        deadline: Duration,
    ) -> Result<Members, StepError> {
        let statement = Statement::new(NODES)?;
        let options = QueryOptions {
            max_rows: 10_000,
            session: IndexMap::from([("query_max_run_time".to_owned(), PATIENCE.to_owned())]),
            ..QueryOptions::default()
        };
        loop {
            let result = match client.query(cx, &statement, &options).await {
                Err(error)
                    if error.code == "trino.EXCEEDED_TIME_LIMIT"
                        && cx.clock.elapsed() < deadline =>
                {
                    cx.sink
                        .progress("who the nodes are was not answered in time");
                    continue;
                }
                result => result?,
            };
            let listed = result
                .rows
                .iter()
                .map(|row| node(row))
                .collect::<Option<Vec<Node>>>()
                .ok_or_else(|| {
                    StepError::permanent(
                        "trino.protocol",
                        "system.runtime.nodes does not have the columns that flowctl knows",
                    )
                })?;
            let pods = match self.0.workers.as_ref().and_then(|of| of.pods.as_ref()) {
                Some(pods) => Some(pods.addresses(cx).await?),
                None => None,
            };
            let members = Members { listed, pods };
            let nodes = members.nodes();
            let wanted = self.0.workers.as_ref().map_or(0, |workers| workers.min);
            let found = active_workers(&nodes);
            // One that has gone may still be given work, until the coordinator has seen it as well.
            let gone = nodes.iter().any(|node| node.state == pods::GONE);
            if (found >= wanted && !gone) || cx.clock.elapsed() + LOOK_AT_NODES_EVERY > deadline {
                return Ok(members);
            }
            cx.sink.progress(&awaited(found, wanted, gone));
            cx.sleep(LOOK_AT_NODES_EVERY).await?;
        }
    }
}

fn node(row: &[Value]) -> Option<Node> {
    let text = |at: usize| row.get(at).and_then(Value::as_str).map(str::to_owned);
    Some(Node {
        id: text(0)?,
        uri: text(1)?,
        version: text(2)?,
        coordinator: row.get(3)?.as_bool()?,
        state: text(4)?,
    })
}

fn awaited(found: u64, wanted: u64, gone: bool) -> String {
    let gone = if gone {
        ", and one is listed whose pod has gone"
    } else {
        ""
    };
    format!("{found} of {wanted} workers are active{gone}")
}

fn active_workers(nodes: &[Node]) -> u64 {
    nodes
        .iter()
        .filter(|node| !node.coordinator && node.state == "active")
        .count() as u64
}

/// The verdict on what the server said of itself.
fn judge(server: &ServerInfo, nodes: &[Node], wanted: Option<&Workers>) -> Finding {
    let version = &server.node_version.version;
    let active = active_workers(nodes);
    let inactive: Vec<String> = nodes
        .iter()
        .filter(|node| node.state != "active")
        .map(|node| format!("{} ({})", node.id, node.state))
        .collect();
    let others: Vec<&str> = nodes
        .iter()
        .filter(|node| node.version != *version)
        .map(|node| node.id.as_str())
        .collect();
    let (verdict, reason) = if nodes.is_empty() {
        (
            Verdict::Inconclusive,
            format!("Trino {version} says that it is ready but lists no node, not even itself"),
        )
    } else if !others.is_empty() {
        (
            Verdict::Fail,
            format!(
                "the coordinator is {version} but {} run another version",
                others.join(", ")
            ),
        )
    } else if let Some(Workers { min, .. }) = wanted.filter(|wanted| active < wanted.min) {
        let silent = if inactive.is_empty() {
            String::new()
        } else {
            format!("; not active: {}", inactive.join(", "))
        };
        (
            Verdict::Fail,
            format!("{active} of the {min} workers asked for are active{silent}"),
        )
    } else {
        (
            Verdict::Pass,
            format!("Trino {version} is ready, with {active} active workers"),
        )
    };
    Finding {
        about: "Trino is ready".to_owned(),
        proves: Vec::new(),
        verdict,
        reason,
        numbers: vec![Number {
            name: "active workers".to_owned(),
            value: active as f64,
            unit: String::new(),
            interval: None,
            target: wanted.map(|wanted| format!(">= {}", wanted.min)),
            samples: None,
        }],
        evidence: Vec::new(),
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
