//! A log in memory, under the same contract, that can fail where a test wants it to.
//!
//! Owns records and one planned fault. It is for tests and rehearsals: nothing in it is durable.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowctl_workflows::RunId;

use crate::chain::{Head, Sealed, seal_all};
use crate::codec;
use crate::error::LogError;
use crate::event::{Envelope, Epoch, Seq};
use crate::log::{Append, EventLog, Visit};

/// How an append goes wrong. After it, the log takes nothing more until it is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is stored, and it is not acknowledged.
    Refuse,
    /// Its first half is stored, and it is not acknowledged.
    Tear,
    /// All of it is stored, but it is not acknowledged.
    Crash,
}

/// Keeps events until it is dropped.
#[derive(Debug)]
pub struct MemoryLog {
    epoch: Epoch,
    fault: Option<(usize, Fault)>,
    stored: Arc<Mutex<BTreeMap<RunId, Vec<Vec<u8>>>>>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    appends: usize,
    stopped: Option<LogError>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log in its first epoch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: 1,
            fault: None,
            stored: Arc::default(),
            progress: Mutex::default(),
        }
    }

    /// The same log, whose `nth` append from now on, counted from 1, goes wrong.
    #[must_use]
    pub fn failing(mut self, nth: usize, fault: Fault) -> Self {
        self.fault = Some((nth, fault));
        self
    }

    /// What the next process finds: the same records, the next epoch, no fault.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self {
            epoch: self.epoch + 1,
            fault: None,
            stored: Arc::clone(&self.stored),
            progress: Mutex::default(),
        }
    }

    /// How many appends it was asked for since it was opened.
    #[must_use]
    pub fn appends(&self) -> usize {
        lock(&self.progress).appends
    }

    /// Changes a stored record behind the log's back, as a failing disk would.
    pub fn tamper(&self, run: &RunId, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        if let Some(records) = lock(&self.stored).get_mut(run) {
            change(records);
        }
    }
}

impl EventLog for MemoryLog {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        let mut progress = lock(&self.progress);
        let mut stored = lock(&self.stored);
        let runs: Vec<RunId> = appends.iter().map(|append| append.run.clone()).collect();
        let mut heads = HashMap::new();
        let sealed = seal_all(appends, self.epoch, &mut heads, |run| {
            Ok(stored.get(run).and_then(|records| head(records)))
        });
        runs.into_iter()
            .zip(sealed)
            .map(|(run, sealed)| {
                let Sealed {
                    envelopes,
                    mut records,
                } = sealed?;
                if let Some(first) = &progress.stopped {
                    return Err(LogError::Stopped {
                        first: Box::new(first.clone()),
                    });
                }
                progress.appends += 1;
                let fault = self
                    .fault
                    .filter(|(nth, _)| *nth == progress.appends)
                    .map(|(_, fault)| fault);
                match fault {
                    Some(Fault::Refuse) => records.clear(),
                    Some(Fault::Tear) => records.truncate(records.len() / 2),
                    Some(Fault::Crash) | None => {}
                }
                if !records.is_empty() {
                    stored.entry(run).or_default().append(&mut records);
                }
                if fault.is_none() {
                    return Ok(envelopes);
                }
                let error = LogError::io(
                    "append to",
                    Path::new("memory"),
                    io::ErrorKind::StorageFull.into(),
                );
                progress.stopped = Some(error.clone());
                Err(error)
            })
            .collect()
    }

    fn records(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        // The visitor may use the log, so the lock is not held while it looks.
        let records = lock(&self.stored)
            .get(run)
            .cloned()
            .ok_or_else(|| LogError::UnknownRun { run: run.clone() })?;
        for (seq, record) in (0..).zip(&records) {
            if seq >= from && visit(seq, record.into()) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError> {
        let stored = lock(&self.stored);
        Ok(stored
            .iter()
            .filter_map(|(run, records)| head(records).map(|head| (run.clone(), head.last)))
            .collect())
    }

    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        let mut stored = lock(&self.stored);
        if let Some(found) = stored.get(run).map(Vec::len) {
            return Err(LogError::Conflict {
                run: run.clone(),
                expected: 0,
                found: found as Seq,
            });
        }
        stored.insert(run.clone(), records);
        Ok(())
    }
}

fn head(records: &[Vec<u8>]) -> Option<Head> {
    let last = records.last()?;
    Some(Head {
        last: records.len() as Seq - 1,
        sha256: codec::sha256(last),
    })
}

/// A panic elsewhere leaves whole records behind, so a poisoned lock is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
