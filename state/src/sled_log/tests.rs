//! What only the inside can see: which files sled opens, and that they are made durable.

use serde_json::json;

use super::*;
use crate::event::Event;

fn long_event() -> Event {
    Event::StepCheckpointed {
        step: flowctl_workflows::StepId::new("one").unwrap(),
        attempt: 1,
        handle: json!("x".repeat(300_000)),
    }
}

/// Appends a long record and says how many files of its own sled opened for it.
fn files_for_a_long_record(part: usize) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open_with_parts_of(directory.path(), part)
        .unwrap()
        .writing_as(1);
    let run = RunId::new("a").unwrap();
    let written = log
        .append(&run, 0, jiff::Timestamp::UNIX_EPOCH, vec![long_event()])
        .unwrap();
    let files = std::fs::read_dir(directory.path().join("blobs"))
        .unwrap()
        .count();
    assert_eq!(log.files.durable_blobs(), files, "each was made durable");
    drop(log);
    assert_eq!(
        SledLog::open(directory.path()).unwrap().read(&run).unwrap(),
        written
    );
    files
}

#[test]
fn a_record_cut_into_parts_opens_no_file() {
    assert_eq!(files_for_a_long_record(PART), 0);
}

#[test]
fn a_file_that_sled_opens_for_a_long_value_is_made_durable() {
    assert!(files_for_a_long_record(usize::MAX) > 0);
}

fn steps(attempts: std::ops::Range<u32>) -> Vec<Event> {
    let step = flowctl_workflows::StepId::new("one").unwrap();
    attempts
        .map(|attempt| Event::StepStarted {
            step: step.clone(),
            attempt,
        })
        .collect()
}

#[test]
fn an_append_is_stored_under_one_key_and_read_from_anywhere_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap().writing_as(1);
    let run = RunId::new("a").unwrap();
    let mut written = Vec::new();
    for (first, last) in [(0, 50), (50, 51), (51, 90)] {
        written.extend(
            log.append(
                &run,
                first.into(),
                jiff::Timestamp::UNIX_EPOCH,
                steps(first..last),
            )
            .unwrap(),
        );
    }
    let keys = log.store.scan_prefix(keys::prefix(&run)).count();
    assert_eq!(keys, 3, "one for each append");
    drop(log);
    let log = SledLog::open(directory.path()).unwrap();
    for from in [0, 1, 49, 50, 51, 52, 89] {
        let mut read = Vec::new();
        log.replay(&run, from, &mut |envelope| {
            read.push(envelope);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(read, written[usize::try_from(from).unwrap()..]);
    }
    assert_eq!(log.heads().unwrap(), [(run, 89)]);
}

/// Before packs each record had a key of its own, in parts of 4096 bytes.
#[test]
fn a_store_of_before_packs_is_read_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap().writing_as(1);
    let run = RunId::new("a").unwrap();
    let append = Append {
        run: run.clone(),
        expected: 0,
        at: jiff::Timestamp::UNIX_EPOCH,
        events: steps(0..3).into_iter().chain([long_event()]).collect(),
    };
    let sealed = seal_all(vec![append], 1, &mut Heads::new(), |_| Ok(None)).remove(0);
    let sealed = sealed.unwrap();
    let mut batch = sled::Batch::default();
    for (seq, record) in (0..).zip(&sealed.records) {
        for (number, part) in (0..).zip(record.chunks(4096)) {
            batch.insert(keys::key(&run, seq, number), part);
        }
    }
    log.store(batch).unwrap();
    drop(log);

    let log = SledLog::open(directory.path()).unwrap().writing_as(2);
    assert_eq!(log.read(&run).unwrap(), sealed.envelopes);
    let later = log
        .append(&run, 4, jiff::Timestamp::UNIX_EPOCH, steps(4..8))
        .unwrap();
    drop(log);
    let log = SledLog::open(directory.path()).unwrap();
    let all: Vec<Envelope> = sealed.envelopes.into_iter().chain(later).collect();
    assert_eq!(log.read(&run).unwrap(), all);
    let mut from_the_middle = Vec::new();
    log.records(&run, 2, &mut |seq, _| {
        from_the_middle.push(seq);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(from_the_middle, [2, 3, 4, 5, 6, 7]);
}
