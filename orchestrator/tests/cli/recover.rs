//! A process that was killed: what is said of its run, and how it is taken up again.

use flowctl_steps::child::proc::Process;
use serde_json::Value;

use crate::support::{Place, starts};

/// The second step does not end unless the file `go` exists.
const WORKFLOW: &str = "params: {word: {type: string, default: hello}}
steps:
  - id: first
    uses: shell
    with: {run: \"echo first >> did\"}
  - id: second
    uses: shell
    needs: [first]
    with: {run: \"test -e go || exec sleep 60; echo {{ params.word }} >> did\"}
";

fn place() -> Place {
    let place = Place::new();
    place.workflow("w", WORKFLOW);
    place
}

#[test]
fn a_killed_run_is_interrupted_and_a_resume_finishes_it() {
    let place = place();
    let running = place.start(&["run", "w", "--param", "word=given"], starts("second"));
    running.kill();
    let status = place.status();
    assert_eq!(status["state"], "interrupted");
    assert_eq!(
        (&status["steps"][0]["state"], &status["steps"][1]["state"]),
        (&"succeeded".into(), &"waiting".into())
    );
    assert_eq!(place.run(&["watch", "--exit-status"]).code(), 4);

    // What was edited since makes no difference to a run that is under way.
    place.workflow("w", "steps: [{id: other, uses: noop}]\n");
    place.write("go", "");
    let resumed = place.run(&["resume"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert_eq!(
        std::fs::read_to_string(place.path().join("did")).unwrap(),
        "first\ngiven\n"
    );
    let status = place.status();
    assert_eq!(
        (&status["state"], &status["resumes"]),
        (&"succeeded".into(), &1.into())
    );
    assert_eq!(
        (
            &status["steps"][0]["attempts"],
            &status["steps"][1]["attempts"]
        ),
        (&1.into(), &1.into())
    );
    let story = place.run(&["explain", "latest"]).stdout();
    assert!(
        story.contains("reused and does not run again") && story.contains("is taken up again"),
        "{story}"
    );
    let nothing = place.run(&["resume"]);
    assert_eq!((nothing.code(), nothing.stdout().as_str()), (2, ""));
}

#[test]
fn a_killed_run_is_no_obstacle_to_a_new_one() {
    let place = place();
    place.start(&["run", "w"], starts("second")).kill();
    assert!(
        place.state().join("flowctl.sock").exists(),
        "the killed process left its socket"
    );
    let again = place.start(&["run", "w"], starts("second"));
    assert_eq!(
        place.status()["state"],
        "running",
        "the new process answers in its place"
    );
    assert_eq!(place.run(&["cancel"]).code(), 0);
    assert_eq!(again.end(), 4);
    place.write("go", "");
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    let runs = place.run(&["runs", "--output", "json"]).json();
    assert_eq!(
        (&runs[0]["state"], &runs[2]["state"]),
        (&"succeeded".into(), &"interrupted".into())
    );
    let older = runs[2]["run"].as_str().unwrap();
    assert_eq!(place.run(&["resume", older, "--quiet"]).code(), 0);
    assert_eq!(
        place.run(&["status", older, "--output", "json"]).json()["state"],
        "succeeded"
    );
}

#[test]
fn a_change_that_was_not_put_back_is_in_the_way_of_a_new_run() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:
  - id: change
    uses: shell
    with: {run: \"echo changed > world\"}
    undo: {on: always, with: {run: \"echo as before > world\"}}
  - id: look
    uses: shell
    needs: [change]
    with: {run: \"test -e go || exec sleep 60\"}
",
    );
    let world = || std::fs::read_to_string(place.path().join("world")).unwrap();
    place.start(&["run", "w"], starts("look")).kill();
    assert_eq!(world(), "changed\n");
    let refused = place.run(&["run", "w"]);
    assert_eq!(refused.code(), 2);
    assert!(
        refused
            .stderr()
            .contains("has not put back what it changed in `change`")
            && refused.stderr().contains("flowctl resume w-"),
        "{}",
        refused.stderr()
    );
    place.write("go", "");
    assert_eq!(place.run(&["resume", "--quiet"]).code(), 0);
    assert_eq!(world(), "as before\n");
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
}

#[test]
fn a_failed_run_tries_again_what_failed() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: shell, with: {run: \"echo a >> did\"}}\n  - {id: b, uses: shell, needs: [a], with: {run: \"test -e go\"}}\n  - {id: c, uses: noop, needs: [b]}\n",
    );
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    assert_eq!(place.run(&["resume", "--quiet"]).code(), 1);
    place.write("go", "");
    assert_eq!(place.run(&["resume", "--quiet"]).code(), 0);
    assert_eq!(
        std::fs::read_to_string(place.path().join("did")).unwrap(),
        "a\n"
    );
    assert_eq!(place.status()["steps"][1]["attempts"], 3);
}

#[test]
fn a_changed_target_is_said_and_a_missing_one_refused() {
    let place = place();
    let target = "apiVersion: flowctl/v1\nkind: Target\nmetadata: {name: t}\n";
    place.write("targets/t.yaml", target);
    place
        .start(&["run", "w", "--target", "t"], starts("second"))
        .kill();
    place.write("go", "");
    std::fs::remove_file(place.path().join("targets/t.yaml")).unwrap();
    let refused = place.run(&["resume"]);
    assert_eq!(refused.code(), 2);
    assert!(
        refused.stderr().contains("--target"),
        "{}",
        refused.stderr()
    );
    place.write("targets/t.yaml", &format!("{target}params: {{x: 1}}\n"));
    let resumed = place.run(&["resume"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert!(
        resumed
            .stderr()
            .contains("has changed since the run started"),
        "{}",
        resumed.stderr()
    );
}

#[test]
fn a_program_that_threw_away_its_environment_is_ended_by_the_resume_that_finds_its_group() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: shell, with: {run: \"test -e go || { echo $$ > pid; exec env -i sleep 1000; }\"}}\n",
    );
    let written = |envelope: &Value| envelope["event"]["type"] == "step_checkpointed";
    place.start(&["run", "w"], written).kill();
    let pid = std::fs::read_to_string(place.path().join("pid")).unwrap();
    let left = Process::of(pid.trim().parse().unwrap()).unwrap();
    place.write("go", "");
    let resumed = place.run(&["resume"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert!(!left.lives(), "it lives on beside the run");
}

#[test]
fn a_run_that_was_killed_in_its_teardown_after_all_had_succeeded_only_ends_that() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:
  - id: change
    uses: shell
    with: {run: \"echo changed >> did\"}
    undo: {on: always, with: {run: \"echo put back >> did\"}}
finally:
  - {id: tidy, uses: shell, with: {run: \"test -e go || { touch waits; exec sleep 60; }; echo tidy >> did\"}}
",
    );
    let running = place.start(&["run", "w"], starts("tidy"));
    // It outlives the kill for a moment, and must not be the one that finds the file.
    while !place.path().join("waits").exists() {
        std::thread::yield_now();
    }
    running.kill();
    place.write("go", "");
    let resumed = place.run(&["resume"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert!(
        resumed
            .stderr()
            .contains("what is left of the teardown is done"),
        "{}",
        resumed.stderr()
    );
    assert_eq!(
        std::fs::read_to_string(place.path().join("did")).unwrap(),
        "changed\nput back\ntidy\n"
    );
    let story = place.run(&["explain", "latest", "change"]).stdout();
    assert!(
        story.contains("was put back when all steps had succeeded, so it does not run again"),
        "{story}"
    );
    let more = place.run(&["resume", "--from", "change"]);
    assert_eq!(more.code(), 0, "{}", more.transcript());
    assert_eq!(
        std::fs::read_to_string(place.path().join("did")).unwrap(),
        "changed\nput back\ntidy\nchanged\nput back\ntidy\n"
    );
}
