//! `kill -9` in each kind of step of phase3: as it starts, and after it has written down how it can be found again. (While
//! something is put back is `toggled`'s.) The run that is resumed each time ends with the report of one that was never killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::World;
use crate::check::{Outcome, fail, must};
use crate::lab::NAMESPACE;
use crate::seeds::has_its_rows;

/// The events at which the program is killed, once for each kind of step.
const MOMENTS: [&str; 2] = ["step_started", "step_checkpointed"];
/// More kills than there are kinds and moments mean that the run does not get on.
const MOST_KILLS: usize = 120;
/// As many kinds of steps run in phase3 on 476.
const LEAST_KINDS: usize = 20;
/// What a workflow changes in the namespace.
const OBJECTS: &str = "helmrelease,prometheusrule,configmap,secret,service,deployment";

/// A kind of step, and the moment.
type Place = (String, String);

/// Kills at every place, resumes each time, and compares with the platform and with the table of an undisturbed run.
pub(crate) fn in_every_kind(world: &World) -> Outcome {
    let before = objects(world)?;
    let mut killed: BTreeSet<Place> = BTreeSet::new();
    let mut under_way: BTreeSet<String> = BTreeSet::new();
    let mut kinds = BTreeMap::new();
    let mut arguments = vec![
        "run".to_owned(),
        "phase3".to_owned(),
        "--target".to_owned(),
        "lab".to_owned(),
    ];
    let mut run = String::new();
    while let Some(place) = until_killed(world, &arguments, &mut kinds, &killed)? {
        killed.insert(place);
        must(killed.len() <= MOST_KILLS, || {
            format!("{MOST_KILLS} kills and no end")
        })?;
        run = world.flowctl.newest_run()?;
        // A step that was stored together with the one whose start was seen has no moment of its own.
        let status = world.flowctl.status()?;
        let kind_of = |(step, _): (&str, &Value)| kinds.get(step).cloned();
        under_way.extend(begun(&status).filter_map(kind_of));
        no_process_of(&run)?;
        no_orphan_query(world, &run)?;
        arguments = vec!["resume".to_owned(), run.clone()];
    }
    must(under_way.len() >= LEAST_KINDS, || {
        format!("only these kinds of steps were under way at a kill: {under_way:?}")
    })?;
    let report = world.flowctl.newest_report()?;
    must(report.run == run, || {
        format!("the report is of {}, not of {run}", report.run)
    })?;
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected/phase3-476.yaml");
    report.must_match(&table)?;
    has_its_rows(world)?;
    no_process_of(&run)?;
    no_orphan_query(world, &run)?;
    let after = objects(world)?;
    must(before == after, || differences(&before, &after))?;
    let names: Vec<&str> = under_way.iter().map(String::as_str).collect();
    crate::say(&format!(
        "killed {} times, each of these kinds among what was under way: {}",
        killed.len(),
        names.join(", ")
    ));
    Ok(())
}

/// The steps of a killed run that are not over, with their attempts.
fn begun(status: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let steps = status["steps"].as_array().into_iter().flatten();
    steps
        .filter(|step| step["state"] == "waiting" && step["attempts"] != 0)
        .filter_map(|step| Some((step["id"].as_str()?, &step["attempts"])))
}

