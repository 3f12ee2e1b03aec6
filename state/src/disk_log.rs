//! The log on disk.
//!
//! Owns what of a run is stored under which key, and the acknowledged ends of the runs. It never
//! decides who may hold the state, and how bytes become durable is `store.rs`'s.
//!
//! A long record is cut into parts that fill a page of the store each: so what is written for an
//! append is as long as the append, and no reader holds more than it reads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowctl_workflows::RunId;

use crate::chain::{Head, Heads, seal_all};
use crate::codec;
use crate::error::LogError;
use crate::event::{Envelope, Epoch, Seq};
use crate::head_notes::HeadNotes;
use crate::keys;
use crate::log::{Append, EventLog, Visit};
use crate::pack;
use crate::sled_import::{Entries, Source};
use crate::store::{ROOM, Store};

/// A log in a directory.
#[derive(Debug)]
pub struct DiskLog {
    path: PathBuf,
    epoch: Option<Epoch>,
    store: Store,
    writing: Mutex<Writing>,
    notes: Mutex<HeadNotes>,
    /// The acknowledged ends of runs. Its lock is never held while the disk is waited for.
    heads: Mutex<Heads>,
}

#[derive(Debug, Default)]
struct Writing {
    stopped: Option<LogError>,
}

impl DiskLog {
    /// Opens the log in a directory, which is made if need be. No other process can open it until
    /// this one lets go. It can be read; [`DiskLog::writing_as`] makes it take appends. A log that an
    /// earlier flowctl kept beside it is taken over.
    ///
    /// # Errors
    /// [`LogError::Held`] if another process has it open, without word of who that is;
    /// [`LogError::Store`] if its file is unreadable; [`LogError::Twice`] if an earlier flowctl began
    /// a log of its own after that; [`LogError::Io`].
    pub fn open(path: &Path) -> Result<Self, LogError> {
        if Store::is_in(path) {
            Source::refuse_second(path)?;
            return Self::there(path);
        }
        // Of several who get here at once, the first to finish gives the log its name.
        match Source::beside(path)? {
            Some(source) => Store::make(path, |made| Self::take_over(source, made))?,
            None => Store::make(path, |_| Ok(()))?,
        }
        Self::there(path)
    }

    /// Fills a new log with what an earlier flowctl kept.
    fn take_over(source: Source, made: &Path) -> Result<(), LogError> {
        let heads = source.heads();
        if heads.exists() {
            std::fs::copy(&heads, made.join("heads"))
                .map_err(|error| LogError::io("copy", &heads, error))?;
        }
        // Nobody writes in this epoch: the log only notes the ends of the runs when it is closed.
        let log = Self::there(made)?.writing_as(0);
        source.runs(|run, entries| log.take(run, &entries))?;
        drop(log);
        // Now it is durable. Should this log not get its name, it is taken over again from there.
        source.put_away()
    }

    /// Stores what another store has of a run, as it is, and compares.
    fn take(&self, run: &RunId, entries: &Entries) -> Result<(), LogError> {
        let stored = Stored {
            run,
            entries: (entries.iter())
                .map(|(seq, stored)| (*seq, Cow::Borrowed(stored.as_slice())))
                .collect(),
        };
        self.store.insert(stored.pairs())?;
        let mut same = 0;
        self.entries(run, 0, &mut |seq, stored| {
            same += usize::from(entries.get(&seq).is_some_and(|taken| taken == stored));
            ControlFlow::Continue(())
        })?;
        if same < entries.len() {
            return Err(LogError::Store {
                path: self.path.clone(),
                what: format!("the copy of run {run} is not what was copied"),
            });
        }
        self.head(run).map(drop)
    }

    /// Opens a log that is there.
    fn there(path: &Path) -> Result<Self, LogError> {
        Ok(Self {
            path: path.to_path_buf(),
            epoch: None,
            store: Store::open(path)?,
            writing: Mutex::default(),
            notes: Mutex::new(HeadNotes::read(path)),
            heads: Mutex::default(),
        })
    }

