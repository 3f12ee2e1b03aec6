//! One suite, run against every log: what `EventLog` promises.

use std::ops::ControlFlow;

use crate::plain_log::PlainLog;
use crate::support::{measured, moment, run, started, step, succeeded};
use flowctl_state::LogError;
use flowctl_state::codec::sha256;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::Envelope;
use flowctl_state::log::{Append, EventLog};
use flowctl_state::memory_log::MemoryLog;
use serde_json::json;

/// A place that keeps a log while no process has it open.
trait Place {
    fn open(&mut self) -> Box<dyn EventLog>;
}

struct Memory(MemoryLog);

impl Place for Memory {
    fn open(&mut self) -> Box<dyn EventLog> {
        let log = self.0.reopened();
        self.0 = log.reopened();
        Box::new(log)
    }
}

struct Disk(tempfile::TempDir, u64);

impl Place for Disk {
    fn open(&mut self) -> Box<dyn EventLog> {
        self.1 += 2;
        Box::new(DiskLog::open(self.0.path()).unwrap().writing_as(self.1))
    }
}

/// The log that benchmarks hold the real one against.
struct Plain(tempfile::TempDir, u64);

impl Place for Plain {
    fn open(&mut self) -> Box<dyn EventLog> {
        self.1 += 2;
        Box::new(PlainLog::open(self.0.path(), self.1).unwrap())
    }
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&mut super::Memory(super::MemoryLog::new())) })*
        }
        mod plain {
            $(#[test] fn $name() { super::$name(&mut super::Plain(tempfile::tempdir().unwrap(), 0)) })*
        }
        mod disk {
            $(#[test] fn $name() { super::$name(&mut super::Disk(tempfile::tempdir().unwrap(), 0)) })*
        }
    };
}

contract!(
    what_is_acknowledged_is_read_again_after_a_restart,
    each_record_holds_the_hash_of_the_one_before,
    a_wrong_expectation_is_refused_and_harms_nothing,
    appends_of_one_commit_follow_each_other,
    nothing_appended_is_nothing_stored,
    an_event_that_cannot_be_read_back_is_refused_alone,
    long_records_come_back_whole,
    a_replay_begins_and_ends_where_it_is_told,
    runs_are_listed_newest_first,
    runs_whose_names_begin_alike_are_told_apart,
    a_restored_run_is_the_same_to_the_byte,
    an_unknown_run_is_an_error,
);

