//! `SelectObjectContent`: the request, and an answer that is believed only when it ends with an End event. A gateway
//! that answers 200 and nothing, an error in the place of rows, or rows without an end has not answered the question.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::broken::{Broken, Failure};
use super::event::{Event, Stats};
use super::frames::Frames;
use super::refusal::{Refusal, error_in, excerpt, lost, request_id};
use super::words::element;
use super::{HeaderLine, Place, S3Client};
use crate::context::StepContext;

/// The most rows' bytes that are kept: more is no selection.
pub(super) const MOST: usize = 64 << 20;
/// How much is read of a text where a message should be, and how much of any answer is kept for a look.
const HEAD: usize = 4 << 10;

/// What the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Lines of values.
    Csv {
        /// What its first line is.
        #[serde(default)]
        header: HeaderLine,
        /// What stands between values.
        #[serde(default = "comma")]
        delimiter: char,
    },
    /// Parquet.
    Parquet {},
}

fn comma() -> char {
    ','
}

impl Input {
    fn xml(self) -> String {
        match self {
            Self::Csv { header, delimiter } => {
                let header = element("FileHeaderInfo", header.as_str());
                let delimiter = element("FieldDelimiter", &delimiter.to_string());
                format!("<CSV>{header}{delimiter}</CSV><CompressionType>NONE</CompressionType>")
            }
            Self::Parquet {} => "<Parquet></Parquet>".to_owned(),
        }
    }
}

/// What was seen of an answer, whatever came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The HTTP status.
    pub status: u16,
    /// The store's name for the request.
    pub request_id: Option<String>,
    /// How many messages of each kind came.
    pub events: BTreeMap<String, u64>,
    /// Bytes of the answer's body as they came, frames and all.
    pub wire_bytes: u64,
    /// The body's beginning.
    pub head: Vec<u8>,
    /// From the request to the last byte.
    pub elapsed: Duration,
}

/// An answer that ended as it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What was seen of it.
    pub selected: Selected,
    /// The rows, as CSV.
    pub records: Vec<u8>,
    /// What the store says that it read and sent.
    pub stats: Option<Stats>,
}

impl S3Client {
    /// Asks for the rows of one object.
    ///
    /// # Errors
    /// [`Failure`], boxed because it holds what was seen of the answer.
    pub async fn select(
        &self,
        cx: &StepContext,
        place: &Place,
        sql: &str,
        input: Input,
    ) -> Result<Selection, Box<Failure>> {
        let what = format!("S3 Select on {place}");
        let path = format!("{}?select&select-type=2", place.path());
        let body = request(sql, input);
        let begun = cx.clock.elapsed();
        let mut response = self
            .ask(
                cx,
                &what,
                "POST",
                &path,
                &[("content-type", "application/xml")],
                body.as_bytes(),
            )
            .await
            .map_err(|error| Box::new(Failure::Lost(error)))?;
        if !response.status().is_success() {
            return Err(Box::new(Failure::Refused(Refusal::read(response).await)));
        }
        let mut answer = Answer::default();
        answer.selected.status = response.status().as_u16();
        answer.selected.request_id = request_id(&response);
        let mut broken = None;
        while broken.is_none() {
            match response.chunk().await {
                Ok(Some(chunk)) => broken = answer.take(&chunk).err(),
                Ok(None) => break,
                Err(error) => return Err(Box::new(Failure::Lost(lost(&what, &error)))),
            }
        }
        answer.selected.elapsed = cx.clock.elapsed().saturating_sub(begun);
        match broken {
            Some(broken) => Err(Box::new(Failure::Broken(broken, answer.selected))),
            None => answer.conclude(),
        }
    }
}

/// The request's body.
fn request(sql: &str, input: Input) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SelectObjectContentRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}{}<RequestProgress><Enabled>false</Enabled></RequestProgress><InputSerialization>{}</InputSerialization><OutputSerialization><CSV></CSV></OutputSerialization></SelectObjectContentRequest>",
        element("Expression", sql),
        element("ExpressionType", "SQL"),
        input.xml(),
    )
}

/// An answer as far as it has come.
#[derive(Default)]
pub(super) struct Answer {
    selected: Selected,
    frames: Frames,
    records: Vec<u8>,
    stats: Option<Stats>,
    ended: bool,
}

impl Answer {
    /// Takes the next bytes of the body.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        self.selected.wire_bytes += chunk.len() as u64;
        let room = HEAD - self.selected.head.len();
        self.selected
            .head
            .extend_from_slice(&chunk[..room.min(chunk.len())]);
        self.frames.push(chunk);
        loop {
            if let Some(text) = self.frames.text() {
                // Ceph writes its error between the messages, or in their place: read on until all of it is there.
                return if text.len() < HEAD {
                    Ok(())
                } else {
                    Err(no_message(text))
                };
            }
            let Some(message) = self.frames.next()? else {
                return Ok(());
            };
            let event = Event::of(&message);
            *self
                .selected
                .events
                .entry(event.name().to_owned())
                .or_default() += 1;
            match event {
                Event::Records(rows) if self.records.len() + rows.len() > MOST => {
                    return Err(Broken::TooMuch);
                }
                Event::Records(rows) => self.records.extend_from_slice(&rows),
                Event::Stats(stats) => self.stats = Some(stats),
                Event::End => self.ended = true,
                Event::Error { code, message } => {
                    return Err(Broken::ErrorEvent {
                        code,
                        message,
                        rows: self.records.len(),
                    });
                }
                Event::Other(_) => {}
            }
        }
    }

    /// The body has ended: is that all of it?
    pub(super) fn conclude(self) -> Result<Selection, Box<Failure>> {
        let broken = if self.selected.wire_bytes == 0 {
            Some(Broken::Empty)
        } else if let Some(text) = self.frames.text() {
            Some(no_message(text))
        } else if let Err(error) = self.frames.end() {
            Some(Broken::Frame(error))
        } else if !self.ended {
            Some(Broken::NoEnd {
                rows: self.records.len(),
                head: excerpt(&self.records),
            })
        } else {
            None
        };
        match broken {
            Some(broken) => Err(Box::new(Failure::Broken(broken, self.selected))),
            None => Ok(Selection {
                selected: self.selected,
                records: self.records,
                stats: self.stats,
            }),
        }
    }
}

/// What a text in the place of a message means.
fn no_message(text: &[u8]) -> Broken {
    match error_in(text) {
        Some((code, message)) => Broken::ErrorInside { code, message },
        None => Broken::NoStream(excerpt(text)),
    }
}
