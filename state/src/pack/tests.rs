//! What goes into a pack comes out of it, and a pack that is not whole is no pack.

use flowctl_workflows::{RunId, StepId};
use serde_json::json;

use super::*;
use crate::chain::{Heads, seal_all};
use crate::event::Event;
use crate::log::Append;

fn started(attempt: u32) -> Event {
    Event::StepStarted {
        step: StepId::new("one").unwrap(),
        attempt,
    }
}

fn long(length: usize) -> Event {
    Event::StepCheckpointed {
        step: StepId::new("one").unwrap(),
        attempt: 1,
        handle: json!({"text": "x\",\"event\":{\"seq\":\n".repeat(length)}),
    }
}

/// The records of one append after another.
fn sealed(appends: Vec<Vec<Event>>) -> Vec<Vec<u8>> {
    let mut heads = Heads::new();
    let mut expected = 0;
    let appends = appends.into_iter().zip(0..).map(|(events, second)| {
        let append = Append {
            run: RunId::new("a").unwrap(),
            expected,
            at: jiff::Timestamp::from_second(second).unwrap(),
            events,
        };
        expected += append.events.len() as Seq;
        append
    });
    let sealed = seal_all(appends.collect(), 1, &mut heads, |_| Ok(None));
    sealed
        .into_iter()
        .flat_map(|sealed| sealed.unwrap().records)
        .collect()
}

fn unpacked(stored: &[(Seq, Cow<'_, [u8]>)]) -> Vec<(Seq, Vec<u8>)> {
    let mut records = Vec::new();
    for (first, stored) in stored {
        let ended = unpack(*first, stored, &mut |seq, record| {
            records.push((seq, record.to_vec()));
            ControlFlow::Continue(())
        });
        assert!(ended.is_continue());
    }
    records
}

#[test]
fn records_come_back_to_the_byte_and_a_single_one_is_stored_as_it_is() {
    let one = sealed(vec![vec![started(1)]]);
    assert_eq!(pack(0, &one), [(0, Cow::Borrowed(one[0].as_slice()))]);
    assert_eq!(pack(0, &[]), []);

    let many = sealed(vec![
        (0..300).map(started).chain([long(1), started(9)]).collect(),
    ]);
    let stored = pack(0, &many);
    let numbered: Vec<(Seq, Vec<u8>)> = (0..).zip(many.iter().cloned()).collect();
    assert_eq!(unpacked(&stored), numbered);
    let bytes = |lengths: &mut dyn Iterator<Item = usize>| lengths.sum::<usize>();
    let small = bytes(&mut stored.iter().map(|(_, stored)| stored.len()));
    let large = bytes(&mut many.iter().map(Vec::len));
    assert!(stored.len() <= 3 && small * 4 < large, "{small} of {large}");
}

#[test]
fn what_shares_no_head_is_not_packed_and_nothing_is_lost() {
    let appends = vec![
        vec![started(1), started(2)],
        vec![started(3)],
        vec![long(2 * FULL), started(4), started(5)],
        vec![
            started(6),
            long(FULL / 30),
            long(FULL / 30),
            long(FULL / 30),
        ],
    ];
    let records = sealed(appends);
    let stored = pack(0, &records);
    let numbered: Vec<(Seq, Vec<u8>)> = (0..).zip(records.iter().cloned()).collect();
    assert_eq!(unpacked(&stored), numbered);
    let places: Vec<Seq> = stored.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(places[..5], [0, 2, 3, 4, 6], "the long one stands alone");
    assert!(
        stored
            .iter()
            .all(|(_, stored)| stored.len() < 2 * FULL || stored[..] == records[3][..])
    );
}

#[test]
fn a_record_that_was_written_otherwise_is_stored_as_it_is() {
    let mut records = sealed(vec![vec![started(1), started(2), started(3)]]);
    // Its hash of the one before is not that of the one before.
    let at = find(&records[1], PREV).unwrap() + PREV.len();
    records[1][at] = if records[1][at] == b'0' { b'1' } else { b'0' };
    let stored = pack(0, &records);
    assert_eq!(stored[0], (0, Cow::Borrowed(records[0].as_slice())));
    let numbered: Vec<(Seq, Vec<u8>)> = (0..).zip(records.iter().cloned()).collect();
    assert_eq!(unpacked(&stored), numbered);
}

#[test]
fn a_flowctl_of_before_says_that_a_newer_one_wrote_it() {
    let records = sealed(vec![vec![started(1), started(2)]]);
    let stored = pack(0, &records).remove(0).1;
    assert_eq!(codec::decode(&stored), Err(codec::Unreadable::Newer(2)));
}

#[test]
fn a_changed_bit_anywhere_makes_it_one_record_that_nobody_can_read() {
    let records = sealed(vec![vec![started(1), started(2), started(3)]]);
    let whole = pack(0, &records).remove(0).1.into_owned();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        let shown = unpacked(&[(0, Cow::Borrowed(changed.as_slice()))]);
        assert_eq!(shown, [(0, changed.clone())], "byte {place}");
        assert!(codec::decode(&changed).is_err(), "byte {place}");
    }
}
