//! The log that an earlier flowctl kept is taken over. The only file that names sled.
//!
//! Until this flowctl the events lay in `sled/`, and a power cut could leave that unreadable
//! (`docs/decisions/0015-redb.md`). Owns the reading of such a store, which is never changed: sled opens
//! a copy, and what was taken over is put away under another name. It never writes one.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use flowctl_workflows::RunId;
use tempfile::TempDir;

use crate::disk::{names, sync_directory};
use crate::error::LogError;
use crate::event::Seq;
use crate::exchange::{settle, unfinished};
use crate::keys;
use crate::pack;

/// Where the events lay, beside the log.
pub(crate) const NAME: &str = "sled";
/// What becomes of it.
pub(crate) const PUT_AWAY: &str = "sled-taken-over";

/// A store of sled's, copied, and kept from being opened by others.
pub(crate) struct Source {
    store: sled::Db,
    path: PathBuf,
    // Dropped after the store.
    _copied: TempDir,
    _lock: File,
}

impl Source {
    /// The one that lies beside a log, if there is one.
    pub(crate) fn beside(log: &Path) -> Result<Option<Self>, LogError> {
        let path = log.with_file_name(NAME);
        settle(&path)?;
        let db = path.join("db");
        if !db.exists() {
            return Ok(None);
        }
        let failed = |error| LogError::io("open", &db, error);
        let lock = File::open(&db).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LogError::Held {
                path: path.clone(),
                holder: None,
                stopped: false,
            },
            TryLockError::Error(error) => failed(error),
        })?;
        let copied = unfinished(log)?;
        copy(&path, copied.path())?;
        let store = guarded(&path, || sled::Config::new().path(copied.path()).open())?;
        Ok(Some(Self {
            store,
            path,
            _copied: copied,
            _lock: lock,
        }))
    }

    /// Where its note of how far the runs had come lies, if it has one.
    pub(crate) fn heads(&self) -> PathBuf {
        self.path.join("heads")
    }

    /// The records of each run, as they are. What is damaged stays so, for `state check` to find.
    pub(crate) fn runs(
        &self,
        mut take: impl FnMut(&RunId, Vec<Vec<u8>>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut from = Vec::new();
        while let Some((key, _)) = guarded(&self.path, || {
            self.store.range(&from[..]..).next().transpose()
        })? {
            let (run, _) = keys::parse(&key).ok_or_else(|| LogError::Store {
                path: self.path.clone(),
                what: format!(
                    "it holds a key that is none of flowctl's: {}",
                    key.escape_ascii()
                ),
            })?;
            from = keys::after(&run);
            take(&run, self.records(&run)?)?;
        }
        Ok(())
    }

    fn records(&self, run: &RunId) -> Result<Vec<Vec<u8>>, LogError> {
        let prefix = keys::prefix(run);
        let mut entries: BTreeMap<Seq, Vec<u8>> = BTreeMap::new();
        let mut pairs = self.store.scan_prefix(&prefix);
        while let Some((key, part)) = guarded(&self.path, || pairs.next().transpose())? {
            if let Some(seq) = keys::place(&prefix, &key) {
                entries.entry(seq).or_default().extend_from_slice(&part);
            }
        }
        let mut records = Vec::new();
        for (first, stored) in entries {
            let _ = pack::unpack(first, &stored, &mut |_, record| {
                records.push(record.to_vec());
                ControlFlow::Continue(())
            });
        }
        Ok(records)
    }
}

/// Gives a store that was taken over another name, so that no earlier flowctl goes on in it.
pub(crate) fn put_away(log: &Path) -> Result<(), LogError> {
    let path = log.with_file_name(NAME);
    if !path.exists() {
        return Ok(());
    }
    let away = log.with_file_name(PUT_AWAY);
    if away.exists() {
        return Err(LogError::Twice { path, away });
    }
    std::fs::rename(&path, &away).map_err(|error| LogError::io("rename", &path, error))?;
    sync_directory(log.parent().unwrap_or(Path::new(".")))
}

/// Copies a store with what it may have in a directory of its own.
fn copy(from: &Path, to: &Path) -> Result<(), LogError> {
    for name in names(from)? {
        let text = name.to_string_lossy();
        // Notes that are not finished, and files that never got their name: sled takes them for damaged ones.
        if text.ends_with(".generating") || text.starts_with(".tmp") {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            std::fs::create_dir(&to).map_err(|error| LogError::io("create", &to, error))?;
            copy(&from, &to)?;
        } else {
            std::fs::copy(&from, &to).map_err(|error| LogError::io("copy", &from, error))?;
        }
    }
    Ok(())
}

/// On files that were tampered with sled may panic where it should return an error.
fn guarded<T>(path: &Path, act: impl FnOnce() -> sled::Result<T>) -> Result<T, LogError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(sled::Error::Io(error))) => Err(LogError::io("read", path, error)),
        Ok(Err(error)) => Err(LogError::Store {
            path: path.into(),
            what: error.to_string(),
        }),
        Err(_) => Err(LogError::Store {
            path: path.into(),
            what: "sled cannot make sense of its files".into(),
        }),
    }
}
