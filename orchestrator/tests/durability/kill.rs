//! `kill -9` at random moments: every event that was acknowledged is there afterwards, unchanged, and the
//! run goes on from there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::flowctl::Home;

const STEPS: usize = 200;
const KILLS: usize = 100;

/// Two hundred steps: chains of twenty beside each other, so that some wait and some run together.
fn workflow() -> String {
    let mut text =
        String::from("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: many}\nsteps:\n");
    for place in 0..STEPS {
        let _ = write!(text, "  - {{id: s{place}, uses: noop");
        if place % 20 != 0 {
            let _ = write!(text, ", needs: [s{}]", place - 1);
        }
        text.push_str("}\n");
    }
    text
}

fn exported(home: &Home, run: &str) -> BTreeMap<u64, Value> {
    home.output(&["state", "export", run])
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event as JSON"))
        .map(|event: Value| (event["seq"].as_u64().expect("a seq"), event))
        .collect()
}

#[test]
fn a_hundred_kills_lose_no_acknowledged_event() {
    let home = Home::new();
    home.write("many.yaml", &workflow());
    // The same moments in every run of the test, by count of acknowledged events.
    let mut chance = StdRng::seed_from_u64(20_261_123);
    let mut kills = 0;
    let mut finished_runs = 0;
    while kills < KILLS {
        let mut acknowledged: BTreeMap<u64, Value> = BTreeMap::new();
        let mut run: Option<String> = None;
        loop {
            let mut stream = match &run {
                None => home.stream(&["run", "many.yaml"]),
                Some(run) => home.stream(&["resume", run]),
            };
            let until = chance.random_range(1..60);
            let mut seen: Vec<Value> = stream.by_ref().take(until).collect();
            seen.extend(stream.kill());
            kills += 1;
            for event in seen {
                run.get_or_insert_with(|| event["run"].as_str().expect("a run").to_owned());
                acknowledged.insert(event["seq"].as_u64().expect("a seq"), event);
            }
            // Killed before its first event was shown: there may be a run that nobody was told of.
            let Some(run) = &run else { break };
            let stored = exported(&home, run);
            for (seq, event) in &acknowledged {
                // Not `assert_eq`: the first event holds the whole plan.
                assert!(
                    stored.get(seq) == Some(event),
                    "event {seq} of {run} is lost or changed after {kills} kills"
                );
            }
            if acknowledged
                .values()
                .any(|event| event["event"]["type"] == "run_finished")
                || kills >= KILLS
            {
                break;
            }
        }
        if let Some(run) = &run {
            finish(&home, run);
            finished_runs += 1;
        }
    }
    assert!(finished_runs > 0, "no run got as far as its first event");
    let check = home.output(&["state", "check"]);
    assert!(!check.contains("damaged"), "{check}");
}

/// However often it was killed, the run ends with every step done once.
fn finish(home: &Home, run: &str) {
    let events = exported(home, run);
    if events
        .values()
        .all(|event| event["event"]["type"] != "run_finished")
    {
        let mut stream = home.stream(&["resume", run]);
        stream.by_ref().for_each(drop);
        assert!(stream.child.wait().expect("the process ends").success());
    }
    let status: Value = serde_json::from_str(&home.output(&["status", run, "--output", "json"]))
        .expect("a status as JSON");
    assert_eq!(status["state"], "succeeded");
    let steps = status["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), STEPS);
    for step in steps {
        assert_eq!(
            (step["state"].as_str(), step["attempts"].as_u64()),
            (Some("succeeded"), Some(1)),
            "{step}"
        );
    }
}
