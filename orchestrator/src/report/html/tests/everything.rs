//! A run in which every drawing has its data.

use flowctl_workflows::plan::{PlanNeed, Role};

use super::*;

/// The run, and the raw records that it names.
pub(super) fn everything() -> (RunState, Vec<(&'static str, Value)>) {
    let kinds = [
        ("deploy", "kube.apply"),
        ("benchmark", "trino.benchmark"),
        ("load", "trino.load"),
        ("toggle", "experiment"),
        ("select", "s3.select"),
        ("worker_alert", "alert.fires"),
        ("restart", "kube.restart"),
    ];
    let mut steps: Vec<_> = kinds
        .iter()
        .map(|(name, kind)| {
            let mut one = step(name, &["c"], &[]);
            one.role = Role::Kind((*kind).into());
            one
        })
        .collect();
    for one in &mut steps[1..] {
        one.needs = vec![PlanNeed {
            step: 0,
            is: vec![],
        }];
    }
    let mut percentile = finding(&[], Verdict::Pass, "under its target");
    percentile.about = "q".into();
    percentile.numbers = vec![number("p95", "ms", Some((80.0, 300.0)), "< 500 ms")];
    let mut effect = finding(&[], Verdict::Inconclusive, "the interval holds 2.5");
    effect.numbers = vec![number("speedup", "", Some((0.9, 4.0)), ">= 2.5")];
    let alert = json!({"alert": "WorkerDown", "times": {"inactive": "2026-11-23T12:00:00Z",
        "pending": "2026-11-23T12:00:07Z", "firing": "2026-11-23T12:00:13Z", "receiver": "2026-11-23T12:00:15Z",
        "inactive_again": "2026-11-23T12:00:40Z"}});
    let done = |name: &str, attempt, output, findings, evidence| {
        let step = id(name);
        Event::StepSucceeded {
            step,
            attempt,
            output,
            findings,
            evidence,
        }
    };
    let events = vec![
        start("deploy", 1),
        done(
            "deploy",
            1,
            json!({"version": "476", "nodes": ["n1", "n2"]}),
            vec![],
            vec![],
        ),
        start("benchmark", 1),
        failed("benchmark", 1, ErrorClass::Transient, Some(10)),
        start("benchmark", 2),
        done(
            "benchmark",
            2,
            json!({}),
            vec![percentile],
            vec![record("benchmark-q.json", "0a")],
        ),
        start("load", 1),
        done(
            "load",
            1,
            json!({}),
            vec![],
            vec![record("load.json", "0b")],
        ),
        start("toggle", 1),
        done(
            "toggle",
            1,
            json!({}),
            vec![effect],
            vec![record("experiment.json", "0c")],
        ),
        start("select", 1),
        done(
            "select",
            1,
            json!({}),
            vec![finding(&[], Verdict::Pass, "the same rows")],
            vec![record("select.json", "0d")],
        ),
        start("worker_alert", 1),
        done("worker_alert", 1, alert, vec![], vec![]),
        start("restart", 1),
        failed("restart", 1, ErrorClass::Permanent, None),
        finished(RunOutcome::Failed),
    ];
    let sample = |round: u32| {
        json!({"round": round, "counts": round > 2, "query_id": format!("q{round}"),
            "run_time_millis": 60 + (round * 37) % 180, "queued_millis": 1})
    };
    let trial = |at: u32| {
        json!({"order": at, "block": at / 4, "variant": if at.is_multiple_of(2) { "a" } else { "b" }, "warm_up": at < 2,
            "values": {"time": 100.0 - f64::from(at % 2 * 40 + at % 5)}})
    };
    let reading = |at: u32| json!({"at_millis": at * 1000, "states": {"RUNNING": at % 6, "QUEUED": 20 - at}, "memory_bytes": at * 30_000_000});
    let records = vec![
        (
            "0a",
            json!({"name": "q", "samples": (1..40).map(sample).collect::<Vec<_>>()}),
        ),
        (
            "0b",
            json!({"samples_of_the_server": (0..20).map(reading).collect::<Vec<_>>()}),
        ),
        (
            "0c",
            json!({"variants": {"a": "off", "b": "on"}, "units": {"time": "ms"}, "samples": (0..24).map(trial).collect::<Vec<_>>()}),
        ),
        (
            "0d",
            json!({"select_ms": [12.0, 14.0, 11.5], "plain_ms": [30.0, 28.0, 33.0]}),
        ),
    ];
    (state(steps, &["c"], events), records)
}
