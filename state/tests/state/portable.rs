//! Export, import and check: a state can be carried, rebuilt, and trusted or not.

use flowctl_state::LogError;
use flowctl_state::check::check;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::export::export;
use flowctl_state::import::{Imported, import};
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use proptest::prelude::*;

use crate::support::{measured, moment, run, started, step};

fn sample() -> MemoryLog {
    let log = MemoryLog::new();
    for name in ["a", "b"] {
        let events = vec![started(), step("one", 1), step("two", 1), step("three", 1)];
        log.append(&run(name), 0, moment(0), events).unwrap();
    }
    log
}

fn exported(log: &dyn EventLog, names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        export(log, &run(name), &mut out).unwrap();
    }
    out
}

fn imported(log: &dyn EventLog, text: &[u8]) -> Imported {
    let mut reader = text;
    import(log, &mut reader).unwrap()
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn a_state_is_rebuilt_from_its_export_to_the_byte() {
    let text = exported(&sample(), &["a", "b"]);
    assert_eq!(lines(&text).len(), 8);
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap().writing_as(1);
    let first = imported(&log, &text);
    assert_eq!(first.problems, []);
    assert_eq!(first.runs, [(run("a"), 4), (run("b"), 4)]);
    assert_eq!(first.epoch, 1);
    let second = imported(&log, &text);
    assert_eq!(
        (second.runs.len(), second.present.len()),
        (0, 2),
        "again is no harm"
    );
    assert_eq!(exported(&log, &["a", "b"]), text);
}

#[test]
fn runs_that_are_mixed_line_by_line_come_in_too() {
    let text = exported(&sample(), &["a", "b"]);
    let lines = lines(&text);
    let mixed = [0, 4, 1, 2, 5, 6, 3, 7]
        .map(|n: usize| lines[n].clone())
        .concat();
    assert_eq!(imported(&MemoryLog::new(), &mixed).runs.len(), 2);
}

#[test]
fn a_run_with_a_gap_stays_out_and_the_other_comes_in() {
    let lines = lines(&exported(&sample(), &["a", "b"]));
    let gap = [&lines[..2], &lines[3..]].concat().concat();
    let log = MemoryLog::new();
    let result = imported(&log, &gap);
    assert_eq!(result.runs, [(run("b"), 4)]);
    assert_eq!(result.problems.len(), 1);
    assert_eq!(
        (result.problems[0].line, &result.problems[0].run),
        (3, &Some(run("a")))
    );
    assert!(
        matches!(log.read(&run("a")), Err(LogError::UnknownRun { .. })),
        "nothing half-written"
    );
}

#[test]
fn every_unreadable_line_is_named_and_nothing_comes_in() {
    let mut lines = lines(&exported(&sample(), &["a", "b"]));
    lines[1] = b"not json\n".to_vec();
    let at = lines[6].iter().position(|byte| *byte == b'1').unwrap();
    lines[6][at] = b'2';
    let log = MemoryLog::new();
    let result = imported(&log, &lines.concat());
    let unreadable: Vec<usize> = result
        .problems
        .iter()
        .filter(|problem| problem.run.is_none())
        .map(|problem| problem.line)
        .collect();
    assert_eq!(unreadable, [2, 7]);
    assert_eq!((result.runs.len(), log.runs().unwrap().len()), (0, 0));
}

#[test]
fn a_different_run_of_the_same_name_is_refused() {
    let log = sample();
    log.append(&run("a"), 4, moment(1), vec![step("four", 1)])
        .unwrap();
    let before = log.read(&run("a")).unwrap();
    let result = imported(&log, &exported(&sample(), &["a"]));
    assert_eq!(result.problems.len(), 1);
    assert!(
        result.problems[0].what.contains("from event 4 on"),
        "{:?}",
        result.problems
    );
    assert_eq!(log.read(&run("a")).unwrap(), before);
}

#[test]
fn a_damaged_run_is_exported_up_to_the_damage() {
    let log = sample();
    log.tamper(&run("a"), |records| records[2][50] ^= 1);
    let mut out = Vec::new();
    let error = export(&log, &run("a"), &mut out).unwrap_err();
    assert!(matches!(error, LogError::Damaged { seq: 2, .. }), "{error}");
    assert_eq!(imported(&MemoryLog::new(), &out).runs, [(run("a"), 2)]);
}

fn evidence() -> (tempfile::TempDir, EvidenceStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = EvidenceStore::open(&directory.path().join("evidence")).unwrap();
    (directory, store)
}

/// Checks a sample whose run `a` was changed: where the damage is, and that `b` is not blamed for it.
fn damage_after(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Option<(u64, LogError)> {
    let log = sample();
    log.tamper(&run("a"), change);
    let (_directory, evidence) = evidence();
    let mut found = check(&log, &evidence).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[1].is_whole() && found[1].readable == 4);
    let a = found.remove(0);
    assert_eq!(a.is_whole(), a.damage.is_none());
    a.damage.map(|damage| (a.readable, damage))
}

#[test]
fn every_way_to_break_a_chain_is_found_at_its_place() {
    let other = sample();
    let mut foreign = Vec::new();
    export(&other, &run("b"), &mut foreign).unwrap();
    let foreign = lines(&foreign)[2].strip_suffix(b"\n").unwrap().to_vec();
    assert!(damage_after(|_| {}).is_none());
    type Change = Box<dyn FnOnce(&mut Vec<Vec<u8>>)>;
    let changes: Vec<(&str, u64, Change)> = vec![
        ("missing", 1, Box::new(|records| drop(records.remove(1)))),
        ("swapped", 1, Box::new(|records| records.swap(1, 2))),
        (
            "doubled",
            2,
            Box::new(|records| records.insert(2, records[1].clone())),
        ),
        ("cut short", 3, Box::new(|records| records[3].truncate(40))),
        ("empty", 0, Box::new(|records| records[0].clear())),
        (
            "of another run",
            2,
            Box::new(move |records| records[2] = foreign),
        ),
    ];
    for (name, place, change) in changes {
        let (readable, damage) =
            damage_after(change).unwrap_or_else(|| panic!("{name} was not found"));
        assert_eq!(readable, place, "{name}: {damage}");
        assert!(
            matches!(&damage, LogError::Damaged { seq, .. } if *seq == place),
            "{name}: {damage}"
        );
    }
}

#[test]
fn a_record_of_the_future_is_not_called_damaged() {
    let newer = damage_after(|records| {
        let text = String::from_utf8(records[3].clone())
            .unwrap()
            .replace("\"format\":1", "\"format\":2");
        let body = &text[..text.len() - 26];
        let sum = flowctl_state::codec::sha256(body.as_bytes());
        records[3] = format!("{body},\"sum\":\"{}\"}}", &sum[..16]).into_bytes();
    });
    let (readable, error) = newer.unwrap();
    assert!(
        matches!(
            error,
            LogError::Newer {
                seq: 3,
                format: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("written by a newer flowctl"),
        "{error}"
    );
    assert_eq!(readable, 3);
}

#[test]
fn the_evidence_of_a_cancelled_step_is_examined_too() {
    use flowctl_state::event::Event;
    let (_directory, store) = evidence();
    let Event::StepSucceeded {
        step: stopped,
        evidence,
        ..
    } = measured("one", 1.1, &flowctl_state::codec::sha256(b"lost"))
    else {
        unreachable!()
    };
    let cancelled = Event::StepCancelled {
        step: stopped,
        failure: None,
        evidence,
    };
    let log = MemoryLog::new();
    let events = vec![started(), step("one", 1), cancelled];
    log.append(&run("a"), 0, moment(0), events).unwrap();
    let found = check(&log, &store).unwrap().remove(0);
    assert!(
        matches!(found.evidence[..], [(2, LogError::EvidenceMissing { .. })]),
        "{found:?}"
    );
}

#[test]
fn missing_and_damaged_evidence_is_named_with_the_event_that_needs_it() {
    let (directory, store) = evidence();
    let kept = store.put(b"kept").unwrap();
    let lost = flowctl_state::codec::sha256(b"lost");
    let log = MemoryLog::new();
    let events = vec![
        started(),
        measured("one", 1.1, &kept),
        measured("two", 1.1, &lost),
    ];
    log.append(&run("a"), 0, moment(0), events).unwrap();
    let found = check(&log, &store).unwrap().remove(0);
    assert_eq!((found.readable, found.references), (3, 4));
    assert!(
        matches!(found.evidence[..], [(2, LogError::EvidenceMissing { .. })]),
        "{found:?}"
    );

    let file = directory
        .path()
        .join("evidence")
        .join(&kept[..2])
        .join(format!("{}.gz", &kept[2..]));
    std::fs::write(file, b"other").unwrap();
    let found = check(&log, &store).unwrap().remove(0);
    assert!(found.damage.is_none() && !found.is_whole());
    assert!(
        matches!(found.evidence[0], (1, LogError::EvidenceDamaged { .. })),
        "{found:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_single_changed_byte_is_found_wherever_it_is(place in 0..4_usize, at in any::<prop::sample::Index>(), change in 1..=255_u8) {
        let found = damage_after(|records| {
            let record = &mut records[place];
            let at = at.index(record.len());
            record[at] ^= change;
        });
        let (readable, error) = found.expect("the damage is found");
        prop_assert_eq!(readable, place as u64, "{}", error);
    }
}
