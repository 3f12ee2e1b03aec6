//! Hard conditions: a disk that is full, a state that cannot be written, a clock that was set back, a
//! program that prints lines of a megabyte. The answer is clear, and the run goes on afterwards.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Place, Ran};

const CHAIN: &str = "steps:
  - {id: a, uses: shell, with: {run: \"echo a\"}}
  - {id: b, uses: shell, needs: [a], with: {run: \"echo b\"}}
  - {id: c, uses: shell, needs: [b], with: {run: \"echo c\"}}
";

/// The shim of the power-loss test, which can answer that the disk is full.
fn shim(place: &Place) -> PathBuf {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../state/tests/state/power_loss/shim.c");
    let shim = place.path().join("shim.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&shim)
        .arg(&source)
        .arg("-lpthread");
    // Without a C compiler the test fails: it proves nothing then.
    assert!(compiler.status().unwrap().success());
    shim
}

fn succeeds_afterwards(place: &Place) {
    let resumed = place.run(&["resume", "--quiet"]);
    // A run whose first event found no room is none.
    if place.run(&["runs"]).stdout().is_empty() {
        assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    } else {
        assert_eq!(resumed.code(), 0, "{}", resumed.stderr());
    }
    let status = place.status();
    assert_eq!(status["state"], "succeeded", "{status}");
    assert_eq!(place.run(&["state", "check"]).code(), 0);
}

#[test]
fn a_full_disk_is_named_and_the_run_goes_on_when_there_is_room_again() {
    let mut runs = 0;
    for room in [
        0, 400, 100_000, 524_900, 525_400, 526_000, 527_000, 528_200, 528_600, 529_000, 529_400,
        530_000,
    ] {
        let place = Place::new();
        place.workflow("w", CHAIN);
        std::fs::create_dir(place.state()).unwrap();
        let shim = shim(&place);
        let mut command = place.command(&["run", "w", "--quiet"]);
        command
            .env("LD_PRELOAD", &shim)
            .env("POWER_LOSS_ROOT", place.state())
            .env("POWER_LOSS_SPACE", room.to_string());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            continue;
        }
        // 1: the disk was full when a step kept its evidence, and it had room for the events.
        assert!(
            matches!(output.status.code(), Some(1 | 5)),
            "room for {room}: {output:?}"
        );
        assert!(
            said.contains("No space left on device"),
            "room for {room}: {said}"
        );
        if said.contains("the report could not be written") {
            // The run is over, and only its picture is missing.
            runs += 1;
            assert_eq!(place.run(&["report", "latest"]).code(), 0);
            assert_eq!(place.run(&["state", "check"]).code(), 0);
            continue;
        }
        assert!(said.contains("free space"), "room for {room}: {said}");
        runs += usize::from(place.run(&["runs"]).stdout().contains("w-"));
        succeeds_afterwards(&place);
    }
    assert!(runs > 0, "the disk was full before there was any run");
}

/// Runs the binary as nobody, whom permissions stop.
fn as_nobody(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.uid(65534).gid(65534);
    place.ran(command.output().unwrap())
}

#[test]
fn a_state_without_permission_says_whose_access_is_missing() {
    if !rustix::process::getuid().is_root() {
        // Whoever is not root is stopped by permissions anyway.
        let place = Place::new();
        place.workflow("w", CHAIN);
        let ran = place.run(&["run", "w", "--state", "/proc/flowctl"]);
        assert_eq!(ran.code(), 5, "{}", ran.stderr());
        return;
    }
    let place = Place::new();
    place.workflow("w", CHAIN);
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    open_to_all(place.path());
    for arguments in [
        &["runs"][..],
        &["status"],
        &["run", "w"],
        &["state", "check"],
    ] {
        let ran = as_nobody(&place, arguments);
        assert_ne!(ran.code(), 0, "{arguments:?}: {}", ran.stdout());
        assert!(
            ran.stderr().contains("ermission denied"),
            "{arguments:?}: {}",
            ran.stderr()
        );
    }
    assert_eq!(place.run(&["state", "check"]).code(), 0);
}

/// Lets everybody look into the working directory; the state in it stays closed.
fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_state_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.workflow("w", CHAIN);
    let state = "/proc/flowctl";
    let ran = place.run(&["run", "w", "--state", state]);
    assert_eq!(ran.code(), 5, "{}", ran.stderr());
    assert!(ran.stderr().contains(state), "{}", ran.stderr());
    assert!(!ran.stderr().contains("panicked"), "{}", ran.stderr());
}

#[test]
fn a_line_of_a_megabyte_is_kept_and_shown() {
    let place = Place::new();
    let long = "head -c 1000000 /dev/zero | tr '\\\\0' x; echo; echo end";
    place.workflow(
        "w",
        &format!("steps:\n  - {{id: a, uses: shell, with: {{run: \"{long}\"}}}}\n"),
    );
    let ran = place.run(&["run", "w"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr());
    let logs = place.run(&["logs", "latest", "a"]).stdout();
    assert!(
        logs.lines().any(|line| line.ends_with("end")),
        "the line after it is there"
    );
    let longest = logs.lines().map(str::len).max().unwrap();
    assert!(
        longest >= 1_000_000 || logs.contains("cut"),
        "its longest line has {longest} bytes"
    );
    assert_eq!(place.run(&["state", "check"]).code(), 0);
    assert_eq!(place.run(&["report", "latest"]).code(), 0);
}

/// The events of the newest run.
fn events(place: &Place) -> Vec<Value> {
    let exported = place.run(&["state", "export", "latest"]).stdout();
    exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_clock_that_was_set_back_changes_no_order() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: shell, with: {argv: [test, -e, go]}}\n",
    );
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    // The run as it would look if it had been written by a clock that was ten years ahead.
    let future = place
        .run(&["state", "export"])
        .stdout()
        .replace("\"at\":\"20", "\"at\":\"21");
    let other = Place::new();
    other.workflow(
        "w",
        "steps:\n  - {id: a, uses: shell, with: {argv: [test, -e, go]}}\n",
    );
    other.write("future.jsonl", &resealed(&future));
    std::fs::create_dir(other.state()).unwrap();
    let mut evidence = Command::new("cp");
    evidence
        .arg("-r")
        .arg(place.state().join("evidence"))
        .arg(other.state());
    assert!(evidence.status().unwrap().success());
    let imported = other.run(&["state", "import", "future.jsonl"]);
    assert_eq!(imported.code(), 0, "{}", imported.stderr());
    other.write("go", "");
    let resumed = other.run(&["resume", "--quiet"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.stderr());
    let events = events(&other);
    let times: Vec<&str> = events
        .iter()
        .map(|event| event["at"].as_str().unwrap())
        .collect();
    assert!(
        times[0].starts_with("21") && times.last().unwrap().starts_with("20"),
        "{times:?}"
    );
    let places: Vec<u64> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(places, (0..places.len() as u64).collect::<Vec<_>>());
    assert_eq!(other.status()["state"], "succeeded");
    for arguments in [
        &["status"][..],
        &["runs"],
        &["watch"],
        &["explain", "latest"],
        &["report", "latest"],
    ] {
        let ran = other.run(arguments);
        assert_eq!(ran.code(), 0, "{arguments:?}: {}", ran.stderr());
    }
    assert_eq!(other.run(&["state", "gc", "--older-than", "1d"]).code(), 0);
}

/// Records with the hashes that they ought to have after a change.
fn resealed(export: &str) -> String {
    use flowctl_state::codec;
    let mut prev = String::new();
    let mut text = String::new();
    for line in export.lines() {
        let mut envelope: flowctl_state::event::Envelope = serde_json::from_str(line).unwrap();
        envelope.prev = prev;
        let record = codec::encode(&envelope).unwrap();
        prev = codec::sha256(&record);
        text.push_str(std::str::from_utf8(&record).unwrap());
        text.push('\n');
    }
    text
}
