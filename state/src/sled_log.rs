//! The log on disk. The only file that names sled.
//!
//! Owns sled's directory: what is stored under which key, and the wait for the disk. sled's own
//! `flush` writes its `db` file and starts the writeback (`sync_file_range`), which commits neither
//! the file's length nor the disk's cache; so an append is acknowledged only after an `fdatasync` of
//! every file that may hold its bytes (see `disk.rs`). It never decides who may hold the state.
//!
//! A record is cut into parts because sled puts a large value, and every tree page that
//! holds it, into a file of its own and rewrites it whenever the page changes.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowctl_workflows::RunId;

use crate::chain::{Head, Heads, seal_all};
use crate::codec;
use crate::crash::{self, Mutant, Point};
use crate::disk::{DiskFiles, inode_of};
use crate::error::LogError;
use crate::event::{Envelope, Epoch, Seq};
use crate::exchange::{self, unfinished};
use crate::head_notes::HeadNotes;
use crate::keys;
use crate::log::{Append, EventLog, Visit};
use crate::pack;
use crate::recovery::{recover, unsettle};

/// Sixteen parts fill a tree page, which must stay well below a quarter of sled's segment of 512 KiB:
/// then sled never opens a file for it. With what sled puts before a value it is a page of memory.
const PART: usize = 4080;
/// sled's page cache. A run reads its events once, so a large cache would only cost memory.
const CACHE: u64 = 4 * 1024 * 1024;

/// A log kept by sled.
#[derive(Debug)]
pub struct SledLog {
    path: PathBuf,
    part: usize,
    epoch: Option<Epoch>,
    store: sled::Db,
    // Fields are dropped in this order, and this one waits for the store's last thread.
    _release: Release,
    files: DiskFiles,
    /// Whether it is known on the disk that something was written.
    written: AtomicBool,
    writing: Mutex<Writing>,
    notes: Mutex<HeadNotes>,
    /// The acknowledged ends of runs. Its lock is never held while the disk is waited for.
    heads: Mutex<Heads>,
}

#[derive(Debug, Default)]
struct Writing {
    stopped: Option<LogError>,
}

