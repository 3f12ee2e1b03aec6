//! A state on a file system that is really read-only or really full: root is not stopped by permissions, but by these.
//! Each is mounted in a namespace of its own, which ends with the command.

use std::process::Command;

use crate::support::{Place, Ran};

/// Whether this user may mount something in a namespace of its own. Says so where not: the test proves nothing then.
#[expect(clippy::print_stderr, reason = "what is not tested here must be seen")]
fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    let may = tried.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("SKIPPED: this user may not mount anything in a namespace of its own");
    }
    may
}

/// Runs a script of `sh` in the place, with a namespace of its own, as `flowctl` the binary.
fn in_namespace(place: &Place, script: &str) -> Ran {
    let flowctl = place.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-euc"])
        .arg(format!("flowctl() {{ \"$0\" \"$@\"; }}; {script}"))
        .arg(flowctl.get_program())
        .current_dir(place.path())
        .env_clear();
    for (name, value) in flowctl.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    place.ran(command.output().unwrap())
}

#[test]
fn a_read_only_state_is_named_whatever_is_asked_of_it() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    let steps = "steps:\n  - {id: a, uses: shell, with: {argv: [test, -e, go]}}\n";
    place.workflow("w", steps);
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    for arguments in [
        "runs",
        "status",
        "explain latest",
        "run w",
        "resume",
        "cancel latest",
        "undo latest",
        "state check",
        "state gc --keep 1",
    ] {
        let ran = in_namespace(
            &place,
            &format!(
                "mount --bind state state; mount -o remount,bind,ro state; flowctl {arguments}"
            ),
        );
        assert_eq!(ran.code(), 5, "{arguments}: {}", ran.transcript());
        let said = ran.stderr();
        assert!(
            said.contains("is read-only") && said.contains("--state"),
            "{arguments}: {said}"
        );
    }
    place.write("go", "");
    assert_eq!(place.run(&["resume", "--quiet"]).code(), 0);
    assert_eq!(place.run(&["state", "check"]).code(), 0);
}

/// The first step fills the disk; what the second prints finds no room.
#[test]
fn a_run_whose_disk_fills_up_under_it_says_so_and_goes_on_when_there_is_room_again() {
    if !may_mount() {
        return;
    }
    let place = Place::new();
    let fill = "test -e filled || { touch filled; cat /dev/zero > state/fill 2>/dev/null; true; }";
    place.workflow(
        "w",
        &format!(
            "steps:
  - {{id: a, uses: shell, with: {{run: \"{fill}\"}}}}
  - {{id: b, uses: shell, needs: [a], with: {{run: seq 100000}}}}
"
        ),
    );
    std::fs::create_dir(place.state()).unwrap();
    // 1: a step had no room for its evidence; 5: its event had none.
    let ran = in_namespace(
        &place,
        "mount -t tmpfs -o size=8m none state
         flowctl run w --quiet >&2 && exit 10; case $? in 1|5) ;; *) exit 11;; esac
         rm state/fill
         flowctl resume --quiet >&2; flowctl state check >/dev/null; flowctl status --output json",
    );
    assert_eq!(ran.code(), 0, "{}", ran.transcript());
    let said = ran.stderr();
    assert!(
        said.contains("No space left on device") && said.contains("free space"),
        "{said}"
    );
    assert_eq!(ran.json()["state"], "succeeded");
}
