//! `flowctl run phase3` on the lab, from nothing to the report.

use std::path::Path;

use crate::World;
use crate::check::{Outcome, must};
use crate::seeds::has_its_rows;

/// Every criterion has the verdict of the table, and the exit code is the one that the verdicts ask for.
pub(crate) fn has_the_expected_verdicts(world: &World) -> Outcome {
    judged(world, &[], "phase3-476.yaml")
}

/// The same on a Trino that has S3 Select; its image must be in the lab (`flowctl run lab --param trino=368`).
pub(crate) fn has_the_expected_verdicts_on_368(world: &World) -> Outcome {
    let old = ["--param", "trino_version=368", "--param", "before_369=true"];
    judged(world, &old, "phase3-368.yaml")
}

fn judged(world: &World, params: &[&str], expected: &str) -> Outcome {
    let arguments = [&["run", "phase3", "--target", "lab"], params].concat();
    let done = world.flowctl.run(&arguments)?;
    let report = world
        .flowctl
        .newest_report()
        .map_err(|why| format!("{why}; it said:\n{}", done.stderr))?;
    let unfinished = || {
        format!(
            "exit code {} but the report says {}:\n{}",
            done.code, report.exit_code, done.stderr
        )
    };
    must(done.code == report.exit_code, unfinished)?;
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected");
    report.must_match(&tables.join(expected))?;
    has_its_rows(world)
}