    /// The same log, taking appends under `epoch`.
    #[must_use]
    pub fn writing_as(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Removes these runs, all or none, and returns when that is durable.
    pub(crate) fn remove(&self, runs: &[RunId]) -> Result<(), LogError> {
        self.exclusively(|_| {
            let mut notes = lock(&self.notes);
            runs.iter().for_each(|run| notes.forget(run));
            // First, or a run that is gone would pass for one that was lost.
            notes.write()?;
            let keys = runs.iter().map(|run| (keys::prefix(run), keys::after(run)));
            self.store.remove(&keys.collect::<Vec<_>>())?;
            let mut heads = lock(&self.heads);
            runs.iter().for_each(|run| drop(heads.remove(run)));
            Ok(())
        })
    }

    /// Gives the room of what was removed back to the file system.
    pub(crate) fn shrink(&mut self) -> Result<(), LogError> {
        match self.epoch {
            Some(_) => self.store.shrink(),
            None => Err(LogError::ReadingOnly {
                path: self.path.clone(),
            }),
        }
    }

    /// Runs `change` unless an earlier one failed, and remembers if this one does.
    fn exclusively<T>(
        &self,
        change: impl FnOnce(Epoch) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut writing = lock(&self.writing);
        if let Some(first) = &writing.stopped {
            return Err(LogError::Stopped {
                first: Box::new(first.clone()),
            });
        }
        let epoch = self.epoch.ok_or_else(|| LogError::ReadingOnly {
            path: self.path.clone(),
        })?;
        let result = change(epoch);
        if let Err(error @ (LogError::Io { .. } | LogError::Store { .. })) = &result {
            writing.stopped = Some(error.clone());
        }
        result
    }

    /// The acknowledged end of a run.
    fn head(&self, run: &RunId) -> Result<Option<Head>, LogError> {
        if let Some(head) = lock(&self.heads).get(run) {
            return Ok(head.clone());
        }
        // Nobody has written to this run since the log was opened, or the head would be known.
        let head = self.stored_head(run)?;
        Ok(lock(&self.heads).entry(run.clone()).or_insert(head).clone())
    }

    fn stored_head(&self, run: &RunId) -> Result<Option<Head>, LogError> {
        let (from, end) = (keys::prefix(run), keys::after(run));
        let Some(key) = self.store.last(&from..&end)? else {
            return Ok(None);
        };
        let first = self.parse(&key)?.1;
        let mut last = None;
        self.entries(run, first, &mut |first, stored| {
            pack::unpack(first, stored, &mut |seq, record| {
                last = Some(Head {
                    last: seq,
                    sha256: codec::sha256(&record),
                });
                ControlFlow::Continue(())
            })
        })?;
        Ok(last)
    }

    /// Shows stored records from `from` on.
    fn scan(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        self.entries(run, self.entry_of(run, from)?, &mut |first, stored| {
            pack::unpack(first, stored, &mut |seq, record| match seq < from {
                true => ControlFlow::Continue(()),
                false => visit(seq, record),
            })
        })
    }

    /// Under which place an event is stored: its own, or that of the first event of its pack.
    fn entry_of(&self, run: &RunId, seq: Seq) -> Result<Seq, LogError> {
        let (from, end) = (keys::prefix(run), keys::key(run, seq, 1));
        let key = self.store.last(&from..&end)?;
        key.map_or(Ok(seq), |key| Ok(self.parse(&key)?.1))
    }

    /// Shows what is stored under each place from `from` on, joined from its parts.
    fn entries(
        &self,
        run: &RunId,
        from: Seq,
        visit: &mut dyn FnMut(Seq, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let prefix = keys::prefix(run);
        let mut place = None;
        let mut joined = Vec::new();
        let mut strange = None;
        let (first, end) = (keys::key(run, from, 0), keys::after(run));
        self.store.scan(&first..&end, |key, part| {
            let Some(seq) = keys::place(&prefix, key) else {
                strange = Some(self.strange(key));
                return ControlFlow::Break(());
            };
            if place != Some(seq) {
                if let Some(before) = place.replace(seq)
                    && visit(before, &joined).is_break()
                {
                    place = None;
                    return ControlFlow::Break(());
                }
                joined.clear();
            }
            joined.extend_from_slice(part);
            ControlFlow::Continue(())
        })?;
        if let Some(error) = strange {
            return Err(error);
        }
        if let Some(place) = place {
            // The last one: there is nothing more to break from.
            let _ = visit(place, &joined);
        }
        Ok(())
    }

    fn parse(&self, key: &[u8]) -> Result<(RunId, Seq), LogError> {
        keys::parse(key).ok_or_else(|| self.strange(key))
    }

    fn strange(&self, key: &[u8]) -> LogError {
        LogError::Store {
            path: self.path.clone(),
            what: format!(
                "it holds a key that is none of flowctl's: {}",
                key.escape_ascii()
            ),
        }
    }
}

/// What is stored of the records of a run from `first` on.
struct Stored<'a> {
    run: &'a RunId,
    entries: Vec<(Seq, Cow<'a, [u8]>)>,
}

impl<'a> Stored<'a> {
    fn of(run: &'a RunId, first: Seq, records: &'a [Vec<u8>]) -> Self {
        let entries = pack::pack(first, records);
        Self { run, entries }
    }

    /// Key by key, each with a part that fits into a page with it.
    fn pairs(&self) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
        let part = ROOM - keys::key(self.run, 0, 0).len();
        self.entries.iter().flat_map(move |(seq, stored)| {
            let parts = (0..).zip(stored.chunks(part));
            parts.map(|(number, part)| (keys::key(self.run, *seq, number), part))
        })
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        if self.epoch.is_none() || lock(&self.writing).stopped.is_some() {
            return;
        }
        let mut notes = lock(&self.notes);
        for (run, head) in lock(&self.heads).iter() {
            if let Some(head) = head {
                notes.raise(run, head);
            }
        }
        if let Err(error) = notes.write() {
            tracing::warn!(%error, "how far the runs have come is not noted");
        }
    }
}

impl EventLog for DiskLog {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        let count = appends.len();
        let committed = self.exclusively(|epoch| {
            let mut heads = HashMap::new();
            let runs: Vec<RunId> = appends.iter().map(|append| append.run.clone()).collect();
            let sealed = seal_all(appends, epoch, &mut heads, |run| self.head(run));
            let stored: Vec<Stored<'_>> = (runs.iter().zip(&sealed))
                .filter_map(|(run, sealed)| {
                    let sealed = sealed.as_ref().ok()?;
                    let first = sealed.envelopes.first()?.seq;
                    Some(Stored::of(run, first, &sealed.records))
                })
                .collect();
            if !stored.is_empty() {
                self.store.insert(stored.iter().flat_map(Stored::pairs))?;
                lock(&self.heads).extend(heads);
            }
            Ok(sealed)
        });
        match committed {
            Ok(sealed) => sealed
                .into_iter()
                .map(|sealed| sealed.map(|sealed| sealed.envelopes))
                .collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    fn records(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        let head = self
            .head(run)?
            .ok_or_else(|| LogError::UnknownRun { run: run.clone() })?;
        self.scan(run, from, &mut |seq, record| {
            if seq > head.last {
                return ControlFlow::Break(());
            }
            visit(seq, record)
        })
    }

    fn heads(&self) -> Result<Vec<(RunId, Seq)>, LogError> {
        let mut heads = Vec::new();
        let mut from = Vec::new();
        while let Some(key) = self.store.next(&from)? {
            let run = self.parse(&key)?.0;
            from = keys::after(&run);
            if let Some(head) = self.head(&run)? {
                heads.push((run, head.last));
            }
        }
        Ok(heads)
    }

    fn noted(&self, run: &RunId) -> Option<Head> {
        lock(&self.notes).get(run).cloned()
    }

    fn noted_runs(&self) -> Vec<RunId> {
        lock(&self.notes).runs().cloned().collect()
    }

    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        self.exclusively(|_| {
            if let Some(head) = self.head(run)? {
                return Err(LogError::Conflict {
                    run: run.clone(),
                    expected: 0,
                    found: head.last + 1,
                });
            }
            self.store.insert(Stored::of(run, 0, &records).pairs())?;
            lock(&self.heads).remove(run);
            Ok(())
        })
    }
}

/// A panic elsewhere leaves whole values behind, so a poisoned lock is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
