//! The process whose power is cut: it works on a state and says what it was promised.
//!
//! Owns the work and its words: each line comes after what it says was acknowledged.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowctl_state::directory::StateDirectory;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::{Event, Seq};
use flowctl_state::hold::Hold;
use flowctl_state::log::{Append, EventLog};
use flowctl_state::writer::LogWriter;
use flowctl_workflows::RunId;
use serde_json::json;
use tokio::task::JoinSet;

use super::life::{DIRECTORY, LIFE};
use crate::support::{moment, run, started, step, succeeded};

const RUNS: usize = 4;
const ROUNDS: Seq = 24;

/// Where the state lies below the directory that is watched: some of the way has to be made first.
pub(crate) fn state(root: &Path) -> PathBuf {
    root.join("some/way/state")
}

/// What every run has at each place, so that a reader knows what must be there.
pub(crate) fn event(seq: Seq) -> Event {
    match seq {
        0 => started(),
        seq if seq % 31 == 17 => succeeded("longest", json!("x".repeat(150_000))),
        seq if seq % 13 == 0 => succeeded("longer", json!("x".repeat(9000))),
        seq => step("one", u32::try_from(seq).unwrap()),
    }
}

/// A raw record that is kept as evidence.
pub(crate) fn evidence(number: u64) -> Vec<u8> {
    format!("record {number} {}", "of something ".repeat(200)).into_bytes()
}

/// One life. Only the parent calls it, in a process of its own.
#[test]
fn child() {
    let Some((hold, life)) = hold_of_child() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work(&hold, life));
    if life.is_multiple_of(2) {
        // Killed, as far as the state can tell: nothing is closed.
        std::mem::forget(hold);
    }
}

/// The state, held to be written to, and which life this is; `None` in the parent.
pub(super) fn hold_of_child() -> Option<(Hold, u64)> {
    let root = std::env::var(DIRECTORY).ok()?;
    let life = std::env::var(LIFE).unwrap().parse().unwrap();
    let directory = StateDirectory::create(&state(Path::new(&root))).unwrap();
    let hold = Hold::to_write(&directory, "the child of a test", moment(0)).unwrap();
    begin(&hold);
    Some((hold, life))
}

/// Says that the state is held. The test's own name stands at the beginning of the line.
fn begin(hold: &Hold) {
    say("");
    say(&format!("epoch {}", hold.epoch().unwrap()));
}

async fn work(hold: &Hold, life: u64) {
    let writer = LogWriter::start(Arc::<DiskLog>::clone(hold.log())).unwrap();
    let ends: BTreeMap<_, _> = hold.log().heads().unwrap().into_iter().collect();
    let mut nexts: BTreeMap<RunId, Seq> = (0..RUNS)
        .map(|number| run(&format!("run-{number}")))
        .map(|run| (run.clone(), ends.get(&run).map_or(0, |last| last + 1)))
        .collect();
    for round in 0..ROUNDS {
        let mut appending = JoinSet::new();
        for (run, next) in &mut nexts {
            // Appends of one, two and three events.
            let count = *next % 3 + 1;
            let (writer, run, place) = (writer.clone(), run.clone(), *next);
            appending.spawn(async move { append(&writer, &run, place, count, event).await });
            *next += count;
        }
        appending.join_all().await;
        match round % 12 {
            2 => {
                let number = life * ROUNDS + round;
                hold.evidence().put(&evidence(number)).unwrap();
                say(&format!("evidence {number}"));
            }
            4 => {
                append(
                    &writer,
                    &run(&format!("long-{life}-{round}")),
                    0,
                    115,
                    event,
                )
                .await
            }
            _ => {}
        }
    }
}

pub(super) async fn append(
    writer: &LogWriter,
    run: &RunId,
    next: Seq,
    count: Seq,
    event: fn(Seq) -> Event,
) {
    let events = (next..next + count).map(event).collect();
    let append = Append {
        run: run.clone(),
        expected: next,
        at: moment(0),
        events,
    };
    writer.append(append).await.unwrap();
    say(&format!("stored {run} {}", next + count - 1));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
