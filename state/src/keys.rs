//! Under which key a record is stored.
//!
//! A key is the run's id, a zero byte, the sequence number and the number of the part, both
//! big-endian: so the records of a run lie together, in their order, and no run's id is the beginning
//! of another's key. It never sees a record.

use flowctl_workflows::RunId;

use crate::event::Seq;

const TAIL: usize = size_of::<Seq>() + size_of::<u16>();

/// What all keys of a run begin with.
pub(crate) fn prefix(run: &RunId) -> Vec<u8> {
    let mut key = Vec::with_capacity(run.as_str().len() + 1 + TAIL);
    key.extend_from_slice(run.as_str().as_bytes());
    key.push(0);
    key
}

/// A bound that lies after all keys of a run and before those of the next.
pub(crate) fn after(run: &RunId) -> Vec<u8> {
    let mut bound = run.as_str().as_bytes().to_vec();
    bound.push(1);
    bound
}

/// The key of a part of a record.
pub(crate) fn key(run: &RunId, seq: Seq, part: u16) -> Vec<u8> {
    let mut key = prefix(run);
    key.extend_from_slice(&seq.to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// The run and the place that a key stands for; `None` if it is not one of these.
pub(crate) fn parse(key: &[u8]) -> Option<(RunId, Seq)> {
    let (name, tail) = key.split_at_checked(key.len().checked_sub(TAIL)?)?;
    let run = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
    let seq = Seq::from_be_bytes(tail.first_chunk().copied()?);
    Some((RunId::new(run).ok()?, seq))
}

/// The place that a key of the run with this prefix stands for; `None` if it is not one of these.
pub(crate) fn place(prefix: &[u8], key: &[u8]) -> Option<Seq> {
    let tail = key.strip_prefix(prefix)?;
    let seq = Seq::from_be_bytes(tail.first_chunk().copied()?);
    (tail.len() == TAIL).then_some(seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunId {
        RunId::new(name).unwrap()
    }

    #[test]
    fn a_key_is_read_back() {
        assert_eq!(parse(&key(&run("a-1"), 258, 7)), Some((run("a-1"), 258)));
        for bad in [&b""[..], b"a\0", b"0123456789", &key(&run("a"), 1, 1)[1..]] {
            assert_eq!(parse(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_place_is_read_of_a_key_of_its_own_run_alone() {
        let of = |name, key: &[u8]| place(&prefix(&run(name)), key);
        let long = key(&run("a"), 258, 7);
        assert_eq!(of("a", &long), Some(258));
        assert_eq!(of("b", &long), None);
        assert_eq!(of("a", &long[..long.len() - 1]), None);
    }

    #[test]
    fn keys_are_in_the_order_of_run_place_and_part() {
        let mut keys = vec![];
        for name in ["a", "a-b", "a0", "aa", "b"] {
            for (seq, part) in [(0, 0), (0, 1), (0, 256), (1, 0), (256, 0)] {
                keys.push(key(&run(name), seq, part));
            }
            keys.push(after(&run(name)));
        }
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
