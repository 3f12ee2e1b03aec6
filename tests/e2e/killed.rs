//! `kill -9` of flowctl in the middle of seeding and in the middle of the benchmark, and `resume` after each.

use std::time::Duration;

use crate::World;
use crate::check::{Outcome, must, then_always};
use crate::clock::until;
use crate::report::Report;
use crate::seeds::{self, SEEDS, has_its_rows};

/// Small, but long enough to be killed in.
const PARAMS: &[&str] = &[
    "--param",
    "benchmark_runs=4",
    "--param",
    "benchmark_warmup=1",
    "--param",
    "metastore_calls=2",
    "--param",
    "queries_per_client=1",
];

/// The parts of phase3 that are killed and resumed: what seeds, measures and proves, without the restarts of objective 3.4.
const PARTS: &[&str] = &[
    "3.1-deployment",
    "3.1-validation",
    "3.2-data",
    "3.2-performance",
    "integration",
];

/// What a step of the first process left: it must be the same in the report of the last one.
type Finished = Vec<(String, Option<String>, Option<String>, u32)>;

/// Kills twice, resumes twice, and compares with the platform.
pub(crate) fn while_seeding_and_while_measuring(world: &World) -> Outcome {
    // It begins by dropping the tables that the scenarios after it need.
    killed_twice(world).or_else(|why| then_always(Err(why), seeds::sow(world)))
}

fn killed_twice(world: &World) -> Outcome {
    let flowctl = &world.flowctl;
    let steps = steps_of(PARTS)?;
    let arguments: Vec<&str> = ["run", "phase3", "--target", "lab"]
        .into_iter()
        .chain(PARAMS.iter().copied())
        .chain(steps.iter().flat_map(|step| ["--only", step]))
        .collect();
    let before = flowctl.newest_run().unwrap_or_default();

    let first = kill_when(world, &arguments, "a seed's query runs", |world| {
        let own = world.flowctl.newest_run().is_ok_and(|run| run != before);
        own && runs_on_trino(world, "seed_")
    })?;
    let run = flowctl.newest_run()?;
    must(run != before, || {
        "the killed process left no run".to_owned()
    })?;
    interrupted(world)?;
    let seeded: usize = SEEDS
        .iter()
        .filter(|step| first.iter().any(|(id, ..)| id == *step))
        .count();
    must(seeded < SEEDS.len(), || {
        "all seeds had finished: it was not killed in the middle".to_owned()
    })?;

    let second = kill_when(
        world,
        &["resume", &run],
        "the benchmark's query runs",
        |world| runs_on_trino(world, "/benchmark/"),
    )?;
    interrupted(world)?;

    let done = flowctl.run(&["resume", &run])?;
    let report = flowctl
        .newest_report()
        .map_err(|why| format!("{why}; exit code {}:\n{}", done.code, done.stderr))?;
    must(report.run == run && report.resumes == 2, || {
        format!(
            "the report is of {} with {} resumes",
            report.run, report.resumes
        )
    })?;
    kept(&report, &first)?;
    kept(&report, &second)?;
    whole(&report)?;
    has_its_rows(world)
}

/// The ids of the steps in these files of the workflow.
fn steps_of(parts: &[&str]) -> Outcome<Vec<String>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/phase3");
    let mut steps = Vec::new();
    for part in parts {
        let path = format!("{folder}/{part}.yaml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let ids = text
            .lines()
            .filter_map(|line| line.strip_prefix("  - id: "));
        steps.extend(ids.map(str::to_owned));
    }
    Ok(steps)
}

/// Starts flowctl, kills it as soon as `moment` comes, and says which steps had succeeded by then.
fn kill_when(
    world: &World,
    arguments: &[&str],
    what: &str,
    moment: impl Fn(&World) -> bool,
) -> Outcome<Finished> {
    let mut child = world.flowctl.start(arguments)?;
    let came = until(Duration::from_secs(420), what, || match child.try_wait() {
        Ok(Some(status)) => Err(format!(
            "flowctl ended ({status}) before {what}; it said:\n{}",
            world.flowctl.said()
        )),
        _ => Ok(moment(world)),
    });
    child
        .kill()
        .map_err(|error| format!("flowctl cannot be killed: {error}"))?;
    child
        .wait()
        .map_err(|error| format!("flowctl cannot be waited for: {error}"))?;
    came?;
    finished(world)
}

/// Whether Trino works on a query of flowctl whose source holds this.
fn runs_on_trino(world: &World, part: &str) -> bool {
    let unfinished = world
        .lab
        .trino()
        .and_then(|trino| trino.unfinished())
        .unwrap_or_default();
    unfinished
        .iter()
        .any(|(source, state)| source.contains(part) && state == "RUNNING")
}

fn finished(world: &World) -> Outcome<Finished> {
    let status = world.flowctl.status()?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let attempts = |step: &serde_json::Value| {
        step["attempts"]
            .as_u64()
            .and_then(|tries| u32::try_from(tries).ok())
            .unwrap_or(0)
    };
    let steps = status["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|step| step["state"] == "succeeded");
    Ok(steps
        .map(|step| {
            (
                text(&step["id"]).unwrap_or_default(),
                text(&step["started"]),
                text(&step["finished"]),
                attempts(step),
            )
        })
        .collect())
}

fn interrupted(world: &World) -> Outcome {
    let status = world.flowctl.status()?;
    must(status["state"] == "interrupted", || {
        format!("after kill -9 the run is `{}`", status["state"])
    })
}

/// What had succeeded before the kill has not run again.
fn kept(report: &Report, finished: &Finished) -> Outcome {
    for (id, started, ended, attempts) in finished {
        let step = report.step(id)?;
        // What was put back at the end has no times any more, but its attempts are still counted.
        let times = step.undone.is_some() || step.started == *started && step.finished == *ended;
        let same = times && step.attempts == *attempts;
        must(same, || {
            format!("`{id}` had succeeded before the kill and ran again: {step:?}")
        })?;
    }
    Ok(())
}

/// No step was forgotten, and everything that the small run can judge was judged.
fn whole(report: &Report) -> Outcome {
    for step in &report.steps {
        // Whose effect was put back is unfinished again, as intended.
        let ended = matches!(step.state.as_str(), "succeeded" | "skipped") || step.undone.is_some();
        must(ended, || {
            format!("`{}` is {} at the end", step.id, step.state)
        })?;
    }
    for id in [
        "catalog_configuration",
        "benchmark_queries",
        "concurrent_testing",
        "catalog_functional",
        "metastore_stable",
    ] {
        let criterion = report.criterion(id)?;
        must(criterion.verdict == "PASS", || {
            format!("`{id}` is {}: {}", criterion.verdict, criterion.reason)
        })?;
    }
    // Four samples judge no 95th percentile.
    report.must_say("sla_simple", "INCONCLUSIVE", &["59 samples"])
}
