//! The wait for the disk.
//!
//! Owns the knowledge of which files the log's store writes, and of what makes a file durable: its
//! content by `fdatasync`, its name by an `fsync` of the directory. It never writes content.
//!
//! sled 0.34.7 writes `db` on each flush. It writes `blobs/NUMBER`, unsynced, when a value or a tree
//! page is longer than a quarter of a segment, and `snap.NUMBER` and `conf` only when it opens.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::error::LogError;

/// The files below the log.
#[derive(Debug)]
pub(crate) struct DiskFiles {
    path: PathBuf,
    db: File,
    blobs: PathBuf,
    durable: Mutex<HashSet<OsString>>,
}

impl DiskFiles {
    /// The files of an opened store.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let db = path.join("db");
        let file = File::open(&db).map_err(|error| LogError::io("open", &db, error))?;
        Ok(Self {
            path: path.to_path_buf(),
            db: file,
            blobs: path.join("blobs"),
            durable: Mutex::default(),
        })
    }

    /// Whether another process has the store open.
    pub(crate) fn held(path: &Path) -> bool {
        Self::held_as(path, None)
    }

    /// The same of one store, which had this inode, and not of another that has its name now.
    pub(crate) fn held_as(path: &Path, inode: Option<u64>) -> bool {
        File::open(path.join("db")).is_ok_and(|db| {
            let same =
                inode.is_none_or(|inode| db.metadata().is_ok_and(|about| about.ino() == inode));
            same && matches!(db.try_lock(), Err(TryLockError::WouldBlock))
        })
    }

    /// Keeps others from opening the store, unless one has it open: then there is none.
    pub(crate) fn lock(path: &Path) -> Result<Option<File>, LogError> {
        let db = path.join("db");
        let failed = |error| LogError::io("open", &db, error);
        let file = File::open(&db).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The inode of the store's file.
    pub(crate) fn inode(&self) -> Result<u64, LogError> {
        let about = self.db.metadata();
        let about = about.map_err(|error| LogError::io("look at", &self.path.join("db"), error))?;
        Ok(about.ino())
    }

    /// Makes durable what the store wrote since the last time.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.sync_new_blobs()?;
        self.db
            .sync_data()
            .map_err(|error| LogError::io("make durable", &self.path.join("db"), error))
    }

    /// Makes durable all that is there.
    pub(crate) fn sync_all(&self) -> Result<(), LogError> {
        self.sync()?;
        for name in names(&self.path)? {
            let path = self.path.join(name);
            if path.is_file() {
                sync_file(&path)?;
            }
        }
        sync_directory(&self.blobs)?;
        sync_directory(&self.path)?;
        self.path.parent().map_or(Ok(()), sync_directory)
    }

    #[cfg(test)]
    pub(crate) fn durable_blobs(&self) -> usize {
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn sync_new_blobs(&self) -> Result<(), LogError> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let present: HashSet<OsString> = names(&self.blobs)?.into_iter().collect();
        durable.retain(|name| present.contains(name));
        let mut appeared = false;
        for name in present {
            if !durable.contains(&name) {
                sync_file(&self.blobs.join(&name))?;
                durable.insert(name);
                appeared = true;
            }
        }
        if appeared {
            sync_directory(&self.blobs)
        } else {
            Ok(())
        }
    }
}

pub(crate) fn names(directory: &Path) -> Result<Vec<OsString>, LogError> {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries {
        Ok(entries) => Ok(entries.iter().map(std::fs::DirEntry::file_name).collect()),
        Err(error) => Err(LogError::io("list", directory, error)),
    }
}

/// The store removes files that it no longer needs at any time; such a file needs no sync.
pub(crate) fn sync_file(path: &Path) -> Result<(), LogError> {
    match File::open(path).and_then(|file| file.sync_data()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::io("make durable", path, error))
        }
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), LogError> {
    // The parent of a relative path of one component is the empty path.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| LogError::io("make durable", path, error))
}

/// Puts `content` in place of a file, whole or not at all, and returns when it is durable.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<(), LogError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let failed = |error| LogError::io("write", path, error);
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    io::Write::write_all(&mut file, content).map_err(failed)?;
    file.as_file().sync_data().map_err(failed)?;
    put_in_place(file, path).map_err(failed)?;
    sync_directory(directory)
}

/// Gives a finished file its name. `persist` of the crate would do, but it calls the kernel directly,
/// and the power-loss test sees only what goes through the C library.
pub(crate) fn put_in_place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let temporary = file.into_temp_path();
    std::fs::rename(&temporary, path)?;
    // There is nothing left under that name to be removed.
    temporary.keep().map(drop).map_err(|error| error.error)
}
