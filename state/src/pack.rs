//! The records of one append under one key: sled's work is by the key, not by the byte.
//!
//! Owns the form of a pack (`FORMAT.md`): an object of JSON with one record a line, as they are, which ends like a
//! record. A flowctl of before it takes it for a record of a later format and says so. It never looks into a record.

use std::borrow::Cow;

use crate::codec;

/// Every pack begins so. No record does: this is the format number of what is stored under one key, and a record's is 1.
const BEGIN: &[u8] = b"{\"format\":2,\"records\":[\n";
const BETWEEN: &[u8] = b",\n";
const END: &[u8] = b"\n]";

/// A pack is no longer than this: a reader holds one at a time, and it fills no more than a page of sled's tree.
const FULL: usize = 60 * 1024;

/// What is stored of these records, in their order: each with how many records it holds. A record that stands alone is
/// stored as it is.
pub(crate) fn pack(records: &[Vec<u8>]) -> Vec<(usize, Cow<'_, [u8]>)> {
    let mut packs = Vec::new();
    let mut rest = records;
    while let [first, after @ ..] = rest {
        let mut length = BEGIN.len() + first.len();
        let fitting = after.iter().take_while(|record| {
            length += BETWEEN.len() + record.len();
            length <= FULL
        });
        let count = 1 + fitting.count();
        let (together, later) = rest.split_at(count);
        packs.push(match together {
            [alone] => (1, Cow::Borrowed(alone.as_slice())),
            several => (count, Cow::Owned(joined(several))),
        });
        rest = later;
    }
    packs
}

fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let length: usize = records.iter().map(|record| record.len() + 2).sum();
    let mut pack = Vec::with_capacity(BEGIN.len() + length + 64);
    pack.extend_from_slice(BEGIN);
    for (place, record) in records.iter().enumerate() {
        if place > 0 {
            pack.extend_from_slice(BETWEEN);
        }
        pack.extend_from_slice(record);
    }
    pack.extend_from_slice(END);
    codec::end_with_sum(&mut pack);
    pack
}

/// The records of what was stored under one key. What is no whole pack comes as one record, which nobody can read: then
/// its place is told.
pub(crate) fn records(stored: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let lines = stored
        .strip_prefix(BEGIN)
        .and_then(codec::without_sum)
        .and_then(|lines| lines.strip_suffix(END));
    let packed = lines.is_some();
    // No record has a line break in it.
    lines
        .unwrap_or(stored)
        .split(move |byte| packed && *byte == b'\n')
        .map(move |line| match line.strip_suffix(b",") {
            Some(record) if packed => record,
            _ => line,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Vec<u8> {
        format!("{{\"format\":1,\"text\":\"{text}\"}}").into_bytes()
    }

    fn unpacked(packs: &[(usize, Cow<'_, [u8]>)]) -> Vec<Vec<u8>> {
        packs
            .iter()
            .flat_map(|(_, stored)| records(stored))
            .map(<[u8]>::to_vec)
            .collect()
    }

    #[test]
    fn records_come_back_as_they_were_and_a_single_one_is_stored_as_it_is() {
        let one = [record("one")];
        assert_eq!(pack(&one), [(1, Cow::Borrowed(one[0].as_slice()))]);
        assert_eq!(pack(&[]), []);
        let several = ["one", "two", "three"].map(record);
        let packs = pack(&several);
        assert_eq!(packs.len(), 1);
        assert_eq!(packs[0].0, 3);
        assert_eq!(unpacked(&packs), several);
        let backwards: Vec<&[u8]> = records(&packs[0].1).rev().collect();
        assert_eq!(backwards, [&several[2], &several[1], &several[0]]);
    }

    #[test]
    fn a_pack_is_never_longer_than_a_page_and_a_long_record_stands_alone() {
        let mut several: Vec<Vec<u8>> = (0..700).map(|n| record(&"x".repeat(n))).collect();
        several.insert(300, record(&"y".repeat(2 * FULL)));
        let packs = pack(&several);
        assert_eq!(unpacked(&packs), several);
        assert_eq!(packs.iter().map(|(count, _)| count).sum::<usize>(), 701);
        for (count, stored) in &packs {
            assert!(*count == 1 || stored.len() <= FULL + 64, "{}", stored.len());
        }
        assert!(packs.len() < 10, "{}", packs.len());
    }

    #[test]
    fn a_flowctl_of_before_says_that_a_newer_one_wrote_it() {
        let packs = pack(&["one", "two"].map(record)).remove(0).1.into_owned();
        assert_eq!(codec::decode(&packs), Err(codec::Unreadable::Newer(2)));
    }

    #[test]
    fn a_pack_that_is_cut_is_one_record_that_nobody_can_read() {
        let packed = pack(&["one", "two"].map(record)).remove(0).1.into_owned();
        let cut = &packed[..packed.len() - 1];
        assert_eq!(records(cut).collect::<Vec<_>>(), [cut]);
    }
}
