//! A setting that is being toggled when flowctl is killed: the ConfigMap and every pod are afterwards as before.

use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::World;
use crate::check::{Outcome, must};
use crate::clock::until;
use crate::lab::NAMESPACE;

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/toggle.yaml");
/// What variant b has in the catalog's file.
const CHANGED: &str = "iceberg.metadata-cache.enabled=false";

/// `kill -9` between the change and its measurement, then `resume`: the experiment goes to its end, and the setting is back.
pub(crate) fn killed_and_resumed(world: &World) -> Outcome {
    let before = Setting::of(world)?;
    let run = killed_after_the_change(world)?;
    let done = world.flowctl.run(&["resume", &run])?;
    must(done.code == 0, || {
        format!("resume ended with {}:\n{}", done.code, done.stderr)
    })?;
    let report = world.flowctl.newest_report()?;
    let step = report.step("toggle")?;
    must(step.state == "succeeded" || step.undone.is_some(), || {
        format!("the experiment is {}", step.state)
    })?;
    before.must_be_back(world)
}

/// The same, then `cancel`, which takes the dead run up only to stop it.
pub(crate) fn killed_and_cancelled(world: &World) -> Outcome {
    let before = Setting::of(world)?;
    let run = killed_after_the_change(world)?;
    let done = world.flowctl.run(&["cancel", &run])?;
    must(done.code == 0, || {
        format!("cancel ended with {}:\n{}", done.code, done.stderr)
    })?;
    before.must_be_back(world)
}

/// Starts the experiment and kills flowctl as soon as the file is changed; gives the run.
fn killed_after_the_change(world: &World) -> Outcome<String> {
    let mut child = world.flowctl.start(&["run", WORKFLOW, "--target", "lab"])?;
    let came = until(Duration::from_secs(300), "the catalog is changed", || {
        still_runs(world, &mut child)?;
        Ok(config_map(world)?.contains(CHANGED))
    });
    child
        .kill()
        .map_err(|error| format!("flowctl cannot be killed: {error}"))?;
    child
        .wait()
        .map_err(|error| format!("flowctl cannot be waited for: {error}"))?;
    came?;
    must(config_map(world)?.contains(CHANGED), || {
        "the change was gone before anybody put it back".to_owned()
    })?;
    world.flowctl.newest_run()
}

fn still_runs(world: &World, child: &mut Child) -> Outcome {
    match child.try_wait() {
        Ok(Some(status)) => Err(format!(
            "flowctl ended ({status}) before the change; it said:\n{}",
            world.flowctl.said()
        )),
        _ => Ok(()),
    }
}

fn config_map(world: &World) -> Outcome<String> {
    world.lab.kubectl(&[
        "-n",
        NAMESPACE,
        "get",
        "configmap",
        "trino-catalog",
        "-o",
        "jsonpath={.data}",
    ])
}

/// What the setting is: in the object, and in each server.
#[derive(Debug, PartialEq)]
struct Setting {
    config_map: String,
    /// The catalog's file as each pod has it.
    files: Vec<String>,
}

impl Setting {
    fn of(world: &World) -> Outcome<Self> {
        let listed = world.lab.kubectl(&[
            "-n",
            NAMESPACE,
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=trino",
            "--field-selector=status.phase=Running",
            "-o",
            "json",
        ])?;
        let listed: Value = serde_json::from_str(&listed)
            .map_err(|error| format!("kubectl gives no JSON: {error}"))?;
        // One that is on its way out has what it had.
        let pods = listed["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter_map(|pod| pod["metadata"]["name"].as_str());
        let file = |pod: &str| {
            let path = "/etc/trino/catalog/iceberg.properties";
            world
                .lab
                .kubectl(&["-n", NAMESPACE, "exec", pod, "--", "cat", path])
        };
        let files: Vec<String> = pods.map(file).collect::<Outcome<_>>()?;
        Ok(Self {
            config_map: config_map(world)?,
            files,
        })
    }

    /// The object and the files of all pods are byte for byte as before, and the servers have read them.
    fn must_be_back(&self, world: &World) -> Outcome {
        let now = Self::of(world)?;
        must(now == *self, || {
            format!("before: {self:?}\nafterwards: {now:?}")
        })?;
        must(self.files.len() == 3, || {
            format!("{} pods were looked at", self.files.len())
        })?;
        world.lab.workers(2)
    }
}
