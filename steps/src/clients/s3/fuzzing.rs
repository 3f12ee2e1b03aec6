//! A select's answer from any bytes, for the fuzz targets: the decoders that the client uses. Nothing of it is part of the
//! program.

use super::frames::Frames;
use super::refusal::{error_in, excerpt};
use super::select::Answer;

/// Reads the bytes as an answer, as the answer's one message with checksums that fit, and as the body of an error.
pub fn answers(bytes: &[u8]) {
    in_pieces(bytes, bytes.len().max(1));
    in_pieces(bytes, 7);
    // Chance does not find checksums, and behind them is what there is to read.
    let framed = framed(bytes);
    in_pieces(&framed, 1000);
    in_pieces(&[framed.as_slice(), bytes].concat(), 1000);
    drop((error_in(bytes), excerpt(bytes)));
}

fn in_pieces(bytes: &[u8], length: usize) {
    let mut answer = Answer::default();
    for chunk in bytes.chunks(length) {
        if answer.take(chunk).is_err() {
            return;
        }
    }
    drop(answer.conclude());
    let mut frames = Frames::default();
    frames.push(bytes);
    drop(frames.end());
}

/// A message: the first byte says how many of the next ones are its headers.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let (headers, payload) = match bytes.split_first() {
        Some((length, rest)) => rest.split_at(usize::from(*length).min(rest.len())),
        None => (bytes, bytes),
    };
    let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let total = 12 + headers.len() + payload.len() + 4;
    let mut frame = [word(total), word(headers.len())].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend([headers, payload].concat());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
