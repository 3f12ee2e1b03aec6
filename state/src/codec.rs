//! Bytes and envelopes: the only code that knows how an event looks when stored.
//!
//! Owns the record's form (`FORMAT.md`), its checksum and the upgrade of older formats, which
//! happens here and nowhere else. It never touches a disk.

mod straight;

use std::sync::Arc;

use flowctl_workflows::RunId;
use flowctl_workflows::plan::PlanStep;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::LogError;
use crate::event::{Envelope, Event, FORMAT, Seq};
use crate::log::Record;

/// Every record of every format ends in this, sixteen hexadecimal digits, and [`SUM_TAIL`].
const SUM_HEAD: &[u8] = b",\"sum\":\"";
const SUM_TAIL: &[u8] = b"\"}";
const SUM_DIGITS: usize = 16;
const SUM_LENGTH: usize = SUM_HEAD.len() + SUM_DIGITS + SUM_TAIL.len();
/// What comes before a record's event. No value before it has a quotation mark in it.
const EVENT: &[u8] = b",\"event\":";

/// No record may be longer: a plan of 10,000 steps has about 4 MB.
pub(crate) const LONGEST: usize = 64 * 1024 * 1024;

/// Why bytes are no record that this program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// They are not what was written.
    Damaged(String),
    /// They are whole, but of a later format.
    Newer(u64),
}

impl Unreadable {
    /// The error for the record at `seq` of `run`.
    #[must_use]
    pub fn at(self, run: &RunId, seq: Seq) -> LogError {
        match self {
            Self::Damaged(what) => LogError::Damaged {
                run: run.clone(),
                seq,
                what,
            },
            Self::Newer(format) => LogError::Newer {
                run: run.clone(),
                seq,
                format,
            },
        }
    }
}

/// What can be said of a record without reading its event.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// When the event happened.
    pub at: jiff::Timestamp,
}

/// The SHA-256 of `bytes` in lower-case hexadecimal: how records and evidence are named.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    name_of(Sha256::new_with_prefix(bytes))
}

/// Puts an envelope into its stored form: one line of JSON without its newline.
///
/// What holds values from outside is decoded again first, because a record that cannot be read later (a
/// number that is none, a key that is no text) must not be acknowledged now.
///
/// # Errors
/// [`LogError::Unstorable`].
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, LogError> {
    encode_hashed(envelope).map(|(record, _)| record)
}

/// The same, with the SHA-256 of the record, which has come along with its checksum.
pub(crate) fn encode_hashed(envelope: &Envelope) -> Result<(Vec<u8>, String), LogError> {
    let unstorable = |why: String| LogError::Unstorable {
        run: envelope.run.clone(),
        seq: envelope.seq,
        why,
    };
    let mut bytes = serde_json::to_vec(envelope).map_err(|error| unstorable(error.to_string()))?;
    bytes.pop();
    let hash = end_with_sum(&mut bytes);
    if bytes.len() > LONGEST {
        return Err(unstorable(format!(
            "it has {} bytes, and {LONGEST} is the limit",
            bytes.len()
        )));
    }
    reads_back(envelope, &bytes).map_err(unstorable)?;
    Ok((bytes, name_of(hash)))
}

/// Closes an object that lacks its last brace with the checksum of what it holds. Returns the hash of all of it, to be
/// finished.
pub(crate) fn end_with_sum(bytes: &mut Vec<u8>) -> Sha256 {
    let body = bytes.len();
    let mut hash = Sha256::new_with_prefix(&bytes);
    bytes.extend_from_slice(SUM_HEAD);
    bytes.extend_from_slice(&sum_of(&hash));
    bytes.extend_from_slice(SUM_TAIL);
    hash.update(bytes.get(body..).unwrap_or_default());
    hash
}

/// What stands before a checksum, which is not held against it.
pub(crate) fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (body, tail) = bytes.split_at_checked(bytes.len().checked_sub(SUM_LENGTH)?)?;
    (tail.starts_with(SUM_HEAD) && tail.ends_with(SUM_TAIL)).then_some(body)
}

/// The name of what was hashed, in digits.
pub(crate) fn digits_of(hash: Sha256) -> [u8; 64] {
    hexadecimal(&hash.finalize())
}

/// The same as text.
pub(crate) fn name_of(hash: Sha256) -> String {
    text_of(&digits_of(hash))
}

