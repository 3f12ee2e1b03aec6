//! What only the inside can see: under how many keys a record lies, and what is taken over of before.

use serde_json::json;

use super::*;
use crate::event::Event;
use crate::sled_import::{NAME, PUT_AWAY};

const START: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

fn long_event() -> Event {
    Event::StepCheckpointed {
        step: flowctl_workflows::StepId::new("one").unwrap(),
        attempt: 1,
        handle: json!("x".repeat(300_000)),
    }
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

fn keys_of(log: &DiskLog, run: &RunId) -> usize {
    let mut keys = 0;
    let (from, end) = (keys::prefix(run), keys::after(run));
    log.store
        .scan(&from..&end, |_, _| {
            keys += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

#[test]
fn an_append_is_stored_under_one_key_and_read_from_anywhere_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(&directory.path().join("log"))
        .unwrap()
        .writing_as(1);
    let run = RunId::new("a").unwrap();
    let mut written = Vec::new();
    for (first, last) in [(0, 50), (50, 51), (51, 90)] {
        written.extend(
            log.append(&run, first.into(), START, steps(first..last))
                .unwrap(),
        );
    }
    assert_eq!(keys_of(&log, &run), 3, "one for each append");
    drop(log);
    let log = DiskLog::open(&directory.path().join("log")).unwrap();
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

/// What is longer than a page takes more than it needs, and is written again with its neighbours.
#[test]
fn a_long_record_is_cut_so_that_each_part_is_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for (name, appended) in [("a".to_owned(), 0), ("a".repeat(100), 300_000)] {
        let log = DiskLog::open(&path).unwrap().writing_as(1);
        let before = Store::length(&path).unwrap();
        let run = RunId::new(name.as_str()).unwrap();
        let written = log.append(&run, 0, START, vec![long_event()]).unwrap();
        let parts = 300_000_usize.div_ceil(4096 - 16 - name.len() - 11);
        assert_eq!(keys_of(&log, &run), parts, "{name}");
        drop(log);
        assert_eq!(DiskLog::open(&path).unwrap().read(&run).unwrap(), written);
        let grown = Store::length(&path).unwrap() - before;
        assert!(
            appended == 0 || grown < 2 * appended,
            "{grown} bytes for {appended}"
        );
    }
}

/// A store as an earlier flowctl left it: records of `a` in parts of 4096 bytes and then in a pack, one of `b` damaged,
/// the first of `c` gone.
fn earlier(directory: &Path) -> Vec<Envelope> {
    let path = directory.join(NAME);
    let store = sled::open(&path).unwrap();
    let run = RunId::new("a").unwrap();
    let append = |expected: u64, events| Append {
        run: run.clone(),
        expected,
        at: START,
        events,
    };
    let mut heads = Heads::new();
    let first = append(0, steps(0..3).into_iter().chain([long_event()]).collect());
    let then = append(4, steps(4..9));
    let sealed = seal_all(vec![first, then], 1, &mut heads, |_| Ok(None));
    let [first, then] = sealed.try_into().unwrap();
    let (first, then) = (first.unwrap(), then.unwrap());
    for (seq, record) in (0..).zip(&first.records) {
        for (number, part) in (0..).zip(record.chunks(4096)) {
            store.insert(keys::key(&run, seq, number), part).unwrap();
        }
    }
    for (seq, pack) in pack::pack(4, &then.records) {
        store.insert(keys::key(&run, seq, 0), &*pack).unwrap();
    }
    let damaged = keys::key(&RunId::new("b").unwrap(), 0, 0);
    store.insert(damaged, b"no record").unwrap();
    let after_a_gap = keys::key(&RunId::new("c").unwrap(), 1, 0);
    store.insert(after_a_gap, b"no record").unwrap();
    store.flush().unwrap();
    drop(store);
    let mut notes = HeadNotes::read(&path);
    notes.raise(&run, heads[&run].as_ref().unwrap());
    notes.write().unwrap();
    first.envelopes.into_iter().chain(then.envelopes).collect()
}

#[test]
fn what_an_earlier_flowctl_kept_is_taken_over_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let written = earlier(directory.path());
    let path = directory.path().join("log");
    let log = DiskLog::open(&path).unwrap().writing_as(2);
    let [a, b, c] = ["a", "b", "c"].map(|name| RunId::new(name).unwrap());
    assert_eq!(log.noted(&a).map(|head| head.last), Some(8));
    assert_eq!(log.read(&a).unwrap(), written);
    let error = log.read(&b).unwrap_err();
    assert!(
        matches!(error, LogError::Damaged { .. }),
        "damage stays to be seen: {error}"
    );
    let mut places = Vec::new();
    let places_of_c = log.entries(&c, 0, &mut |seq, _| {
        places.push(seq);
        ControlFlow::Continue(())
    });
    assert!(
        places_of_c.is_ok() && places == [1],
        "a gap stays a gap: {places:?}"
    );
    log.append(&a, 9, START, steps(9..11)).unwrap();
    drop(log);
    assert!(!directory.path().join(NAME).exists());
    assert!(directory.path().join(PUT_AWAY).join("db").exists());
    assert_eq!(DiskLog::open(&path).unwrap().read(&a).unwrap().len(), 11);
}

#[test]
fn what_an_earlier_flowctl_wrote_afterwards_is_not_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    earlier(directory.path());
    drop(DiskLog::open(&path).unwrap());
    earlier(directory.path());
    let error = DiskLog::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Twice { .. }), "{error}");
    assert!(error.help().unwrap().contains("state import"));
    assert!(
        directory.path().join(NAME).join("db").exists(),
        "it is left as it is"
    );
}

#[test]
fn what_another_process_has_open_is_not_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    earlier(directory.path());
    let _other = sled::open(directory.path().join(NAME)).unwrap();
    let path = directory.path().join("log");
    let error = DiskLog::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Held { .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_taking_over_that_was_stopped_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let written = earlier(directory.path());
    let path = directory.path().join("log");
    let source = Source::beside(&path).unwrap().unwrap();
    // As far as it comes before the new log gets its name.
    let unfinished = directory.path().join("unfinished");
    Store::make(&unfinished, |made| DiskLog::take_over(source, made)).unwrap();
    assert!(!directory.path().join(NAME).exists() && !path.exists());

    let log = DiskLog::open(&path).unwrap();
    assert_eq!(log.read(&RunId::new("a").unwrap()).unwrap(), written);
}

#[test]
fn what_an_earlier_flowctl_began_after_a_stopped_taking_over_is_not_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    earlier(directory.path());
    let source = Source::beside(&path).unwrap().unwrap();
    source.put_away().unwrap();
    earlier(directory.path());
    let error = DiskLog::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Twice { .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn of_many_who_take_over_at_once_each_has_all_or_is_told_to_wait() {
    let directory = tempfile::tempdir().unwrap();
    let written = earlier(directory.path());
    let path = directory.path().join("log");
    let run = RunId::new("a").unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (path, run) = (path.clone(), run.clone());
            std::thread::spawn(move || {
                loop {
                    match DiskLog::open(&path) {
                        Ok(log) => return log.read(&run).unwrap(),
                        Err(LogError::Held { .. }) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), written);
    }
}