/// Runs until an event of a place that is new, and kills there; `None` when it came to its end instead.
fn until_killed(
    world: &World,
    arguments: &[String],
    kinds: &mut BTreeMap<String, String>,
    killed: &BTreeSet<Place>,
) -> Outcome<Option<Place>> {
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(["--output", "jsonl"])
        .collect();
    let mut child = world.flowctl.start_followed(&arguments)?;
    let Some(pipe) = child.stdout.take() else {
        return fail("flowctl has no output");
    };
    let mut found = None;
    for line in BufReader::new(pipe).lines() {
        let line = line.map_err(|error| format!("the events cannot be read: {error}"))?;
        let Ok(envelope) = serde_json::from_str::<Value>(&line) else {
            return fail(format!("this is no event: {line}"));
        };
        let event = &envelope["event"];
        learn(event, kinds);
        let moment = event["type"].as_str().unwrap_or_default();
        let step = event["step"].as_str().unwrap_or_default();
        let Some(kind) = kinds.get(step).filter(|_| MOMENTS.contains(&moment)) else {
            continue;
        };
        let place = (kind.clone(), moment.to_owned());
        if !killed.contains(&place) {
            child
                .kill()
                .map_err(|error| format!("flowctl cannot be killed: {error}"))?;
            found = Some(place);
            break;
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("flowctl cannot be waited for: {error}"))?;
    // It may have come to its end before the signal did; then there is nothing to resume.
    Ok(found.filter(|_| status.code().is_none()))
}

/// The kinds of the plan's steps.
fn learn(event: &Value, kinds: &mut BTreeMap<String, String>) {
    let steps = event["plan"]["steps"].as_array();
    for step in steps.into_iter().flatten() {
        if let (Some(id), Some(kind)) = (step["id"].as_str(), step["role"]["kind"].as_str()) {
            kinds.insert(id.to_owned(), kind.to_owned());
        }
    }
}

/// No process carries the name of an attempt of this run.
fn no_process_of(run: &str) -> Outcome {
    let name = format!("FLOWCTL_STEP={run}/");
    let folder = std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let left: Vec<String> = folder
        .flatten()
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&name)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    must(left.is_empty(), || {
        format!("processes of {run} are left: {left:?}")
    })
}

/// Each query of this run that has not ended is that of a step's present attempt: nobody would follow another one.
fn no_orphan_query(world: &World, run: &str) -> Outcome {
    // While its servers start anew Trino does not answer, and has no query either.
    let Ok(open) = world.lab.trino().and_then(|trino| trino.unfinished()) else {
        return Ok(());
    };
    let status = world.flowctl.status()?;
    let followed: Vec<(&str, &Value)> = begun(&status).collect();
    let start = format!("flowctl/{run}/");
    let is_orphan = |(source, state): &&(String, String)| {
        let attempt = source.strip_prefix(&start);
        // What is FINISHING has given its last row.
        attempt.is_some_and(|attempt| {
            state != "FINISHING" && !followed.iter().any(|step| is_of(attempt, *step))
        })
    };
    let orphans: Vec<&(String, String)> = open.iter().filter(is_orphan).collect();
    must(orphans.is_empty(), || {
        format!("nobody follows these queries: {orphans:?}; under way are {followed:?}")
    })
}

/// Whether `STEP/ATTEMPT` is this step's present attempt, or a step inside of it if it is an experiment.
fn is_of(attempt: &str, (step, attempts): (&str, &Value)) -> bool {
    let inside = match step.strip_suffix(']') {
        Some(instance) => format!("{instance}."),
        None => format!("{step}["),
    };
    attempt == format!("{step}/{attempts}") || attempt.starts_with(&inside)
}

/// What stands in the namespace, without what the cluster itself counts and notes.
fn objects(world: &World) -> Outcome<BTreeMap<String, Value>> {
    let text = world
        .lab
        .kubectl(&["-n", NAMESPACE, "get", OBJECTS, "-o", "json"])?;
    let list: Value =
        serde_json::from_str(&text).map_err(|error| format!("kubectl gives no JSON: {error}"))?;
    let items = list["items"].as_array().into_iter().flatten();
    Ok(items
        // Helm's own history has an entry more for each upgrade.
        .filter(|item| item["type"] != "helm.sh/release.v1")
        .map(|item| {
            let name = format!("{} {}", item["kind"], item["metadata"]["name"]);
            let mut kept = item.clone();
            if let Some(fields) = kept.as_object_mut() {
                fields.remove("status");
                let labels = item["metadata"]["labels"].clone();
                fields.insert("metadata".to_owned(), labels);
            }
            if let Some(notes) = kept["spec"]["template"]["metadata"]["annotations"].as_object_mut()
            {
                notes.remove("kubectl.kubernetes.io/restartedAt");
            }
            (name, kept)
        })
        .collect())
}

fn differences(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> String {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            format!(
                "{name}\n  before: {:?}\n  after: {:?}",
                before.get(name),
                after.get(name)
            )
        });
    let lines: Vec<String> = changed.collect();
    format!("what is not as before:\n{}", lines.join("\n"))
}
