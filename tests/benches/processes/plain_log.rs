//! A plain checksummed log under flowctl's own contract, for comparison: what the engine could do if nothing but a file
//! stood between it and the disk. It passes the suite of `state/tests/state/log_contract.rs` as the other logs do.
//!
//! One file of frames, each an append: its length and CRC-32, the run's name, then the records with their lengths. A frame
//! that is not whole was never acknowledged and is cut off when the log is opened. It has no collection, no repair and no
//! notes of the runs' ends, which is why it is not what flowctl keeps its state in.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowctl_state::LogError;
use flowctl_state::chain::{Head, Heads, seal_all};
use flowctl_state::codec::sha256;
use flowctl_state::event::{Envelope, Epoch, Seq};
use flowctl_state::log::{Append, EventLog, Visit};
use flowctl_workflows::RunId;

/// The length and the checksum before a frame.
const HEADER: usize = 8;

/// Keeps events in one file.
pub(crate) struct PlainLog {
    path: PathBuf,
    epoch: Epoch,
    file: Mutex<Written>,
}

struct Written {
    file: File,
    end: u64,
    heads: Heads,
    /// Where each run's records stand in the file.
    places: HashMap<RunId, Vec<(u64, usize)>>,
    stopped: Option<LogError>,
}

impl PlainLog {
    /// Opens the log in a directory, and cuts off what was not written whole.
    pub(crate) fn open(directory: &Path, epoch: Epoch) -> io::Result<Self> {
        let path = directory.join("events.log");
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)?;
        let bytes = std::fs::read(&path)?;
        let mut written = Written {
            file,
            end: 0,
            heads: Heads::new(),
            places: HashMap::new(),
            stopped: None,
        };
        let mut at = 0;
        while let Some(frame) = whole_frame(&bytes[at..]) {
            let begin = at + HEADER;
            written.note(&bytes[begin..begin + frame], begin as u64)?;
            at = begin + frame;
        }
        written.end = at as u64;
        written.file.set_len(written.end)?;
        written.file.sync_data()?;
        Ok(Self {
            path,
            epoch,
            file: Mutex::new(written),
        })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, written: &mut Written, frames: &[Vec<u8>]) -> Result<(), LogError> {
        let bytes = frames.concat();
        let stored = written
            .file
            .write_all(&bytes)
            .and_then(|()| written.file.sync_data());
        if let Err(error) = stored {
            let error = LogError::io("append to", &self.path, error);
            written.stopped = Some(error.clone());
            return Err(error);
        }
        Ok(())
    }
}

impl EventLog for PlainLog {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        let mut written = self.written();
        if let Some(first) = written.stopped.clone() {
            let stopped = || LogError::Stopped {
                first: Box::new(first.clone()),
            };
            return appends.iter().map(|_| Err(stopped())).collect();
        }
        let runs: Vec<RunId> = appends.iter().map(|append| append.run.clone()).collect();
        let sealed = seal_all(appends, self.epoch, &mut written.heads, |_| Ok(None));
        let mut answers = Vec::new();
        let mut frames = Vec::new();
        for (run, sealed) in runs.iter().zip(sealed) {
            answers.push(sealed.map(|sealed| {
                if !sealed.records.is_empty() {
                    frames.push(frame(run, &sealed.records));
                }
                sealed.envelopes
            }));
        }
        if frames.is_empty() {
            return answers;
        }
        if let Err(error) = self.store(&mut written, &frames) {
            return answers.iter().map(|_| Err(error.clone())).collect();
        }
        for frame in &frames {
            let begin = written.end + HEADER as u64;
            if let Err(error) = written.note(&frame[HEADER..], begin) {
                return vec![Err(LogError::io("append to", &self.path, error)); answers.len()];
            }
            written.end += frame.len() as u64;
        }
        answers
    }

    fn records(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        let failed = |error| LogError::io("read", &self.path, error);
        // The visitor may use the log, so the lock is not held while it looks.
        let (file, places) = {
            let written = self.written();
            let places = written.places.get(run).cloned();
            let places = places.ok_or_else(|| LogError::UnknownRun { run: run.clone() })?;
            (written.file.try_clone().map_err(failed)?, places)
        };
        for (seq, (at, length)) in (0..).zip(places) {
            if seq < from {
                continue;
            }
            let mut record = vec![0; length];
            file.read_exact_at(&mut record, at).map_err(failed)?;
            if visit(seq, (&record).into()) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError> {
        let written = self.written();
        let ends = written.places.iter();
        Ok(ends
            .map(|(run, places)| (run.clone(), places.len() as Seq - 1))
            .collect())
    }

    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        let mut written = self.written();
        if let Some(places) = written.places.get(run) {
            return Err(LogError::Conflict {
                run: run.clone(),
                expected: 0,
                found: places.len() as Seq,
            });
        }
        let frame = frame(run, &records);
        self.store(&mut written, std::slice::from_ref(&frame))?;
        let begin = written.end + HEADER as u64;
        written
            .note(&frame[HEADER..], begin)
            .map_err(|error| LogError::io("append to", &self.path, error))?;
        written.end += frame.len() as u64;
        Ok(())
    }
}

impl Written {
    /// Takes down where the records of a frame's content stand, and where its run ends now.
    fn note(&mut self, content: &[u8], begin: u64) -> io::Result<()> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let mut rest = content;
        let name = piece(&mut rest).ok_or_else(broken)?;
        let name = std::str::from_utf8(name).map_err(|_| broken())?;
        let run = RunId::new(name).map_err(|_| broken())?;
        let places = self.places.entry(run.clone()).or_default();
        let mut last = None;
        while !rest.is_empty() {
            let record = piece(&mut rest).ok_or_else(broken)?;
            let at = content.len() - rest.len() - record.len();
            places.push((begin + at as u64, record.len()));
            last = Some(record);
        }
        let head = last.map(|record| Head {
            last: places.len() as Seq - 1,
            sha256: sha256(record),
        });
        self.heads.insert(run, head);
        Ok(())
    }
}

/// The length of the frame's content at the front, if it is there as it was written.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let length = usize::try_from(word(0)?).ok()?;
    let content = bytes.get(HEADER..HEADER + length)?;
    (crc32fast::hash(content) == word(4)?).then_some(length)
}

fn frame(run: &RunId, records: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    let names = std::iter::once(run.as_str().as_bytes());
    for piece in names.chain(records.iter().map(Vec::as_slice)) {
        frame.extend_from_slice(&(piece.len() as u32).to_le_bytes());
        frame.extend_from_slice(piece);
    }
    let content = &frame[HEADER..];
    let (length, sum) = (content.len() as u32, crc32fast::hash(content));
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEADER].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// Takes a piece and its length off the front.
fn piece<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (piece, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(piece)
}