impl SledLog {
    /// Opens the log in a directory, which is made if need be. No other process can open it until
    /// this one lets go. It can be read; [`SledLog::writing_as`] makes it take appends.
    ///
    /// # Errors
    /// [`LogError::Held`] if another process has it open, without word of who that is;
    /// [`LogError::Store`] if its files are unreadable; [`LogError::Io`].
    pub fn open(path: &Path) -> Result<Self, LogError> {
        match Self::open_with_parts_of(path, PART) {
            // It was not there, and is: another process exchanged it at this moment.
            Err(LogError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && path.join("db").exists() =>
            {
                Err(held(path))
            }
            opened => opened,
        }
    }

    fn open_with_parts_of(path: &Path, part: usize) -> Result<Self, LogError> {
        exchange::settle(path)?;
        if !path.join("db").exists() {
            make(path)?;
        }
        recover(path, open_and_close)?;
        let before = inode_of(&path.join("db"))?;
        let store = open_store(path)?;
        let files = DiskFiles::open(path)?;
        if files.inode()? != before {
            // Another store took the place of the one that sled has opened, which nobody will see again.
            return Err(held(path));
        }
        // What a killed process wrote may be in the page cache only; it was read, so it must stay.
        files.sync_all()?;
        Ok(Self {
            path: path.to_path_buf(),
            part,
            epoch: None,
            store,
            _release: Release {
                inode: files.inode()?,
                path: path.to_path_buf(),
            },
            files,
            written: AtomicBool::new(false),
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

    /// Takes nothing more and notes nothing when it is closed: another log has its name from now on.
    pub(crate) fn retire(&self) {
        lock(&self.writing).stopped = Some(LogError::ReadingOnly {
            path: self.path.clone(),
        });
    }

    /// Applies a batch of changes, all or nothing, and returns when they are durable.
    fn store(&self, batch: sled::Batch) -> Result<(), LogError> {
        crash::reached(Point::Asked);
        if !self.written.swap(true, Ordering::Relaxed) {
            unsettle(&self.path)?;
        }
        let flushed = catch_unwind(AssertUnwindSafe(|| {
            self.store.apply_batch(batch)?;
            crash::reached(Point::Applied);
            if crash::is(Mutant::DropFlush) {
                return Ok(0);
            }
            self.store.flush()
        }));
        match flushed {
            Ok(Ok(_)) => {
                crash::reached(Point::Flushed);
                self.files.sync()?;
                crash::reached(Point::Durable);
                Ok(())
            }
            Ok(Err(error)) => Err(from_sled("write", &self.path, error)),
            Err(_) => Err(LogError::Store {
                path: self.path.clone(),
                what: "sled gave up while writing".into(),
            }),
        }
    }

    /// Runs `change` unless an earlier one failed, and remembers if this one does.
    fn exclusively<T>(&self, change: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
        let mut writing = lock(&self.writing);
        if let Some(first) = &writing.stopped {
            return Err(LogError::Stopped {
                first: Box::new(first.clone()),
            });
        }
        let result = change();
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
        let mut keys = self.store.scan_prefix(keys::prefix(run)).keys();
        let Some(key) = self.step(|| keys.next_back())? else {
            return Ok(None);
        };
        let first = self.parse(&key)?.1;
        let mut last = None;
        self.entries(run, first, &mut |first, stored| {
            pack::unpack(first, stored, &mut |seq, record| {
                last = Some(Head {
                    last: seq,
                    sha256: codec::sha256(record),
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
        let mut keys = self
            .store
            .range(keys::key(run, 0, 0)..=keys::key(run, seq, 0))
            .keys();
        let key = self.step(|| keys.next_back())?;
        key.map_or(Ok(seq), |key| Ok(self.parse(&key)?.1))
    }

    /// Shows what is stored under each place from `from` on, joined from its parts.
    fn entries(&self, run: &RunId, from: Seq, visit: Visit<'_>) -> Result<(), LogError> {
        let prefix = keys::prefix(run);
        let mut place = None;
        let mut joined = Vec::new();
        let mut entries = self.store.range(keys::key(run, from, 0)..keys::after(run));
        while let Some((key, part)) = self.step(|| entries.next())? {
            let seq = match keys::place(&prefix, &key) {
                Some(seq) => seq,
                None => self.parse(&key)?.1,
            };
            if place != Some(seq) {
                if let Some(place) = place.replace(seq)
                    && visit(place, &joined).is_break()
                {
                    return Ok(());
                }
                joined.clear();
            }
            joined.extend_from_slice(&part);
        }
        if let Some(place) = place {
            // The last one: there is nothing more to break from.
            let _ = visit(place, &joined);
        }
        Ok(())
    }

    /// One step of reading. On files that were tampered with sled may panic where it should say so.
    fn step<T>(
        &self,
        next: impl FnOnce() -> Option<sled::Result<T>>,
    ) -> Result<Option<T>, LogError> {
        match catch_unwind(AssertUnwindSafe(next)) {
            Ok(entry) => entry
                .transpose()
                .map_err(|error| from_sled("read", &self.path, error)),
            Err(_) => Err(LogError::Store {
                path: self.path.clone(),
                what: "sled gave up while reading".into(),
            }),
        }
    }

    fn parse(&self, key: &[u8]) -> Result<(RunId, Seq), LogError> {
        keys::parse(key).ok_or_else(|| LogError::Store {
            path: self.path.clone(),
            what: format!(
                "it holds a key that is none of flowctl's: {}",
                key.escape_ascii()
            ),
        })
    }

    /// Adds the records from `first` on to a batch.
    fn insert(&self, batch: &mut sled::Batch, run: &RunId, first: Seq, records: &[Vec<u8>]) {
        for (seq, stored) in pack::pack(first, records) {
            for (number, part) in (0..).zip(stored.chunks(self.part)) {
                batch.insert(keys::key(run, seq, number), part);
            }
        }
    }
}

impl Drop for SledLog {
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

impl EventLog for SledLog {
    fn commit(&self, appends: Vec<Append>) -> Vec<Result<Vec<Envelope>, LogError>> {
        let count = appends.len();
        let committed = self.exclusively(|| {
            let epoch = self.epoch.ok_or_else(|| LogError::ReadingOnly {
                path: self.path.clone(),
            })?;
            let mut heads = HashMap::new();
            let runs: Vec<RunId> = appends.iter().map(|append| append.run.clone()).collect();
            let sealed = seal_all(appends, epoch, &mut heads, |run| self.head(run));
            let mut batch = sled::Batch::default();
            let mut empty = true;
            for (run, sealed) in runs.iter().zip(&sealed) {
                let Ok(sealed) = sealed else { continue };
                if let Some(first) = sealed.envelopes.first() {
                    self.insert(&mut batch, run, first.seq, &sealed.records);
                    empty = false;
                }
            }
            if !empty {
                self.store(batch)?;
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
        loop {
            let mut keys = self.store.range(from..).keys();
            let Some(key) = self.step(|| keys.next())? else {
                return Ok(heads);
            };
            let run = self.parse(&key)?.0;
            from = keys::after(&run);
            if let Some(head) = self.head(&run)? {
                heads.push((run, head.last));
            }
        }
    }

    fn noted(&self, run: &RunId) -> Option<Head> {
        lock(&self.notes).get(run).cloned()
    }

    fn noted_runs(&self) -> Vec<RunId> {
        lock(&self.notes).runs().cloned().collect()
    }

    fn restore(&self, run: &RunId, records: Vec<Vec<u8>>) -> Result<(), LogError> {
        self.exclusively(|| {
            if let Some(head) = self.head(run)? {
                return Err(LogError::Conflict {
                    run: run.clone(),
                    expected: 0,
                    found: head.last + 1,
                });
            }
            let mut batch = sled::Batch::default();
            self.insert(&mut batch, run, 0, &records);
            self.store(batch)?;
            lock(&self.heads).remove(run);
            Ok(())
        })
    }
}

/// Makes an empty store, whole or not at all: sled makes its files one after the other without waiting
/// for the disk, and does not open what a power cut leaves of that.
fn make(path: &Path) -> Result<(), LogError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| LogError::io("create", parent, error))?;
    let made = unfinished(path)?;
    open_and_close(made.path())?;
    exchange::begin(made, path)
}

/// Lets sled do to a store what it does when it opens one, and makes that durable.
fn open_and_close(path: &Path) -> Result<(), LogError> {
    let store = open_store(path)?;
    let files = DiskFiles::open(path)?;
    let release = Release {
        inode: files.inode()?,
        path: path.to_path_buf(),
    };
    drop(store);
    drop(release);
    files.sync_all()
}

fn open_store(path: &Path) -> Result<sled::Db, LogError> {
    let open = || {
        sled::Config::new()
            .path(path)
            .cache_capacity(CACHE)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput)
            .open()
    };
    // On files that were tampered with sled may panic where it should return an error.
    catch_unwind(open)
        .map_err(|_| LogError::Store {
            path: path.into(),
            what: "sled cannot make sense of its files".into(),
        })?
        .map_err(|error| match DiskFiles::held(path) {
            true => held(path),
            false => from_sled("open", path, error),
        })
}

fn held(path: &Path) -> LogError {
    LogError::Held {
        path: path.into(),
        holder: None,
        stopped: false,
    }
}

fn from_sled(doing: &'static str, path: &Path, error: sled::Error) -> LogError {
    match error {
        sled::Error::Io(error) => LogError::io(doing, path, error),
        sled::Error::Corruption { .. } => LogError::Store {
            path: path.into(),
            what: "sled's own checksums do not match".into(),
        },
        sled::Error::Unsupported(what) | sled::Error::ReportableBug(what) => LogError::Store {
            path: path.into(),
            what,
        },
        sled::Error::CollectionNotFound(_) => LogError::Store {
            path: path.into(),
            what: "sled lost its tree".into(),
        },
    }
}

/// Waits, when dropped, until sled has let go of its files: a thread of sled's that ends its last write
/// keeps them locked a little longer than the store lives, and whoever opens them next would be told
/// that they are held.
#[derive(Debug)]
struct Release {
    path: PathBuf,
    /// Another store may have its name by then.
    inode: u64,
}

impl Drop for Release {
    fn drop(&mut self) {
        // Bounded, because by then another process may hold them.
        for _ in 0..1000 {
            if !DiskFiles::held_as(&self.path, Some(self.inode)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// A panic elsewhere leaves whole values behind, so a poisoned lock is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
