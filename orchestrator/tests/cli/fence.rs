//! A flowctl that holds the state and is stopped or hung: every command says so, and `--take-over` ends exactly it.

use std::os::unix::net::UnixListener;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Place, Running, starts};

fn stopped() -> (Place, Running) {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:
  - {id: first, uses: noop}
  - id: second
    uses: shell
    needs: [first]
    with: {run: \"test -e go || exec sleep 60; echo done >> did\"}
    undo: {on: failure, with: {run: \"echo undone >> did\"}}
",
    );
    let running = place.start(&["run", "w"], starts("second"));
    running.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", running.pid());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
    (place, running)
}

#[test]
fn every_command_says_that_the_holder_is_stopped() {
    let (place, running) = stopped();
    for arguments in [
        &["status"][..],
        &["runs"],
        &["watch"],
        &["explain", "latest"],
        &["logs", "latest", "second"],
        &["report"],
        &["cancel"],
        &["approve", "latest", "second"],
        &["state", "check"],
        &["state", "export"],
        &["run", "w"],
        &["resume"],
        &["undo"],
    ] {
        let refused = place.run(arguments);
        assert_eq!(
            (refused.code(), refused.stdout().as_str()),
            (5, ""),
            "{arguments:?}: {}",
            refused.transcript()
        );
        for part in [
            format!("process {} on ", running.pid()),
            "which is stopped by a signal".to_owned(),
            format!("kill -CONT {}", running.pid()),
            "--take-over".to_owned(),
        ] {
            assert!(
                refused.stderr().contains(&part),
                "{arguments:?} lacks {part}: {}",
                refused.stderr()
            );
        }
    }
    running.signal(Signal::CONT);
    assert_eq!(place.status()["state"], "running", "it was only looked at");
    running.kill();
}

#[test]
fn a_stopped_holder_is_ended_and_its_run_taken_up() {
    let (place, running) = stopped();
    place.write("go", "");
    let resumed = place.run(&["resume", "--take-over"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert!(
        resumed.stderr().contains("is stopped, so it was ended"),
        "{}",
        resumed.stderr()
    );
    assert_eq!(running.ended_by(), Some(9));
    assert_eq!(
        std::fs::read_to_string(place.path().join("did")).unwrap(),
        "done\n"
    );
    let epochs: Vec<u64> = place
        .run(&["state", "export"])
        .stdout()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["epoch"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(
        epochs.first() < epochs.last(),
        "who wrote what can be told: {epochs:?}"
    );
}

#[test]
fn a_stopped_holder_is_ended_for_a_cancel_and_for_an_undo() {
    for verb in ["cancel", "undo"] {
        let (place, running) = stopped();
        let taken = place.run(&[verb, "--take-over"]);
        assert_eq!(taken.code(), 0, "{}", taken.transcript());
        assert_eq!(running.ended_by(), Some(9));
        assert_eq!(
            std::fs::read_to_string(place.path().join("did")).unwrap(),
            "undone\n"
        );
        assert_eq!(place.status()["state"], "cancelled");
    }
}

#[test]
fn a_holder_that_works_is_not_taken_over() {
    let (place, running) = stopped();
    running.signal(Signal::CONT);
    for verb in ["resume", "cancel", "undo"] {
        let refused = place.run(&[verb, "--take-over"]);
        assert_eq!(refused.code(), 2, "{}", refused.transcript());
        assert!(
            refused.stderr().contains("works, so it is not taken over"),
            "{}",
            refused.stderr()
        );
    }
    assert_eq!(place.status()["state"], "running");
    running.kill();
}

/// A process that holds the state in name, and a socket that nobody answers on.
#[test]
fn a_hung_holder_is_ended_and_one_with_its_pid_is_not() {
    let place = Place::new();
    place.workflow("w", "steps: [{id: a, uses: noop}]\n");
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    let mut hung = Command::new("sleep").arg("600").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", hung.id())).unwrap();
    let began: u64 = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_ascii_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap();
    let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
    let pid = hung.id();
    let holder = |began: u64| {
        let holder = json!({
            "pid": pid, "start_ticks": began, "epoch": 9, "command": "flowctl run w",
            "boot_id": read("/proc/sys/kernel/random/boot_id"), "host": read("/proc/sys/kernel/hostname"),
            "since": "2026-11-25T09:30:12Z",
        });
        std::fs::write(place.state().join("holder.json"), holder.to_string()).unwrap();
    };
    let socket = UnixListener::bind(place.state().join("flowctl.sock")).unwrap();
    holder(began + 1);
    assert_eq!(
        place
            .run(&["resume", "latest", "--from", "a", "--take-over", "--quiet"])
            .code(),
        0
    );
    assert_eq!(
        hung.try_wait().unwrap(),
        None,
        "another process has the pid of the one that is named"
    );

    std::fs::remove_file(place.state().join("flowctl.sock")).ok();
    drop(socket);
    let _socket = UnixListener::bind(place.state().join("flowctl.sock")).unwrap();
    holder(began);
    let silent = place.run(&["status"]);
    assert_eq!(silent.code(), 5);
    assert!(
        silent.stderr().contains("does not answer on its socket"),
        "{}",
        silent.stderr()
    );
    let taken = place.run(&["resume", "latest", "--from", "a", "--take-over", "--quiet"]);
    assert_eq!(taken.code(), 0, "{}", taken.transcript());
    assert!(
        taken.stderr().contains("does not answer, so it was ended"),
        "{}",
        taken.stderr()
    );
    assert!(!hung.wait().unwrap().success());
}
