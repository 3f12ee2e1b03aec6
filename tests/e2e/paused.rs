//! A flowctl that is paused: another takes its place, by the lease from another state and by `--take-over` on the same
//! one. The one that was paused writes nothing more.

use std::process::{Child, Command};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::World;
use crate::check::{Outcome, must, then_always};
use crate::clock::{now, until};
use crate::flowctl::Flowctl;
use crate::lab::NAMESPACE;

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/fenced.yaml");
/// What the workflow writes.
const WRITTEN: [&str; 2] = ["e2e-fenced-first", "e2e-fenced-second"];
/// Longer than the lease and the watch over it, with room for a busy machine.
const LEASE_RUNS_OUT: Duration = Duration::from_secs(120);
/// What the state or the lease being another's comes to.
const HELD: i32 = 5;

/// Paused past its lease, replaced from another state directory, and woken up.
pub(crate) fn past_its_lease(world: &World) -> Outcome {
    clean(world)?;
    let outcome = replaced_and_woken(world);
    then_always(outcome, clean(world))
}

fn replaced_and_woken(world: &World) -> Outcome {
    let mut paused = pause_after_the_first_write(world, &world.flowctl)?;
    let outcome = (|| {
        let other = world.flowctl.with_a_state_of_its_own()?;
        let run = ["run", WORKFLOW, "--target", "lab", "--param", "writer=two"];
        let refused = other.run(&run)?;
        let holder = format!("/{}/fenced-", paused.id());
        must(
            refused.code == HELD && refused.stderr.contains(&holder),
            || {
                format!(
                    "while the lease holds, the second must end with {HELD} and name `…{holder}…`; it ended with {}:\n{}",
                    refused.code, refused.stderr
                )
            },
        )?;
        must(written(world)? == ["one", ""], || {
            "the one that was refused has written".to_owned()
        })?;
        until(LEASE_RUNS_OUT, "the lease is the second's", || {
            let done = other.run(&run)?;
            must(matches!(done.code, 0 | HELD), || {
                format!("the second ended with {}:\n{}", done.code, done.stderr)
            })?;
            Ok(done.code == 0)
        })?;
        must(written(world)? == ["two", "two"], || {
            "the second has not written".to_owned()
        })
    })();
    let woken_at = now();
    signal(&paused, "CONT")?;
    let said = Flowctl::wait(&mut paused)?;
    outcome?;
    must(
        said.code != 0 && said.stderr.contains("nothing more is written"),
        || {
            format!(
                "the one that was paused must say why it stops; it ended with {}:\n{}",
                said.code, said.stderr
            )
        },
    )?;
    must(written(world)? == ["two", "two"], || {
        "the one that was paused has written".to_owned()
    })?;
    no_write_since(world, woken_at)
}

/// Paused, and taken over on its own state directory; without `--take-over` the message names it.
pub(crate) fn on_one_state(world: &World) -> Outcome {
    clean(world)?;
    let outcome = taken_over(world);
    then_always(outcome, clean(world))
}

fn taken_over(world: &World) -> Outcome {
    let flowctl = world.flowctl.with_a_state_of_its_own()?;
    let mut paused = pause_after_the_first_write(world, &flowctl)?;
    let pid = paused.id().to_string();
    let outcome = (|| {
        let refused = flowctl.run(&["resume"])?;
        let named = refused.stderr.contains(&pid) && refused.stderr.contains("stopped");
        must(refused.code == HELD && named, || {
            format!(
                "without --take-over it must name the stopped process {pid}; it ended with {}:\n{}",
                refused.code, refused.stderr
            )
        })?;
        let done = flowctl.run(&["resume", "--take-over"])?;
        must(done.code == 0, || {
            format!("--take-over ended with {}:\n{}", done.code, done.stderr)
        })?;
        must(written(world)? == ["one", "one"], || {
            "the run was not brought to its end".to_owned()
        })
    })();
    // Whatever came of it, nothing of this test stays behind.
    let ended = paused
        .kill()
        .map_err(|error| format!("it cannot be ended: {error}"));
    paused
        .wait()
        .map_err(|error| format!("it cannot be waited for: {error}"))?;
    then_always(outcome, ended)
}

/// Starts the workflow and stops the program once its first write is there.
fn pause_after_the_first_write(world: &World, flowctl: &Flowctl) -> Outcome<Child> {
    let mut child = flowctl.start_heard(&[
        "run",
        WORKFLOW,
        "--target",
        "lab",
        "--param",
        "writer=one",
        "--param",
        "pause=10s",
    ])?;
    let came = until(
        Duration::from_secs(60),
        "the first write is there",
        || match child.try_wait() {
            Ok(Some(status)) => Err(format!("flowctl ended ({status}) before its first write")),
            _ => Ok(written(world)?[0] == "one"),
        },
    );
    // The step is over when its event is stored; the pause after it is long enough for this.
    let stopped = came.and_then(|()| signal(&child, "STOP"));
    match stopped {
        Ok(()) => Ok(child),
        Err(why) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(why)
        }
    }
}

fn signal(child: &Child, name: &str) -> Outcome {
    let done = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    must(done.is_ok_and(|status| status.success()), || {
        format!("process {} cannot be sent {name}", child.id())
    })
}

/// Who wrote each of the two objects; nothing for one that is not there.
fn written(world: &World) -> Outcome<Vec<String>> {
    let writer = |name: &&str| {
        world.lab.kubectl(&[
            "-n",
            NAMESPACE,
            "get",
            "configmap",
            name,
            "--ignore-not-found",
            "-o",
            "jsonpath={.data.writer}",
        ])
    };
    WRITTEN.iter().map(writer).collect()
}

fn clean(world: &World) -> Outcome {
    let delete = [
        "-n",
        NAMESPACE,
        "delete",
        "configmap",
        "--ignore-not-found",
        WRITTEN[0],
        WRITTEN[1],
    ];
    world.lab.kubectl(&delete).map(|_| ())
}

/// The API server was sent no write to the objects or to the lease since then, not even one that it refused.
fn no_write_since(world: &World, moment: Timestamp) -> Outcome {
    world.lab.kubectl(&["get", "namespace", "default"])?;
    let entries = world.lab.audited_since(moment)?;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let own = |entry: &&Value| text(entry, "userAgent").starts_with("kubectl");
    must(entries.iter().any(|entry| own(&entry)), || {
        "the audit log does not show the suite's own request, so it proves nothing".to_owned()
    })?;
    let late: Vec<String> = entries
        .iter()
        .filter(|entry| !matches!(&*text(entry, "verb"), "get" | "list" | "watch"))
        .filter(|entry| text(entry, "requestURI").contains("fenced"))
        .map(|entry| format!("{} {}", text(entry, "verb"), text(entry, "requestURI")))
        .collect();
    must(late.is_empty(), || {
        format!("the one that was paused wrote:\n{}", late.join("\n"))
    })
}
