use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue};
use proptest::prelude::*;

use super::*;

fn message(kind: &str, payload: &[u8]) -> Vec<u8> {
    let header = |name: &'static str, value: &str| {
        Header::new(name, HeaderValue::String(value.to_owned().into()))
    };
    let message = Message::new(payload.to_vec())
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", kind));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// All messages of these bytes, cut into pieces of this length, and what was wrong at their end.
fn read_all(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<(), BadFrame>) {
    let mut frames = Frames::default();
    let mut payloads = Vec::new();
    for piece in bytes.chunks(piece) {
        frames.push(piece);
        loop {
            match frames.next() {
                Ok(Some(message)) => payloads.push(message.payload().to_vec()),
                Ok(None) => break,
                Err(error) => return (payloads, Err(error)),
            }
        }
    }
    (payloads, frames.end())
}

#[test]
fn messages_come_out_however_the_network_cut_them() {
    let bytes = [message("Records", b"1,2\n"), message("End", b"")].concat();
    for piece in 1..=bytes.len() {
        let (payloads, end) = read_all(&bytes, piece);
        assert_eq!(
            payloads,
            [b"1,2\n".to_vec(), Vec::new()],
            "pieces of {piece}"
        );
        assert_eq!(end, Ok(()));
    }
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let first = message("Records", b"1,2\n");
    let bytes = [first.clone(), message("End", b"")].concat();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        let (payloads, end) = read_all(&changed, 7);
        let which = if at < first.len() { 1 } else { 2 };
        assert!(
            matches!(end, Err(BadFrame::Checksum { message, .. }) if message == which),
            "byte {at}: {end:?}"
        );
        assert_eq!(payloads.len(), usize::try_from(which).unwrap() - 1);
    }
}

#[test]
fn an_answer_that_stops_early_says_how_much_is_missing() {
    let bytes = message("Records", b"1,2\n");
    for kept in 1..bytes.len() {
        let (payloads, end) = read_all(&bytes[..kept], 5);
        assert!(payloads.is_empty());
        match end {
            Err(BadFrame::Cut {
                message: 1,
                missing,
            }) if kept >= PRELUDE => {
                assert_eq!(missing, bytes.len() - kept);
            }
            Err(BadFrame::Cut { message: 1, .. }) => {}
            other => panic!("{kept} bytes: {other:?}"),
        }
    }
}

#[test]
fn a_length_that_no_message_has_is_refused_before_it_is_waited_for() {
    for (total, headers) in [(u32::MAX, 0), (15, 0), (40, 30), (0, 0)] {
        let mut prelude = [total.to_be_bytes(), u32::to_be_bytes(headers)].concat();
        prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
        let (_, end) = read_all(&prelude, 12);
        assert_eq!(
            end,
            Err(BadFrame::Length {
                message: 1,
                length: total
            })
        );
    }
}

/// Bytes with good checksums round a body that may be anything, so that the parser behind them is reached.
fn enclosed(headers: u32, body: &[u8]) -> Vec<u8> {
    let total = u32::try_from(PRELUDE + body.len() + CHECKSUM).unwrap();
    let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(body);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..64) {
        let (_, end) = read_all(&bytes, piece);
        prop_assert!(bytes.is_empty() || end.is_err());
    }

    #[test]
    fn any_headers_behind_good_checksums_are_read_without_a_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        headers in 0_u32..220,
        more in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = [enclosed(headers, &body), more].concat();
        let _ = read_all(&bytes, 16);
        let _ = read_all(&bytes, bytes.len());
    }

    #[test]
    fn what_was_written_is_read(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6), piece in 1_usize..200) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| message("Records", payload)).collect();
        prop_assert_eq!(read_all(&bytes, piece), (payloads, Ok(())));
    }
}
