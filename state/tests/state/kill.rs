//! A process that is killed at any moment loses nothing that it acknowledged.
//!
//! The test starts itself again as a child that appends and prints what was acknowledged, kills it,
//! opens what it left, and lets the next child go on from there. `FLOWCTL_KILL_ROUNDS` asks for more
//! rounds, `FLOWCTL_KILL_SEED` for other moments.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use flowctl_state::directory::StateDirectory;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::{Event, Seq};
use flowctl_state::hold::Hold;
use flowctl_state::holder::Holder;
use flowctl_state::log::{Append, EventLog};
use flowctl_state::writer::LogWriter;
use flowctl_workflows::RunId;
use serde_json::json;
use tokio::task::JoinSet;

use crate::random::Random;
use crate::support::{moment, run, started, step, succeeded};

const DIRECTORY: &str = "FLOWCTL_KILL_DIRECTORY";
const RUNS: usize = 8;
const LIVES: u64 = 5;

/// What every run has at each place, so that a reader knows what must be there.
fn event(seq: Seq) -> Event {
    match seq {
        0 => started(),
        // Some records are so long that they are cut.
        47 => succeeded("long", json!("x".repeat(600_000))),
        seq if seq % 13 == 0 => succeeded("longer", json!("x".repeat(9000))),
        seq => step("one", u32::try_from(seq).unwrap()),
    }
}

/// Appends for ever. Only the parent calls it, in a process of its own.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let directory = StateDirectory::create(Path::new(&directory)).unwrap();
    let hold = Hold::to_write(&directory, "the child of a test", moment(0)).unwrap();
    let writer = LogWriter::start(Arc::<DiskLog>::clone(hold.log())).unwrap();
    let ends: BTreeMap<_, _> = hold.log().heads().unwrap().into_iter().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut appending = JoinSet::new();
    for number in 0..RUNS {
        let writer = writer.clone();
        let run = run(&format!("run-{number}"));
        let next = ends.get(&run).map_or(0, |last| last + 1);
        appending.spawn_on(append_for_ever(writer, run, next), runtime.handle());
    }
    let ended = runtime.block_on(appending.join_next());
    panic!("a task ended before the kill: {ended:?}");
}

async fn append_for_ever(writer: LogWriter, run: RunId, mut next: Seq) {
    loop {
        // Appends of one, two and three events.
        let count = next % 3 + 1;
        let events = (next..next + count).map(event).collect();
        let append = Append {
            run: run.clone(),
            expected: next,
            at: moment(0),
            events,
        };
        let stored = writer.append(append).await.unwrap();
        next = stored.last().unwrap().seq + 1;
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {run} {}", next - 1).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn no_acknowledged_event_is_lost_by_a_kill() {
    let rounds = Random::asked("FLOWCTL_KILL_ROUNDS", 25);
    let mut random = Random(Random::asked("FLOWCTL_KILL_SEED", 20_261_123));
    let mut round = 0;
    while round < rounds {
        // A few lives one after the other, because each opens what a killed one left.
        let parent = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(parent.path()).unwrap();
        let mut acknowledged: BTreeMap<String, Seq> = BTreeMap::new();
        for life in 1..=LIVES {
            let enough = random.below(250);
            let acks = kill_after(enough, parent.path(), &mut acknowledged);
            assert!(
                acks >= enough,
                "round {round}: the child died by itself after {acks} appends"
            );
            let holder = Holder::read(&directory.holder());
            // Killed before it wrote anything, it left no word either.
            if let Some(holder) = holder {
                assert!(!holder.is_alive(), "round {round}: {holder} is dead");
                assert!(
                    holder.epoch.is_some_and(|epoch| epoch <= life),
                    "round {round}: {holder:?}"
                );
            }
            nothing_is_lost(&directory, &acknowledged, round);
            round += 1;
        }
        assert_eq!(
            acknowledged.len(),
            RUNS,
            "every run was written to: {acknowledged:?}"
        );
    }
}

fn nothing_is_lost(directory: &StateDirectory, acknowledged: &BTreeMap<String, Seq>, round: u64) {
    let log = DiskLog::open(&directory.log()).unwrap();
    for (name, last) in acknowledged {
        let events = log.read(&run(name)).unwrap();
        let end = events.last().unwrap().seq;
        assert!(
            end >= *last,
            "round {round}: {name} was acknowledged up to {last}, and ends at {end}"
        );
        for envelope in events {
            assert!(
                envelope.event == event(envelope.seq),
                "round {round}: {name} at {}",
                envelope.seq
            );
        }
    }
}

/// Starts a child, kills it after so many acknowledgements, and notes all that it gave.
fn kill_after(enough: u64, directory: &Path, acknowledged: &mut BTreeMap<String, Seq>) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut count = 0;
    let mut killed = false;
    // What the pipe still holds after the death was acknowledged before it.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(ack) = line.strip_prefix("ack ") {
            let (name, last) = ack.split_once(' ').unwrap();
            acknowledged.insert(name.to_owned(), last.parse().unwrap());
            count += 1;
        }
        if count >= enough && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    count
}
