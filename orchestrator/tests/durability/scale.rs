//! Ten thousand steps, in three shapes: they run, they resume with one left, and they stay small. And many more, killed
//! on their way.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::flowctl::{Home, is_release, peak_memory};

const STEPS: usize = 10_000;
const MEGABYTE: u64 = 1024 * 1024;
/// For the release binary, which `make scale` names. The debug binary has some 30 MB more of its own code.
const LIMIT: u64 = 64 * MEGABYTE;
const DEBUG_LIMIT: u64 = 96 * MEGABYTE;

fn workflow(needs: impl Fn(usize) -> Vec<usize>) -> String {
    let mut text =
        String::from("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: large}\nsteps:\n");
    for place in 0..STEPS {
        let _ = write!(text, "  - {{id: s{place}, uses: noop");
        let names: Vec<String> = needs(place)
            .into_iter()
            .map(|need| format!("s{need}"))
            .collect();
        if !names.is_empty() {
            let _ = write!(text, ", needs: [{}]", names.join(", "));
        }
        text.push_str("}\n");
    }
    // The last step fails until its file is there, so that a resume has one step left.
    text.push_str("  - {id: last, uses: shell, needs: [s9999], with: {argv: [test, -e, go]}}\n");
    text
}

/// Runs, resumes, and returns the larger peak of the two processes.
fn run_and_resume(name: &str, text: &str) {
    let home = Home::new();
    home.write("large.yaml", text);
    let mut peaks = Vec::new();
    for (arguments, expected) in [
        (&["run", "large.yaml"][..], Some(1)),
        (&["resume"][..], Some(0)),
    ] {
        let mut child = home
            .command(arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("flowctl starts");
        let mut peak = 0;
        // Read without a pause, so that the peak while the report is written counts too.
        while let Some(now) = peak_memory(child.id()) {
            peak = now;
            std::thread::yield_now();
        }
        assert_eq!(
            child.wait().expect("the process ends").code(),
            expected,
            "{name}: {arguments:?}"
        );
        peaks.push(peak);
        home.write("go", "");
    }
    let status: Value =
        serde_json::from_str(&home.output(&["status", "latest", "--output", "json"]))
            .expect("a status as JSON");
    assert_eq!(status["state"], "succeeded", "{name}");
    let steps = status["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), STEPS + 1);
    let attempts: u64 = steps
        .iter()
        .filter_map(|step| step["attempts"].as_u64())
        .sum();
    assert_eq!(
        attempts,
        STEPS as u64 + 2,
        "{name}: only the last step ran again"
    );
    println!(
        "{name}: peaks of {} and {} MB",
        peaks[0] / MEGABYTE,
        peaks[1] / MEGABYTE
    );
    let limit = if is_release() { LIMIT } else { DEBUG_LIMIT };
    for peak in peaks {
        assert!(
            (1..limit).contains(&peak),
            "{name}: a peak of {} MB",
            peak / MEGABYTE
        );
    }
}

#[test]
fn a_chain_of_ten_thousand() {
    run_and_resume(
        "chain",
        &workflow(|place| place.checked_sub(1).into_iter().collect()),
    );
}

#[test]
fn a_fan_out_of_ten_thousand() {
    run_and_resume(
        "fan-out",
        &workflow(|place| if place == 0 { vec![] } else { vec![0] }),
    );
}

#[test]
fn layers_of_ten_thousand() {
    let needs: Vec<Vec<usize>> = {
        let mut chance = StdRng::seed_from_u64(7);
        let layer = 100;
        (0..STEPS)
            .map(|place| {
                let Some(before) = (place / layer).checked_sub(1) else {
                    return vec![];
                };
                let mut needs: Vec<usize> = (0..5)
                    .map(|_| before * layer + chance.random_range(0..layer))
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect()
    };
    run_and_resume("layers", &workflow(|place| needs[place].clone()));
}

/// How many steps a run has that is killed; `make scale` asks for a hundred thousand.
fn many() -> usize {
    let asked = std::env::var("FLOWCTL_SCALE_STEPS").ok();
    asked.map_or(STEPS, |steps| steps.parse().expect("a number of steps"))
}

/// The plan and the state of this many steps take more than those of [`STEPS`], in proportion.
fn limit(steps: usize) -> u64 {
    let code = if is_release() { 0 } else { 32 * MEGABYTE };
    code + 48 * MEGABYTE + steps as u64 * 2_500
}

#[test]
fn many_steps_are_killed_in_the_middle_and_each_runs_once() {
    let steps = many();
    let home = Home::new();
    let mut text =
        String::from("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: large}\nsteps:\n");
    for place in 0..steps {
        let _ = write!(text, "  - {{id: s{place}, uses: noop");
        // A hundred chains side by side.
        if let Some(before) = place.checked_sub(100) {
            let _ = write!(text, ", needs: [s{before}]");
        }
        text.push_str("}\n");
    }
    home.write("large.yaml", &text);
    let mut stream = home.stream(&["run", "large.yaml"]);
    let done = stream
        .by_ref()
        .filter(|envelope| envelope["event"]["type"] == "step_succeeded")
        .take(steps / 3)
        .count();
    assert_eq!(done, steps / 3, "the run ended early");
    let first = peak_memory(stream.child.id()).expect("it runs");
    stream.kill();

    let mut stream = home.stream(&["resume"]);
    let (process, mut second, mut started) = (stream.child.id(), 0, 0);
    for envelope in stream.by_ref() {
        started += usize::from(envelope["event"]["type"] == "step_started");
        if started % 1000 == 0 {
            second = peak_memory(process).unwrap_or(second);
        }
    }
    assert!(stream.child.wait().expect("it ends").success());
    assert!(
        started > 0 && started < steps * 2 / 3 + 1,
        "{started} steps started after the kill"
    );
    let status: Value =
        serde_json::from_str(&home.output(&["status", "latest", "--output", "json"]))
            .expect("a status as JSON");
    assert_eq!(status["state"], "succeeded");
    let all = status["steps"].as_array().expect("steps");
    assert_eq!(all.len(), steps);
    assert!(
        all.iter().all(|step| step["attempts"] == 1),
        "a step ran twice"
    );
    home.output(&["state", "check"]);
    println!(
        "{steps} steps, killed: peaks of {} and {} MB",
        first / MEGABYTE,
        second / MEGABYTE
    );
    for peak in [first, second] {
        assert!(
            (1..limit(steps)).contains(&peak),
            "a peak of {} MB",
            peak / MEGABYTE
        );
    }
}
