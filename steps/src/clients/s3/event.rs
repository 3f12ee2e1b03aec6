//! What a message of a select's answer means.

use aws_smithy_types::event_stream::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::words::Document;

/// What the store says that it read and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stats {
    /// Bytes of the object that were read.
    pub bytes_scanned: u64,
    /// Bytes after decompression.
    pub bytes_processed: u64,
    /// Bytes of rows that were sent.
    pub bytes_returned: u64,
}

/// A message of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Rows, cut anywhere.
    Records(Bytes),
    /// What was read and sent.
    Stats(Stats),
    /// All rows have been sent.
    End,
    /// The store gives up.
    Error { code: String, message: String },
    /// `Cont`, `Progress`, or one that nobody has heard of: nothing that rows depend on.
    Other(String),
}

impl Event {
    pub(super) fn of(message: &Message) -> Self {
        match header(message, ":message-type") {
            "error" => Self::Error {
                code: header(message, ":error-code").to_owned(),
                message: header(message, ":error-message").to_owned(),
            },
            "exception" => Self::Error {
                code: header(message, ":exception-type").to_owned(),
                message: String::from_utf8_lossy(message.payload()).into_owned(),
            },
            _ => match header(message, ":event-type") {
                "Records" => Self::Records(message.payload().clone()),
                "End" => Self::End,
                "Stats" => stats(message.payload()).map_or_else(
                    || Self::Other("Stats that cannot be read".to_owned()),
                    Self::Stats,
                ),
                other => Self::Other(other.to_owned()),
            },
        }
    }

    /// Its name, for counting.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Records(_) => "Records",
            Self::Stats(_) => "Stats",
            Self::End => "End",
            Self::Error { .. } => "error",
            Self::Other(name) if name.is_empty() => "without a name",
            Self::Other(name) => name,
        }
    }
}

fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    message
        .headers()
        .iter()
        .find(|header| header.name().as_str() == name)
        .and_then(|header| header.value().as_string().ok())
        .map_or("", |text| text.as_str())
}

fn stats(payload: &[u8]) -> Option<Stats> {
    let document = Document::read(payload)?;
    let number = |name: &str| document.text(name).parse().ok();
    Some(Stats {
        bytes_scanned: number("BytesScanned")?,
        bytes_processed: number("BytesProcessed")?,
        bytes_returned: number("BytesReturned")?,
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    fn event(headers: &[(&'static str, &str)], payload: &'static str) -> Event {
        let message = headers
            .iter()
            .fold(Message::new(payload), |message, (name, value)| {
                let value = HeaderValue::String((*value).to_owned().into());
                message.add_header(Header::new(*name, value))
            });
        Event::of(&message)
    }

    #[test]
    fn each_message_has_its_meaning() {
        let named = |name, payload| {
            event(
                &[(":message-type", "event"), (":event-type", name)],
                payload,
            )
        };
        assert_eq!(
            named("Records", "1,2\n"),
            Event::Records(Bytes::from_static(b"1,2\n"))
        );
        assert_eq!(named("End", ""), Event::End);
        assert_eq!(named("Cont", ""), Event::Other("Cont".into()));
        let xml = "<Stats><BytesScanned>30</BytesScanned><BytesProcessed>20</BytesProcessed><BytesReturned>4</BytesReturned></Stats>";
        let stats = Stats {
            bytes_scanned: 30,
            bytes_processed: 20,
            bytes_returned: 4,
        };
        assert_eq!(named("Stats", xml), Event::Stats(stats));
        // Half a statement is none: a missing number is not zero.
        let half = named("Stats", "<Stats><BytesScanned>30</BytesScanned></Stats>");
        assert_eq!(half.name(), "Stats that cannot be read");
        assert_eq!(event(&[], "").name(), "without a name");
    }

    #[test]
    fn an_error_is_one_in_either_of_its_forms() {
        let error = event(
            &[
                (":message-type", "error"),
                (":error-code", "A"),
                (":error-message", "b"),
            ],
            "",
        );
        assert_eq!(
            error,
            Event::Error {
                code: "A".into(),
                message: "b".into()
            }
        );
        let error = event(
            &[(":message-type", "exception"), (":exception-type", "A")],
            "b",
        );
        assert_eq!(
            error,
            Event::Error {
                code: "A".into(),
                message: "b".into()
            }
        );
    }
}
