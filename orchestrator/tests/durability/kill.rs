//! `kill -9` at random moments of a process's whole life, its opening and its recovery included: every event that was
//! acknowledged is there afterwards, unchanged; no effect lacks its record, and none happens twice; and the run ends
//! right.
//!
//! `FLOWCTL_KILL_ROUNDS` says how many kills; a hundred when it says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::flowctl::Home;

const STEPS: usize = 200;
const KILLS: usize = 100;
/// Every so many steps one has an effect: it writes its name down unless it is there, as a kind does that attaches.
const EFFECT: usize = 10;
/// The longest life of a process that is killed by the clock, as a power of e in milliseconds. By its logarithm, since
/// a process opens its state in a few of them and runs on for thousands.
const LONGEST: f64 = 8.0;

/// Two hundred steps: chains of twenty beside each other, so that some wait and some run together.
fn workflow() -> String {
    let mut text =
        String::from("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: many}\nsteps:\n");
    for place in 0..STEPS {
        let _ = write!(text, "  - {{id: s{place}");
        if has_effect(place) {
            text.push_str(
                r#", uses: shell, with: {run: 'grep -qxF "$FLOWCTL_STEP" effects || echo "$FLOWCTL_STEP" >> effects'}"#,
            );
        } else {
            text.push_str(", uses: noop");
        }
        if place % 20 != 0 {
            let _ = write!(text, ", needs: [s{}]", place - 1);
        }
        text.push_str("}\n");
    }
    text
}

fn has_effect(place: usize) -> bool {
    place % EFFECT == EFFECT - 1
}

fn kills() -> usize {
    std::env::var("FLOWCTL_KILL_ROUNDS")
        .ok()
        .map_or(KILLS, |rounds| rounds.parse().expect("a number of rounds"))
}

type Events = BTreeMap<u64, Value>;

fn exported(home: &Home, run: &str) -> Events {
    home.output(&["state", "export", run])
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event as JSON"))
        .map(|event: Value| (event["seq"].as_u64().expect("a seq"), event))
        .collect()
}

/// How a process is ended.
enum End {
    /// When it has shown so many events.
    Events(usize),
    /// When it has lived so many milliseconds.
    Millis(u64),
}

impl End {
    fn by(chance: &mut StdRng) -> Self {
        match chance.random_range(0..3) {
            0 => Self::Events(chance.random_range(1..60)),
            _ => Self::Millis(chance.random_range(0.0..LONGEST).exp() as u64),
        }
    }

    /// Runs, kills, and returns what was shown; whether it was in fact killed.
    fn kill(&self, home: &Home, arguments: &[&str]) -> (Vec<Value>, bool) {
        match self {
            Self::Events(until) => {
                let mut stream = home.stream(arguments);
                let mut seen: Vec<Value> = stream.by_ref().take(*until).collect();
                seen.extend(stream.kill());
                (seen, true)
            }
            Self::Millis(millis) => home.killed_after(*millis, arguments),
        }
    }
}

#[test]
fn kills_lose_no_acknowledged_event_and_double_no_effect() {
    let home = Home::new();
    home.write("many.yaml", &workflow());
    home.write("effects", "");
    let rounds = kills();
    // The same moments in every run of the test, as far as they are counted in events.
    let mut chance = StdRng::seed_from_u64(20_261_123);
    let (mut kills, mut before_the_first_event, mut finished_runs) = (0, 0, 0);
    while kills < rounds {
        let mut acknowledged = Events::new();
        let mut run: Option<String> = None;
        loop {
            let arguments: Vec<&str> = match &run {
                None => vec!["run", "many.yaml"],
                Some(run) => vec!["resume", run],
            };
            let (seen, killed) = End::by(&mut chance).kill(&home, &arguments);
            kills += usize::from(killed);
            before_the_first_event += usize::from(killed && seen.is_empty());
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
            assert_effects(&home, run, &stored);
            let over = |event: &Value| event["event"]["type"] == "run_finished";
            if stored.values().any(over) || kills >= rounds {
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
    println!(
        "{kills} kills, {before_the_first_event} of them before the first event was shown; {finished_runs} runs of {STEPS} steps ended right; 0 events lost, 0 effects doubled"
    );
}

/// The effects of a run so far: each once, and each with its start in the log.
fn assert_effects(home: &Home, run: &str, stored: &Events) -> usize {
    let started: BTreeSet<String> = stored
        .values()
        .map(|event| &event["event"])
        .filter(|event| event["type"] == "step_started")
        .map(|event| {
            let step = event["step"].as_str().expect("a step");
            format!("{run}/{step}/{}", event["attempt"])
        })
        .collect();
    let text = home.read("effects");
    let prefix = format!("{run}/");
    let mut effects: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(&prefix))
        .collect();
    for effect in &effects {
        assert!(started.contains(*effect), "{effect} has no record");
    }
    let count = effects.len();
    effects.sort_unstable();
    effects.dedup();
    assert_eq!(effects.len(), count, "an effect of {run} happened twice");
    count
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
    let effects = assert_effects(home, run, &exported(home, run));
    assert_eq!(effects, STEPS / EFFECT, "effects of {run}");
}
