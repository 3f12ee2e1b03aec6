//! The ways in which a select can come to nothing, and what the reader can do about each.

use super::frames::BadFrame;
use super::refusal::Refusal;
use super::select::{MOST, Selected};
use crate::error::StepError;

/// Why there are no rows to trust.
#[derive(Debug)]
pub enum Failure {
    /// The store says no, by an HTTP status.
    Refused(Refusal),
    /// The store says yes, and then does not do it.
    Broken(Broken, Selected),
    /// There is no answer, or it broke off.
    Lost(StepError),
}

/// What is wrong with an answer of status 200.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nothing at all.
    #[error("the answer is HTTP 200 with an empty body")]
    Empty,
    /// Something else than messages.
    #[error("the answer is HTTP 200 with a body that is no event stream: {0}")]
    NoStream(String),
    /// An error's document where messages should be.
    #[error("the answer is HTTP 200 with an error in it: {code}: {message}")]
    ErrorInside {
        /// The store's code.
        code: String,
        /// Its words.
        message: String,
    },
    /// An error among the messages.
    #[error("after {rows} bytes of rows came an error event: {code}: {message}")]
    ErrorEvent {
        /// The store's code.
        code: String,
        /// Its words.
        message: String,
        /// How much had come by then.
        rows: usize,
    },
    /// The messages end without the one that says that all rows were sent.
    #[error("the answer ends without an End event after {rows} bytes, which begin with: {head}")]
    NoEnd {
        /// How much had come by then.
        rows: usize,
        /// The beginning of it: some gateways write their errors there.
        head: String,
    },
    /// Bytes that are no messages.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// More than is kept.
    #[error("more than {} MiB of rows came", MOST >> 20)]
    TooMuch,
}

impl Broken {
    /// Stable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "s3.select_empty",
            Self::NoStream(_) => "s3.select_no_stream",
            Self::ErrorInside { .. } => "s3.select_error_inside",
            Self::ErrorEvent { .. } => "s3.select_error_event",
            Self::NoEnd { .. } => "s3.select_no_end",
            Self::Frame(BadFrame::Checksum { .. }) => "s3.select_checksum",
            Self::Frame(BadFrame::Cut { .. }) => "s3.select_cut",
            Self::Frame(BadFrame::Length { .. } | BadFrame::Headers { .. }) => "s3.select_frame",
            Self::TooMuch => "s3.select_too_much",
        }
    }

    /// What the reader can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Empty => {
                "the gateway accepts the request and does nothing, as one without support for the object's format does: take another format, or see the gateway's log"
            }
            Self::NoStream(_) => "does something else than an S3 gateway answer at this address?",
            Self::ErrorInside { .. } | Self::ErrorEvent { .. } => {
                "the gateway met the error while it read the object: look at the values that the SQL converts, and at the gateway's log"
            }
            Self::NoEnd { .. } => {
                "without an End event nobody knows whether all rows came; Ceph before 17 never sends one"
            }
            Self::Frame(BadFrame::Checksum { .. }) => {
                "the answer was changed on its way: look for a proxy that rewrites bodies"
            }
            Self::Frame(BadFrame::Cut { .. }) => {
                "the gateway or a proxy closed the answer in the middle of a message: see their logs"
            }
            Self::Frame(_) => "does something else than an S3 gateway answer at this address?",
            Self::TooMuch => "select fewer rows or columns: this is no test of a filter",
        }
    }
}
