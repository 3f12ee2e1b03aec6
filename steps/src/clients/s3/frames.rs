//! Cuts a select's answer into its messages. The bytes come from outside: whatever they are, the reader gives messages
//! or says what is wrong with them, never panics, and never keeps more than one message's worth.
//!
//! The checksums are looked at here and not left to the parser, whose errors cannot be told apart: a damaged message is
//! another matter than a nonsensical one.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};

/// Total length, length of the headers, checksum of these two.
const PRELUDE: usize = 12;
/// The checksum at a message's end.
const CHECKSUM: usize = 4;
/// No message is longer: a payload has at most 16 MiB and the headers 128 KiB.
const LONGEST: usize = (16 << 20) + (128 << 10) + PRELUDE + CHECKSUM;

/// Why the bytes are no messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// A checksum that does not fit what it stands for.
    #[error(
        "the checksum of {part} of message {message} is {given:08x}, its bytes have {computed:08x}"
    )]
    Checksum {
        /// `the prelude` or `the whole`.
        part: &'static str,
        /// Which message, from 1.
        message: u64,
        /// What the message says.
        given: u32,
        /// What its bytes come to.
        computed: u32,
    },
    /// A length that no message has.
    #[error("message {message} is said to be {length} bytes long")]
    Length {
        /// Which message, from 1.
        message: u64,
        /// What it says.
        length: u32,
    },
    /// Checksums that fit, but headers that cannot be read.
    #[error("message {message} cannot be read: {reason}")]
    Headers {
        /// Which message, from 1.
        message: u64,
        /// Why not.
        reason: String,
    },
    /// The answer ends in the middle of a message.
    #[error("the answer ends {missing} bytes before the end of message {message}")]
    Cut {
        /// Which message, from 1.
        message: u64,
        /// How many bytes of it are missing at least.
        missing: usize,
    },
}

/// Takes bytes as they come and gives the messages that are whole.
#[derive(Debug, Default)]
pub(super) struct Frames {
    rest: BytesMut,
    whole: u64,
}

impl Frames {
    /// Takes some more of the answer.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Message>, BadFrame> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        if self.rest.len() < length {
            return Ok(None);
        }
        let message = self.whole + 1;
        let frame = self.rest.split_to(length).freeze();
        let body = frame.slice(..length - CHECKSUM);
        let (given, computed) = (word(&frame, length - CHECKSUM), crc32fast::hash(&body));
        if given != computed {
            return Err(BadFrame::Checksum {
                part: "the whole",
                message,
                given,
                computed,
            });
        }
        self.whole = message;
        read(frame)
            .map(Some)
            .map_err(|reason| BadFrame::Headers { message, reason })
    }

    /// What stands where a message should begin, when it cannot be one: a message begins with its length, of which the
    /// highest byte is 0 or 1.
    pub(super) fn text(&self) -> Option<&[u8]> {
        let first = self.rest.first()?;
        (*first > 1).then_some(&self.rest)
    }

    /// Length of the message that begins here, once its prelude is there and good.
    fn length(&self) -> Result<Option<usize>, BadFrame> {
        if self.rest.len() < PRELUDE {
            return Ok(None);
        }
        let message = self.whole + 1;
        let (given, computed) = (word(&self.rest, 8), crc32fast::hash(&self.rest[..8]));
        if given != computed {
            return Err(BadFrame::Checksum {
                part: "the prelude",
                message,
                given,
                computed,
            });
        }
        let (total, headers) = (word(&self.rest, 0), word(&self.rest, 4));
        let length = usize::try_from(total).unwrap_or(usize::MAX);
        let least = usize::try_from(headers)
            .unwrap_or(usize::MAX)
            .saturating_add(PRELUDE + CHECKSUM);
        if length > LONGEST || length < least {
            return Err(BadFrame::Length {
                message,
                length: total,
            });
        }
        Ok(Some(length))
    }

    /// Says whether the answer may end here.
    pub(super) fn end(&self) -> Result<(), BadFrame> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let whole = self.length()?.unwrap_or(PRELUDE + CHECKSUM);
        Err(BadFrame::Cut {
            message: self.whole + 1,
            missing: whole.saturating_sub(self.rest.len()),
        })
    }
}

fn read(frame: Bytes) -> Result<Message, String> {
    read_message_from(frame).map_err(|error| error.to_string())
}

/// Four bytes as a number, the highest first; 0 where there are none.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
