//! `--dry-run` sends no write: the API server itself says so.

use crate::World;
use crate::check::{Outcome, must};
use crate::clock::now;

/// Verbs of the API that only look.
const READS: &[&str] = &["get", "list", "watch"];

/// Runs phase3 dry between two of the suite's own requests, and looks at everything that the API server was asked.
pub(crate) fn writes_nothing(world: &World) -> Outcome {
    let from = now();
    // Proof that the log is written: a request of the suite must be in it.
    world.lab.kubectl(&["get", "namespace", "default"])?;
    let done = world
        .flowctl
        .run(&["run", "phase3", "--target", "lab", "--dry-run"])?;
    must(done.code == 0, || {
        format!("exit code {}:\n{}", done.code, done.stderr)
    })?;
    for step in [
        "release",
        "seed_benchmark_data",
        "benchmark",
        "concurrent_sample",
    ] {
        must(done.stdout.contains(step), || {
            format!("the plan does not show `{step}`:\n{}", done.stdout)
        })?;
    }
    world.lab.kubectl(&["get", "namespace", "default"])?;
    let entries = world.lab.audited_since(from)?;
    let text =
        |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let own = entries
        .iter()
        .filter(|entry| text(entry, "userAgent").starts_with("kubectl"))
        .count();
    must(own >= 2, || {
        format!("the audit log shows {own} of the suite's own two requests, so it proves nothing")
    })?;
    let writes: Vec<String> = entries
        .iter()
        .filter(|entry| !READS.contains(&text(entry, "verb").as_str()))
        .filter(|entry| !is_of_the_cluster(entry))
        .map(|entry| {
            format!(
                "{} {} by {}",
                text(entry, "verb"),
                text(entry, "requestURI"),
                text(entry, "userAgent")
            )
        })
        .collect();
    must(writes.is_empty(), || {
        format!("a dry run wrote:\n{}", writes.join("\n"))
    })
}

/// Whether one of the cluster's own programs asked: they write all the time, each as a user of its own.
fn is_of_the_cluster(entry: &serde_json::Value) -> bool {
    let user = entry["user"]["username"].as_str().unwrap_or_default();
    ["system:", "flowctl-lab:"]
        .iter()
        .any(|prefix| user.starts_with(prefix))
}
