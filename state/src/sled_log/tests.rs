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
