//! The log that an earlier flowctl kept is taken over. The only file that names sled.
//!
//! Until this flowctl the events lay in `sled/`, and a power cut could leave that unreadable
//! (`docs/decisions/0015-redb.md`). Owns the reading of such a store, which is never changed: sled opens
//! a copy, and what was taken over is put away under another name. It never writes one.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flowctl_workflows::RunId;
use tempfile::TempDir;

use crate::disk::{names, sync_directory};
use crate::error::LogError;
use crate::event::Seq;
use crate::exchange::{settle, unfinished};
use crate::guard::caught;
use crate::keys;

/// Where the events lay, beside the log.
pub(crate) const NAME: &str = "sled";
/// What becomes of it.
pub(crate) const PUT_AWAY: &str = "sled-taken-over";

/// What is stored under the places of a run's events, joined from its parts.
pub(crate) type Entries = BTreeMap<Seq, Vec<u8>>;

/// A store of sled's, copied, and kept from being opened by others.
pub(crate) struct Source {
    store: sled::Db,
    path: PathBuf,
    // Dropped after the store.
    _copied: TempDir,
    _lock: File,
}

impl Source {
    /// The one that lies beside a log, if there is one. It is also one that was put away for a log that
    /// did not get its name.
    pub(crate) fn beside(log: &Path) -> Result<Option<Self>, LogError> {
        let (path, away) = (log.with_file_name(NAME), log.with_file_name(PUT_AWAY));
        settle(&path)?;
        // In this order, for another process may be giving the one its second name.
        let path = match (is_in(&path), is_in(&away)) {
            (_, true) if is_in(&path) => return Err(LogError::Twice { path, away }),
            (_, true) => away,
            (true, false) => path,
            (false, false) => return Ok(None),
        };
        let lock = held(&path)?;
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

    /// Whether an earlier flowctl began a store of its own beside a log that is there.
    pub(crate) fn refuse_second(log: &Path) -> Result<(), LogError> {
        let path = log.with_file_name(NAME);
        match is_in(&path) {
            true => Err(LogError::Twice {
                path,
                away: log.with_file_name(PUT_AWAY),
            }),
            false => Ok(()),
        }
    }

    /// Gives it another name, so that no earlier flowctl goes on in it, while nobody else can have it open.
    pub(crate) fn put_away(self) -> Result<(), LogError> {
        let away = self.path.with_file_name(PUT_AWAY);
        if self.path != away {
            std::fs::rename(&self.path, &away)
                .map_err(|error| LogError::io("rename", &self.path, error))?;
        }
        sync_directory(away.parent().unwrap_or(Path::new(".")))
    }

    /// Where its note of how far the runs had come lies, if it has one.
    pub(crate) fn heads(&self) -> PathBuf {
        self.path.join("heads")
    }

    /// What is stored of each run under its places, as it is. What is damaged or missing stays so, for
    /// `state check` to find.
    pub(crate) fn runs(
        &self,
        mut take: impl FnMut(&RunId, Entries) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut from = Vec::new();
        while let Some((key, _)) = guarded(&self.path, || {
            self.store.range(&from[..]..).next().transpose()
        })? {
            let run = self.parse(&key)?.0;
            from = keys::after(&run);
            take(&run, self.entries(&run)?)?;
        }
        Ok(())
    }

    fn entries(&self, run: &RunId) -> Result<Entries, LogError> {
        let mut entries = Entries::new();
        let mut pairs = self.store.scan_prefix(keys::prefix(run));
        while let Some((key, part)) = guarded(&self.path, || pairs.next().transpose())? {
            let (_, seq) = self.parse(&key)?;
            entries.entry(seq).or_default().extend_from_slice(&part);
        }
        Ok(entries)
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
}

fn is_in(path: &Path) -> bool {
    path.join("db").exists()
}

/// Opens a store's file and locks it as sled does.
fn held(path: &Path) -> Result<File, LogError> {
    locked(path, File::open(path.join("db")))
}

/// Locks the file that was opened. Whoever held it until then may have given it another name, and another store its own.
fn locked(path: &Path, opened: io::Result<File>) -> Result<File, LogError> {
    let db = path.join("db");
    let failed = |error: io::Error| LogError::io("open", &db, error);
    let held = || LogError::Held {
        path: path.into(),
        holder: None,
        stopped: false,
    };
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => held(),
        _ => failed(error),
    };
    let lock = opened.map_err(missing)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => held(),
        TryLockError::Error(error) => failed(error),
    })?;
    let here = std::fs::metadata(&db).map_err(missing)?;
    let locked = lock.metadata().map_err(failed)?;
    match (here.dev(), here.ino()) == (locked.dev(), locked.ino()) {
        true => Ok(lock),
        false => Err(held()),
    }
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
    match caught(act) {
        Some(Ok(done)) => Ok(done),
        Some(Err(sled::Error::Io(error))) => Err(LogError::io("read", path, error)),
        Some(Err(error)) => Err(LogError::Store {
            path: path.into(),
            what: error.to_string(),
        }),
        None => Err(LogError::Store {
            path: path.into(),
            what: "sled cannot make sense of its files".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_exchanged_before_it_was_locked_is_not_held() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let db = path.join("db");
        std::fs::write(&db, b"the one").unwrap();
        assert!(held(path).is_ok());
        let opened = File::open(&db);
        std::fs::rename(&db, path.join("old")).unwrap();
        let error = locked(path, opened).unwrap_err();
        assert!(matches!(error, LogError::Held { .. }), "gone: {error}");

        let opened = File::open(path.join("old"));
        std::fs::write(&db, b"the other").unwrap();
        let error = locked(path, opened).unwrap_err();
        assert!(matches!(error, LogError::Held { .. }), "another: {error}");
    }
}
