//! A damaged disk is told apart from a whole one: nothing is lost or changed in silence.

use std::fs;
use std::path::Path;

use flowctl_state::LogError;
use flowctl_state::check::check;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::Envelope;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::log::EventLog;
use serde_json::json;

use crate::random::Random;
use crate::support::{moment, run, started, step, succeeded};

/// A closed log with two runs.
fn closed_log(directory: &Path) -> Vec<Vec<Envelope>> {
    let log = DiskLog::open(directory).unwrap().writing_as(1);
    for name in ["a", "b"] {
        log.append(&run(name), 0, moment(0), vec![started(), step("one", 1)])
            .unwrap();
        for seq in 2..30 {
            let event = succeeded("one", json!("x".repeat(usize::try_from(seq).unwrap() * 40)));
            log.append(&run(name), seq, moment(0), vec![event]).unwrap();
        }
    }
    vec![log.read(&run("a")).unwrap(), log.read(&run("b")).unwrap()]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether the damage was told; what was not told must be as it was written.
fn is_told(directory: &Path, written: &[Vec<Envelope>]) -> bool {
    let evidence = tempfile::tempdir().unwrap();
    let evidence = EvidenceStore::open(evidence.path()).unwrap();
    let log = match DiskLog::open(directory) {
        Ok(log) => log,
        Err(error) => {
            assert!(
                matches!(error, LogError::Store { .. } | LogError::Io { .. }),
                "{error}"
            );
            return true;
        }
    };
    let Ok(found) = check(&log, &evidence) else {
        return true;
    };
    if found.iter().any(|run| !run.is_whole()) {
        return true;
    }
    let left: Vec<Vec<Envelope>> = found
        .iter()
        .map(|found| log.read(&found.run).unwrap())
        .collect();
    assert!(
        left == written,
        "events were lost or changed, and nobody noticed"
    );
    false
}

/// Changes a bit of the byte at `part` of `parts`.
fn flip(bytes: &mut [u8], part: usize, parts: usize) {
    let place = bytes.len() * part / parts;
    bytes[place] ^= 0x20;
}

#[test]
fn a_flipped_byte_anywhere_in_the_store_is_told_or_harmless() {
    let parent = tempfile::tempdir().unwrap();
    let whole = parent.path().join("whole");
    let written = closed_log(&whole);
    let after = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let damaged = parent.path().join("damaged");
        copy(&whole, &damaged);
        let mut bytes = fs::read(damaged.join(name)).unwrap();
        change(&mut bytes);
        fs::write(damaged.join(name), bytes).unwrap();
        let told = is_told(&damaged, &written);
        fs::remove_dir_all(&damaged).unwrap();
        told
    };
    assert!(!after("events.redb", &|_| {}), "a copy is whole");
    let used = fs::read(whole.join("events.redb"))
        .unwrap()
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap();
    let flips = 40;
    let told = (0..flips)
        .filter(|n| after("events.redb", &|bytes| flip(&mut bytes[..used], *n, flips)))
        .count();
    assert!(told > flips / 2, "of {flips} flips {told} were told");
    for n in 0..10 {
        assert!(
            !after("heads", &|bytes| flip(bytes, n, 10)),
            "a bad note condemns nothing"
        );
    }
    assert!(after("events.redb", &|bytes| bytes.truncate(used / 2)));
}

/// One of the ways in which a disk fails, at a place picked by chance.
fn harm(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let place = |random: &mut Random, length: usize| {
        usize::try_from(random.below(length.max(1) as u64)).unwrap()
    };
    let at = place(random, bytes.len());
    let sector = at / 512 * 512..(at / 512 * 512 + 512).min(bytes.len());
    match random.below(4) {
        0 if !bytes.is_empty() => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} is the other way round")
        }
        1 => {
            bytes.truncate(at);
            format!("it ends at {at}")
        }
        2 => {
            bytes[sector.clone()].fill(0);
            format!("{sector:?} are zeros")
        }
        _ => {
            let from = place(random, bytes.len() / 512) * 512;
            let other = bytes[from..(from + 512).min(bytes.len())].to_vec();
            let length = sector.len().min(other.len());
            bytes[sector.start..sector.start + length].copy_from_slice(&other[..length]);
            format!("{sector:?} are what is at {from}")
        }
    }
}

/// `FLOWCTL_DAMAGES` asks for more, `FLOWCTL_DAMAGE_SEED` for others.
#[test]
fn whatever_a_disk_does_to_any_file_is_told_or_harmless() {
    let mut random = Random(Random::asked("FLOWCTL_DAMAGE_SEED", 20_261_123));
    let parent = tempfile::tempdir().unwrap();
    let whole = parent.path().join("whole");
    let written = closed_log(&whole);
    let files: Vec<_> = ["events.redb", "events.redb", "events.redb", "heads"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            fs::read_dir(&whole)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap()),
        )
        .filter(|name| whole.join(name).is_file())
        .collect();
    let mut told = 0;
    let damages = Random::asked("FLOWCTL_DAMAGES", 40);
    for _ in 0..damages {
        let damaged = parent.path().join("damaged");
        copy(&whole, &damaged);
        let name = &files[usize::try_from(random.below(files.len() as u64)).unwrap()];
        let mut bytes = fs::read(damaged.join(name)).unwrap();
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let tail = bytes.split_off(used);
        let what = harm(&mut bytes, &mut random);
        if bytes.len() == used {
            bytes.extend(tail);
        }
        fs::write(damaged.join(name), &bytes).unwrap();
        println!("{name}: {what}");
        told += u64::from(is_told(&damaged, &written));
        fs::remove_dir_all(&damaged).unwrap();
    }
    println!("{told} of {damages} damages were told, and the others were harmless");
    assert!(told > 0, "nothing was told");
}

#[test]
fn a_store_that_lost_its_end_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("log");
    let early = parent.path().join("early");
    let log = DiskLog::open(&path).unwrap().writing_as(1);
    log.append(&run("a"), 0, moment(0), vec![started(), step("one", 1)])
        .unwrap();
    drop(log);
    copy(&path, &early);
    let log = DiskLog::open(&path).unwrap().writing_as(2);
    log.append(
        &run("a"),
        2,
        moment(0),
        vec![step("two", 1), step("three", 1)],
    )
    .unwrap();
    drop(log);

    // The store goes back in time; the note of how far the run had come does not.
    fs::copy(path.join("heads"), early.join("heads")).unwrap();
    let log = DiskLog::open(&early).unwrap().writing_as(3);
    let error = log.read(&run("a")).unwrap_err();
    assert!(matches!(error, LogError::Damaged { seq: 2, .. }), "{error}");

    // Events written over the lost ones do not hide it either.
    log.append(
        &run("a"),
        2,
        moment(9),
        vec![step("other", 1), step("other", 2)],
    )
    .unwrap();
    let error = log.read(&run("a")).unwrap_err();
    assert!(matches!(error, LogError::Damaged { seq: 3, .. }), "{error}");
}