fn what_is_acknowledged_is_read_again_after_a_restart(place: &mut dyn Place) {
    let log = place.open();
    let first = log
        .append(&run("a"), 0, moment(0), vec![started(), step("one", 1)])
        .unwrap();
    let second = log
        .append(
            &run("a"),
            2,
            moment(1),
            vec![measured("one", 0.1 + 0.2, "ab")],
        )
        .unwrap();
    let all: Vec<Envelope> = first.into_iter().chain(second).collect();
    assert_eq!(
        all.iter().map(|envelope| envelope.seq).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(log.read(&run("a")).unwrap(), all);
    let epoch = all[0].epoch;
    drop(log);

    let log = place.open();
    assert_eq!(log.read(&run("a")).unwrap(), all);
    let third = log
        .append(&run("a"), 3, moment(2), vec![step("two", 1)])
        .unwrap();
    assert!(
        third[0].epoch > epoch,
        "a later holder writes under a later epoch"
    );
    assert_eq!(log.read(&run("a")).unwrap()[3], third[0]);
}

fn each_record_holds_the_hash_of_the_one_before(place: &mut dyn Place) {
    let log = place.open();
    log.append(&run("a"), 0, moment(0), vec![started(), step("one", 1)])
        .unwrap();
    log.append(&run("a"), 2, moment(0), vec![step("two", 1)])
        .unwrap();
    let mut before = String::new();
    let envelopes = log.read(&run("a")).unwrap();
    log.records(&run("a"), 0, &mut |seq, record| {
        assert_eq!(envelopes[usize::try_from(seq).unwrap()].prev, before);
        before = sha256(&record);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(before.len(), 64);
}

fn a_wrong_expectation_is_refused_and_harms_nothing(place: &mut dyn Place) {
    let log = place.open();
    log.append(&run("a"), 0, moment(0), vec![started()])
        .unwrap();
    for expected in [0, 2] {
        let error = log
            .append(&run("a"), expected, moment(0), vec![step("one", 1)])
            .unwrap_err();
        assert!(
            matches!(error, LogError::Conflict { found: 1, .. }),
            "{error}"
        );
    }
    log.append(&run("a"), 1, moment(0), vec![step("one", 1)])
        .unwrap();
    assert_eq!(log.read(&run("a")).unwrap().len(), 2);
}

fn appends_of_one_commit_follow_each_other(place: &mut dyn Place) {
    let log = place.open();
    let append = |name, expected, events| Append {
        run: run(name),
        expected,
        at: moment(0),
        events,
    };
    let answers = log.commit(vec![
        append("a", 0, vec![started()]),
        append("b", 0, vec![started()]),
        append("a", 9, vec![step("lost", 1)]),
        append("a", 1, vec![step("one", 1), step("two", 1)]),
    ]);
    let lengths: Vec<Option<usize>> = answers
        .iter()
        .map(|answer| answer.as_ref().ok().map(Vec::len))
        .collect();
    assert_eq!(lengths, [Some(1), Some(1), None, Some(2)]);
    assert_eq!(log.read(&run("a")).unwrap().len(), 3);
    assert_eq!(log.read(&run("b")).unwrap().len(), 1);
}

fn nothing_appended_is_nothing_stored(place: &mut dyn Place) {
    let log = place.open();
    assert_eq!(log.append(&run("a"), 0, moment(0), Vec::new()).unwrap(), []);
    assert_eq!(log.runs().unwrap(), []);
}

fn an_event_that_cannot_be_read_back_is_refused_alone(place: &mut dyn Place) {
    let log = place.open();
    log.append(&run("a"), 0, moment(0), vec![started()])
        .unwrap();
    let error = log
        .append(
            &run("a"),
            1,
            moment(0),
            vec![step("one", 1), measured("one", f64::NAN, "ab")],
        )
        .unwrap_err();
    assert!(
        matches!(error, LogError::Unstorable { seq: 2, .. }),
        "{error}"
    );
    log.append(&run("a"), 1, moment(0), vec![step("one", 1)])
        .unwrap();
    assert_eq!(log.read(&run("a")).unwrap().len(), 2);
}

fn long_records_come_back_whole(place: &mut dyn Place) {
    let log = place.open();
    let mut written = log
        .append(&run("a"), 0, moment(0), vec![started()])
        .unwrap();
    for (seq, length) in (1..).zip([1, 3900, 4096, 4097, 70_000, 900_000, 5]) {
        let event = succeeded("one", json!("ü\"\n".repeat(length)));
        written.extend(log.append(&run("a"), seq, moment(0), vec![event]).unwrap());
    }
    drop(log);
    assert_eq!(place.open().read(&run("a")).unwrap(), written);
}

fn a_replay_begins_and_ends_where_it_is_told(place: &mut dyn Place) {
    let log = place.open();
    log.append(
        &run("a"),
        0,
        moment(0),
        vec![started(), step("x", 1), step("y", 1), step("z", 1)],
    )
    .unwrap();
    let seen = |from, enough: usize| {
        let mut seen = Vec::new();
        log.replay(&run("a"), from, &mut |envelope| {
            seen.push(envelope.seq);
            if seen.len() == enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
        seen
    };
    assert_eq!(seen(0, 2), [0, 1]);
    assert_eq!(seen(1, 9), [1, 2, 3]);
    assert_eq!(seen(3, 9), [3]);
    assert_eq!(seen(4, 9), Vec::<u64>::new());
    assert_eq!(seen(9, 9), Vec::<u64>::new());
}

fn runs_are_listed_newest_first(place: &mut dyn Place) {
    let log = place.open();
    for (name, start) in [("b", 5), ("a", 9), ("c", 1)] {
        log.append(
            &run(name),
            0,
            moment(start),
            vec![started(), step("one", 1)],
        )
        .unwrap();
    }
    let rows = log.runs().unwrap();
    assert_eq!(
        rows.iter().map(|row| row.run.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(rows.iter().all(|row| row.last == 1));
    assert_eq!(rows[2].started, Some(moment(1)));
}

fn runs_whose_names_begin_alike_are_told_apart(place: &mut dyn Place) {
    let log = place.open();
    let names = ["a", "a-b", "a0", "a_", "aa"];
    for name in names {
        log.append(&run(name), 0, moment(0), vec![started()])
            .unwrap();
    }
    log.append(&run("a"), 1, moment(1), vec![step("one", 1)])
        .unwrap();
    drop(log);
    let log = place.open();
    let mut left: Vec<String> = log
        .runs()
        .unwrap()
        .iter()
        .map(|row| row.run.to_string())
        .collect();
    left.sort();
    assert_eq!(left, names);
    for name in names {
        let events = log.read(&run(name)).unwrap();
        assert_eq!(events.len(), if name == "a" { 2 } else { 1 }, "{name}");
    }
}

fn a_restored_run_is_the_same_to_the_byte(place: &mut dyn Place) {
    let source = MemoryLog::new();
    let big = succeeded("one", json!("x".repeat(10_000)));
    source
        .append(
            &run("a"),
            0,
            moment(0),
            vec![started(), big, step("two", 1)],
        )
        .unwrap();
    let records = |log: &dyn EventLog| {
        let mut records = Vec::new();
        log.records(&run("a"), 0, &mut |_, record| {
            records.push(record.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
        records
    };
    let wanted = records(&source);
    let log = place.open();
    log.restore(&run("a"), wanted.clone()).unwrap();
    assert_eq!(records(log.as_ref()), wanted);
    let again = log.restore(&run("a"), wanted.clone()).unwrap_err();
    assert!(
        matches!(again, LogError::Conflict { found: 3, .. }),
        "{again}"
    );
    log.append(&run("a"), 3, moment(1), vec![step("two", 2)])
        .unwrap();
    drop(log);
    assert_eq!(place.open().read(&run("a")).unwrap().len(), 4);
}

fn an_unknown_run_is_an_error(place: &mut dyn Place) {
    let log = place.open();
    assert!(matches!(
        log.read(&run("nothing")),
        Err(LogError::UnknownRun { .. })
    ));
    assert_eq!(log.runs().unwrap(), []);
}

#[test]
fn a_second_opener_is_told_that_the_log_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let first = DiskLog::open(directory.path()).unwrap();
    let error = DiskLog::open(directory.path()).unwrap_err();
    assert!(matches!(error, LogError::Held { .. }), "{error}");
    drop(first);
    DiskLog::open(directory.path()).unwrap();
}

#[test]
fn a_log_opened_for_reading_takes_no_append() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    let error = log
        .append(&run("a"), 0, moment(0), vec![started()])
        .unwrap_err();
    assert!(matches!(error, LogError::ReadingOnly { .. }), "{error}");
    assert_eq!(log.runs().unwrap(), []);
}

#[test]
fn a_plain_log_cuts_off_what_was_not_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.log");
    let open = || PlainLog::open(directory.path(), 1).unwrap();
    let log = open();
    log.append(&run("a"), 0, moment(0), vec![started()])
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    log.append(&run("a"), 1, moment(0), vec![step("s", 1)])
        .unwrap();
    let both = std::fs::read(&path).unwrap();
    for cut in whole.len()..both.len() {
        std::fs::write(&path, &both[..cut]).unwrap();
        assert_eq!(open().heads().unwrap(), [(run("a"), 0)], "cut at {cut}");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
    let mut flipped = both.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let log = open();
    let again = log.append(&run("a"), 1, moment(0), vec![step("s", 1)]);
    assert_eq!(again.unwrap().len(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), both);
}
