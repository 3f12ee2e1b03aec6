//! A run that is under way in another process: looked at, cancelled, approved, and in the way.

use rustix::process::Signal;

use crate::support::{Place, starts};

const LONG: &str = "steps:
  - id: first
    uses: noop
  - id: long
    uses: shell
    needs: [first]
    with: {run: \"echo begun; exec sleep 60\"}
finally:
  - {id: tidy, uses: noop}
";

fn place() -> Place {
    let place = Place::new();
    place.workflow("w", LONG);
    place
}

#[test]
fn a_run_is_seen_and_cancelled_from_outside() {
    let place = place();
    let running = place.start(&["run", "w"], starts("long"));
    let status = place.status();
    assert_eq!(status["state"], "running");
    let states: Vec<_> = status["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].clone())
        .collect();
    assert_eq!(states, ["succeeded", "running", "waiting"]);
    assert_eq!(
        place.run(&["runs", "--output", "json"]).json()[0]["state"],
        "running"
    );
    assert_eq!(place.run(&["explain", "latest", "long"]).code(), 0);
    assert_eq!(place.run(&["report", "--format", "json"]).code(), 0);
    assert_eq!(place.run(&["state", "check"]).code(), 5);
    let exported = place.run(&["state", "export"]).stdout();
    // A program that has lasted a moment has its process group written down.
    let told = exported
        .lines()
        .filter(|line| !line.contains("step_checkpointed"));
    assert_eq!(told.count(), 4);
    insta::assert_snapshot!(place.run(&["cancel"]).transcript());
    assert_eq!(running.end(), 4);
    let status = place.status();
    assert_eq!(status["state"], "cancelled");
    let states: Vec<_> = status["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].clone())
        .collect();
    assert_eq!(
        states,
        ["succeeded", "cancelled", "succeeded"],
        "`finally:` runs after a cancel"
    );
    insta::assert_snapshot!(place.run(&["cancel"]).transcript());
    assert!(!place.state().join("flowctl.sock").exists());
}

#[test]
fn a_watcher_sees_the_run_to_its_end() {
    let place = place();
    let running = place.start(&["run", "w"], starts("long"));
    let watcher = place.start(&["watch"], starts("long"));
    assert_eq!(place.run(&["cancel", "w"]).code(), 0);
    assert_eq!((watcher.end(), running.end()), (0, 4));
}

#[test]
fn what_a_running_step_prints_is_seen() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - id: long\n    uses: shell\n    with: {run: \"mkfifo pipe; echo begun; cat pipe; echo over\"}\n",
    );
    let running = place.start(&["run", "w"], starts("long"));
    let mut follower = place
        .command(&["logs", "latest", "long", "--follow"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(follower.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "begun");
    std::fs::write(place.path().join("pipe"), "through the pipe\n").unwrap();
    assert_eq!(running.end(), 0);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(
        rest.contains(&"through the pipe".to_owned()) && rest.contains(&"over".to_owned()),
        "{rest:?}"
    );
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    assert_eq!(
        place.run(&["logs", "latest", "long"]).stdout(),
        "begun\nthrough the pipe\nover\n"
    );
}

#[test]
fn what_a_cancelled_step_printed_is_kept() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: long, uses: shell, with: {run: \"mkfifo pipe; echo begun; cat pipe\"}}\n",
    );
    let running = place.start(&["run", "w"], starts("long"));
    // It is open for writing once the step has printed and reads from it.
    while !place.path().join("pipe").exists() {
        std::thread::yield_now();
    }
    let held = std::fs::OpenOptions::new()
        .write(true)
        .open(place.path().join("pipe"))
        .unwrap();
    assert_eq!(place.run(&["cancel"]).code(), 0);
    assert_eq!(running.end(), 4);
    drop(held);
    assert_eq!(place.status()["steps"][0]["state"], "cancelled");
    assert_eq!(place.run(&["logs", "latest", "long"]).stdout(), "begun\n");
}

#[test]
fn a_second_run_is_refused_and_the_holder_named() {
    let place = place();
    let running = place.start(&["run", "w"], starts("long"));
    for arguments in [
        &["run", "w"][..],
        &["resume"],
        &["state", "import", "workflows/w.yaml"],
    ] {
        let refused = place.run(arguments);
        assert_eq!((refused.code(), refused.stdout().as_str()), (5, ""));
        for part in [
            format!("process {} on ", running.pid()),
            "flowctl run w".to_owned(),
            "since 20".to_owned(),
        ] {
            assert!(
                refused.stderr().contains(&part),
                "{arguments:?} lacks {part}: {}",
                refused.stderr()
            );
        }
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end(), 4);
}

#[test]
fn a_signal_cancels_and_a_second_one_stops_waiting() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: long, uses: shell, with: {argv: [sleep, \"60\"]}}\nfinally:\n  - {id: tidy, uses: shell, with: {argv: [sleep, \"60\"]}}\n",
    );
    let mut running = place.start(&["run", "w"], starts("long"));
    running.signal(Signal::INT);
    running.until(starts("tidy"));
    running.signal(Signal::INT);
    assert_eq!(running.end(), 4);
    assert_eq!(
        place.status()["state"],
        "interrupted",
        "it was left as it was"
    );
}

#[test]
fn a_step_waits_for_a_person() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: noop, approval: {message: \"shall we?\"}}\n",
    );
    let running = place.start(&["run", "w"], starts("a.approval"));
    let status = place.status();
    assert_eq!(
        (&status["steps"][0]["state"], &status["steps"][0]["doing"]),
        (&"waiting".into(), &"approval: shall we?".into())
    );
    insta::assert_snapshot!(place.run(&["approve", "latest", "b"]).transcript());
    insta::assert_snapshot!(place.run(&["approve", "latest", "a"]).transcript());
    assert_eq!(running.end(), 0);
    assert!(
        place
            .run(&["explain", "latest"])
            .stdout()
            .contains("approved by")
    );
    assert_eq!(
        place.run(&["approve", "latest", "a"]).code(),
        2,
        "nothing waits any more"
    );
    assert_eq!(place.run(&["run", "w", "--yes", "--quiet"]).code(), 0);
}
