//! Joining pods with their measurements, and judging the result. Pure.

use std::time::Duration;

use flowctl_workflows::result::Verdict;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{Bound, NodeRoom, Params, Sums, Total};
use crate::clients::kube::{object, quantity};

/// What a pod uses.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct PodUsage {
    /// Its name.
    pub name: String,
    /// The node that it runs on.
    pub node: String,
    /// Bytes of memory, all containers.
    pub memory: f64,
    /// Cores, all containers.
    pub cpu: f64,
    /// When it was measured.
    pub measured: String,
    /// Each container.
    pub containers: Vec<ContainerUsage>,
}

/// What a container uses beside what it asked for and may use.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ContainerUsage {
    /// Its name.
    pub name: String,
    /// Memory in bytes.
    pub memory: Amount,
    /// CPU in cores.
    pub cpu: Amount,
}

/// A use, a request and a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Amount {
    /// In use.
    pub used: f64,
    /// Asked for.
    pub request: Option<f64>,
    /// Allowed.
    pub limit: Option<f64>,
}

/// A pod and its measurement, if there is a fresh one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measured {
    Fresh(PodUsage),
    /// The pod's name.
    Lacking(String),
}

impl Measured {
    pub(super) fn usage(&self) -> Option<&PodUsage> {
        match self {
            Measured::Fresh(usage) => Some(usage),
            Measured::Lacking(_) => None,
        }
    }

    pub(super) fn into_usage(self) -> Option<PodUsage> {
        match self {
            Measured::Fresh(usage) => Some(usage),
            Measured::Lacking(_) => None,
        }
    }

    pub(super) fn lacking(&self) -> Option<&str> {
        match self {
            Measured::Fresh(_) => None,
            Measured::Lacking(name) => Some(name),
        }
    }
}

/// Each pod with its measurement. One that is stale, or lacks a container, counts as none.
pub(super) fn join(
    pods: &[Value],
    metrics: &[Value],
    now: Timestamp,
    fresh: Duration,
) -> Vec<Measured> {
    let earliest = SignedDuration::try_from(fresh)
        .ok()
        .and_then(|fresh| now.checked_sub(fresh).ok());
    pods.iter()
        .map(|pod| {
            metrics
                .iter()
                .find(|metric| object::name(metric) == object::name(pod))
                .filter(|metric| {
                    object::text(metric, "/timestamp")
                        .parse::<Timestamp>()
                        .is_ok_and(|at| earliest.is_none_or(|earliest| at >= earliest))
                })
                .and_then(|metric| usage_of(pod, metric))
                .map_or_else(
                    || Measured::Lacking(object::name(pod).to_owned()),
                    Measured::Fresh,
                )
        })
        .collect()
}

fn usage_of(pod: &Value, metric: &Value) -> Option<PodUsage> {
    let mut containers = Vec::new();
    for container in object::list(pod, "/spec/containers") {
        let name = object::text(container, "/name");
        let used = object::list(metric, "/containers")
            .iter()
            .find(|used| used["name"] == name)?;
        let amount = |what: &str| {
            let of = |pointer: String, from: &Value| quantity::parse(object::text(from, &pointer));
            Some(Amount {
                used: of(format!("/usage/{what}"), used)?,
                request: of(format!("/resources/requests/{what}"), container),
                limit: of(format!("/resources/limits/{what}"), container),
            })
        };
        containers.push(ContainerUsage {
            name: name.to_owned(),
            memory: amount("memory")?,
            cpu: amount("cpu")?,
        });
    }
    if containers.is_empty() {
        return None;
    }
    Some(PodUsage {
        name: object::name(pod).to_owned(),
        node: object::text(pod, "/spec/nodeName").to_owned(),
        memory: containers
            .iter()
            .map(|container| container.memory.used)
            .sum(),
        cpu: containers.iter().map(|container| container.cpu.used).sum(),
        measured: object::text(metric, "/timestamp").to_owned(),
        containers,
    })
}

/// The sums over all pods and their nodes. One that is unknown makes the sum unknown.
pub(super) fn total(pods: &[PodUsage], nodes: &[NodeRoom]) -> Total {
    let sums = |of: fn(&ContainerUsage) -> Amount, room: fn(&NodeRoom) -> Option<f64>| {
        let amounts = || pods.iter().flat_map(|pod| &pod.containers).map(of);
        let known = |values: &mut dyn Iterator<Item = Option<f64>>| {
            let all: Option<Vec<f64>> = values.collect();
            all.filter(|all| !all.is_empty())
                .map(|all| all.iter().sum())
        };
        Sums {
            used: amounts().map(|amount| amount.used).sum(),
            request: known(&mut amounts().map(|amount| amount.request)),
            limit: known(&mut amounts().map(|amount| amount.limit)),
            allocatable: known(&mut nodes.iter().map(room)),
        }
    };
    Total {
        memory: sums(|container| container.memory, |node| node.memory),
        cpu: sums(|container| container.cpu, |node| node.cpu),
    }
}

/// What the measurements show.
pub(super) fn judge(
    measured: &[Measured],
    params: &Params,
    missing: Option<&str>,
) -> (Verdict, String) {
    let mut over = Vec::new();
    let mut unknown = Vec::new();
    for pod in measured.iter().filter_map(Measured::usage) {
        for container in &pod.containers {
            let here = format!("{}/{}", pod.name, container.name);
            for (what, amount, bound) in [
                ("memory", container.memory, &params.memory),
                ("cpu", container.cpu, &params.cpu),
            ] {
                let Some(bound) = bound else { continue };
                match exceeded(amount, bound) {
                    Ok(None) => {}
                    Ok(Some(words)) => over.push(format!("{what} of {here}: {words}")),
                    Err(lacks) => unknown.push(format!("{here} has no {what} {lacks}")),
                }
            }
        }
    }
    if !over.is_empty() {
        return (Verdict::Fail, over.join("; "));
    }
    if let Some(missing) = missing {
        return (Verdict::Inconclusive, missing.to_owned());
    }
    if !unknown.is_empty() {
        return (Verdict::Inconclusive, unknown.join("; "));
    }
    let total: f64 = measured
        .iter()
        .filter_map(Measured::usage)
        .map(|pod| pod.memory)
        .sum();
    (
        Verdict::Pass,
        format!(
            "{} pods measured, {:.0} MiB of memory in all",
            measured.len(),
            total / 1_048_576.0
        ),
    )
}

/// Words when a use is not under its bound; an error when the bound has nothing to be taken of.
fn exceeded(amount: Amount, bound: &Bound) -> Result<Option<String>, &'static str> {
    let absolute = bound.below.as_deref().and_then(quantity::parse);
    let mut most: Vec<(f64, String)> = absolute
        .map(|most| (most, "the bound".to_owned()))
        .into_iter()
        .collect();
    if let Some(share) = bound.below_limit {
        most.push((
            share * amount.limit.ok_or("limit")?,
            format!("{share} of its limit"),
        ));
    }
    if let Some(share) = bound.below_request {
        most.push((
            share * amount.request.ok_or("request")?,
            format!("{share} of its request"),
        ));
    }
    let over = most.into_iter().find(|(most, _)| amount.used >= *most);
    Ok(over.map(|(most, what)| format!("{} used, {what} is {most}", amount.used)))
}