/// Whether a record says what it was made from. The steps of a plan are looked at one by one: read back
/// together, they would double what a large plan takes.
fn reads_back(envelope: &Envelope, record: &[u8]) -> Result<(), String> {
    let differs = || "it reads back differently".to_owned();
    if has_nothing_but_names(&envelope.event) {
        return Ok(());
    }
    if let Event::RunStarted {
        plan,
        jobs,
        only,
        flowctl,
    } = &envelope.event
        && !plan.steps.is_empty()
    {
        let mut text = Vec::new();
        for step in &plan.steps {
            text.clear();
            serde_json::to_writer(&mut text, step).map_err(|error| error.to_string())?;
            let read: PlanStep =
                serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            if read != *step {
                return Err(differs());
            }
        }
        let rest = Envelope {
            event: Event::RunStarted {
                plan: Arc::new(plan.without_steps()),
                jobs: *jobs,
                only: only.clone(),
                flowctl: flowctl.clone(),
            },
            run: envelope.run.clone(),
            prev: envelope.prev.clone(),
            ..*envelope
        };
        return encode(&rest).map(drop).map_err(|error| error.to_string());
    }
    // Its checksum was made from these very bytes.
    match parse(record) {
        Ok(read) if read == *envelope => Ok(()),
        Ok(_) => Err(differs()),
        Err(Unreadable::Damaged(why)) => Err(why),
        Err(Unreadable::Newer(format)) => Err(format!("its format {format} is not known")),
    }
}

/// Whether an event holds no value from outside: names, counts and words of flowctl's own always read back. Most events
/// are of this kind.
fn has_nothing_but_names(event: &Event) -> bool {
    matches!(event, Event::StepStarted { .. })
        || matches!(event, Event::StepSucceeded { output: Value::Null, findings, evidence, .. }
            if findings.is_empty() && evidence.is_empty())
}

/// Reads a stored record.
///
/// # Errors
/// [`Unreadable`] if a single bit differs from what was written, or if a newer flowctl wrote it.
pub fn decode(bytes: &[u8]) -> Result<Envelope, Unreadable> {
    decode_hashed(bytes.into()).map(|(envelope, _)| envelope)
}

/// The same, with the SHA-256 of the record, which has come along with its checksum.
pub(crate) fn decode_hashed(record: Record<'_>) -> Result<(Envelope, String), Unreadable> {
    let hash = match record.hash() {
        Some(hash) => hash.clone(),
        None => verify_sum(&record)?,
    };
    Ok((parse(&record)?, name_of(hash)))
}

fn parse(bytes: &[u8]) -> Result<Envelope, Unreadable> {
    if let Some(envelope) = straight::parse(bytes) {
        return Ok(envelope);
    }
    match serde_json::from_slice::<Envelope>(bytes) {
        Ok(envelope) if envelope.format == FORMAT => Ok(envelope),
        // There is no older format yet: an upgrade becomes an arm here.
        Ok(envelope) => Err(other_format(envelope.format.into())),
        Err(error) => match serde_json::from_slice::<FormatOnly>(bytes) {
            Ok(FormatOnly { format }) if format != u64::from(FORMAT) => Err(other_format(format)),
            _ => Err(Unreadable::Damaged(format!(
                "the record cannot be parsed: {error}"
            ))),
        },
    }
}

/// Reads what can be said of a record without its event.
///
/// # Errors
/// [`Unreadable`].
pub fn decode_header(bytes: &[u8]) -> Result<Header, Unreadable> {
    verify_sum(bytes)?;
    // A run's first event is as large as its plan, and comes last.
    let header = bytes
        .windows(EVENT.len())
        .position(|window| window == EVENT)
        .map(|end| [&bytes[..end], b"}"].concat());
    serde_json::from_slice(header.as_deref().unwrap_or(bytes))
        .map_err(|error| Unreadable::Damaged(format!("the record cannot be parsed: {error}")))
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

fn other_format(format: u64) -> Unreadable {
    if format > u64::from(FORMAT) {
        Unreadable::Newer(format)
    } else {
        Unreadable::Damaged(format!("there never was a format {format}"))
    }
}

/// Holds a record against its checksum. Returns the hash of all of it, to be finished.
pub(crate) fn verify_sum(bytes: &[u8]) -> Result<Sha256, Unreadable> {
    let end = bytes
        .len()
        .checked_sub(SUM_LENGTH)
        .ok_or_else(|| Unreadable::Damaged(format!("the record has only {} bytes", bytes.len())))?;
    let (body, tail) = bytes.split_at(end);
    let digits = tail
        .strip_prefix(SUM_HEAD)
        .and_then(|tail| tail.strip_suffix(SUM_TAIL))
        .ok_or_else(|| Unreadable::Damaged("the record does not end in its checksum".to_owned()))?;
    let mut hash = Sha256::new_with_prefix(body);
    if digits == sum_of(&hash) {
        hash.update(tail);
        Ok(hash)
    } else {
        Err(Unreadable::Damaged(
            "the record's checksum does not match its content".to_owned(),
        ))
    }
}

/// The checksum of what was hashed so far.
fn sum_of(hash: &Sha256) -> [u8; SUM_DIGITS] {
    hexadecimal(&hash.clone().finalize()[..SUM_DIGITS / 2])
}

/// Two digits for each byte.
fn hexadecimal<const DIGITS: usize>(bytes: &[u8]) -> [u8; DIGITS] {
    const DIGIT: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; DIGITS];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGIT[usize::from(byte >> 4)];
        pair[1] = DIGIT[usize::from(byte & 15)];
    }
    text
}

fn text_of(digits: &[u8]) -> String {
    // Digits are text.
    String::from_utf8(digits.to_vec()).unwrap_or_default()
}
