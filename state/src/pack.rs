//! The events of one append under one key, without what their records repeat.
//!
//! A store's work is by the key, and most of a record of a short event is what the one before it says as well, or what can
//! be worked out: the run, the epoch, the time, the hash of the one before, the checksum. Owns the form of a pack
//! (`FORMAT.md`) and gives back the very records that went into it. It never looks into an event.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::codec;
use crate::event::Seq;
use crate::log::{Record, Visit};

/// How a pack begins; a record begins with the other. A flowctl of before packs takes one for a record of a later format.
const PACK: &[u8] = b"{\"format\":2";
const RECORD: &[u8] = b"{\"format\":1";
const SEQ: &[u8] = b",\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const EVENT: &[u8] = b"\",\"event\":";
const EVENTS: &[u8] = b"\",\"events\":[\n";
const BETWEEN: &[u8] = b",\n";
const END: &[u8] = b"\n]";

/// A pack is hardly longer than this: a reader holds one at a time, and a damaged one is lost as a whole.
const FULL: usize = 16 * 1024;

/// What stands in a record, or in a pack, before its event or events.
struct Head<'a> {
    /// Up to the digits of `seq`.
    run: &'a [u8],
    seq: Seq,
    /// From there to the digits of `prev`.
    moment: &'a [u8],
    prev: &'a [u8],
}

impl<'a> Head<'a> {
    /// None of the keys is in a value: a run's id, a number, a time and a hash have no quotation mark.
    fn read(text: &'a [u8]) -> Option<Self> {
        let seq = find(text, SEQ)? + SEQ.len();
        let (run, text) = text.split_at(seq);
        let digits = text.iter().position(|byte| !byte.is_ascii_digit())?;
        let (digits, text) = text.split_at(digits);
        let prev = find(text, PREV)? + PREV.len();
        let (moment, prev) = text.split_at(prev);
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self {
            run,
            seq,
            moment,
            prev,
        })
    }
}

/// What is stored of the records from `first` on, in their order: each with its place. What shares no head with the one
/// before it is stored as it is.
pub(crate) fn pack(first: Seq, records: &[Vec<u8>]) -> Vec<(Seq, Cow<'_, [u8]>)> {
    let mut stored = Vec::new();
    let mut seq = first;
    let mut rest = records;
    while let [alone, after @ ..] = rest {
        match joined(rest) {
            Some((count, pack)) => {
                stored.push((seq, Cow::Owned(pack)));
                seq += count as Seq;
                rest = &rest[count..];
            }
            None => {
                stored.push((seq, Cow::Borrowed(alone.as_slice())));
                seq += 1;
                rest = after;
            }
        }
    }
    stored
}

/// As many of the first records as fit into one pack, if that is more than one.
fn joined(records: &[Vec<u8>]) -> Option<(usize, Vec<u8>)> {
    let [first, second, ..] = records else {
        return None;
    };
    let (head, event) = parts(first)?;
    if first.len() + second.len() > FULL {
        return None;
    }
    let mut pack = Vec::with_capacity(FULL.min(records.len() * first.len()));
    pack.extend_from_slice(PACK);
    pack.extend_from_slice(first.get(RECORD.len()..find(first, EVENT)?)?);
    pack.extend_from_slice(EVENTS);
    pack.extend_from_slice(event);
    let mut count = 1;
    for (record, seq) in records[1..].iter().zip(head.seq + 1..) {
        let Some((next, event)) = parts(record) else {
            break;
        };
        let follows = (next.run, next.seq, next.moment) == (head.run, seq, head.moment);
        if !follows || pack.len() + event.len() > FULL {
            break;
        }
        pack.extend_from_slice(BETWEEN);
        pack.extend_from_slice(event);
        count += 1;
    }
    pack.extend_from_slice(END);
    codec::end_with_sum(&mut pack);
    // What does not come back to the byte (a record of elsewhere that is written otherwise) is not packed.
    let mut same = 0;
    let _ = unpack(head.seq, &pack, &mut |_, record| {
        match records
            .get(same)
            .is_some_and(|written| **written == *record)
        {
            true => same += 1,
            false => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    });
    (count > 1 && same == count).then_some((count, pack))
}

/// The head of a record and its event.
fn parts(record: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let text = codec::body(record)?.strip_prefix(RECORD)?;
    let (head, event) = text.split_at(find(text, EVENT)?);
    Some((Head::read(head)?, &event[EVENT.len()..]))
}

/// Shows the records of what is stored at `first`. What is no whole pack comes as one record: if it is none, its reader
/// says so.
pub(crate) fn unpack(first: Seq, stored: &[u8], visit: Visit<'_>) -> ControlFlow<()> {
    let Some((head, events)) = opened(stored) else {
        return visit(first, stored.into());
    };
    let mut given = Some(head.prev);
    let mut prev = [0; 64];
    let mut record = Vec::new();
    let events = events.split(|byte| *byte == b'\n');
    for (event, seq) in events.zip(head.seq..) {
        record.clear();
        record.extend_from_slice(RECORD);
        record.extend_from_slice(head.run);
        record.extend_from_slice(seq.to_string().as_bytes());
        record.extend_from_slice(head.moment);
        record.extend_from_slice(given.take().unwrap_or(&prev));
        record.extend_from_slice(EVENT);
        record.extend_from_slice(event.strip_suffix(b",").unwrap_or(event));
        let hash = codec::end_with_sum(&mut record);
        visit(seq, Record::made(&record, &hash))?;
        prev = codec::digits_of(hash);
    }
    ControlFlow::Continue(())
}

/// The head and the events of a pack that is as it was written.
fn opened(stored: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let text = stored.strip_prefix(PACK)?;
    codec::verify_sum(stored).ok()?;
    let text = codec::body(text)?.strip_suffix(END)?;
    let (head, events) = text.split_at(find(text, EVENTS)?);
    Some((Head::read(head)?, &events[EVENTS.len()..]))
}

fn find(text: &[u8], key: &[u8]) -> Option<usize> {
    text.windows(key.len()).position(|window| window == key)
}

#[cfg(test)]
mod tests;
