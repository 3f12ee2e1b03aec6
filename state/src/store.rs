//! The store below the log: keys and values in one file. The only file that names redb.
//!
//! Owns how it is made, opened and shrunk, and what its errors mean. A change is all or nothing and
//! durable when it returns: redb writes what is new beside what is there, with checksums, and ends in
//! one `fdatasync`; until then the state before it is what a power cut leaves
//! (`docs/decisions/0015-redb.md`). It never looks into a key or a value.

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use redb::{ReadableDatabase, TableDefinition};

use crate::crash::{self, Mutant, Point};
use crate::disk::{sync_directory, sync_file};
use crate::error::LogError;
use crate::exchange::{begin, unfinished};
use crate::guard::caught;

/// The store's file in the log's directory.
pub(crate) const FILE: &str = "events.redb";
/// The room for a key and its value in a page. What is longer takes a power of two of pages, and is
/// copied when its neighbour changes.
pub(crate) const ROOM: usize = 4096 - 16;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");
/// A run reads its events once, so a large cache would only cost memory.
const CACHE: usize = 4 * 1024 * 1024;

/// Which keys: from the first on, and before the second.
pub(crate) type Keys<'a> = Range<&'a [u8]>;

/// An open store. No other process can open it until it is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// There until it is dropped.
    database: Option<redb::Database>,
}

impl Store {
    /// Whether there is a store in the log's directory.
    pub(crate) fn is_in(log: &Path) -> bool {
        log.join(FILE).exists()
    }

    /// Makes a store of what `fill` puts into it, whole or not at all: it gets its name when it is durable.
    pub(crate) fn make(
        log: &Path,
        fill: impl FnOnce(&Path) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let parent = log.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|error| LogError::io("create", parent, error))?;
        let made = unfinished(log)?;
        drop(Self::create(made.path())?);
        fill(made.path())?;
        sync_directory(made.path())?;
        begin(made, log)
    }

    fn create(log: &Path) -> Result<Self, LogError> {
        let path = log.join(FILE);
        let database = guarded(&path, "create", || {
            let database = builder().create(&path)?;
            let change = database.begin_write()?;
            change.open_table(TABLE)?;
            change.commit()?;
            Ok(Some(database))
        })?;
        Ok(Self { path, database })
    }

    /// Opens the store in the log's directory. What a killed process left is put in order.
    pub(crate) fn open(log: &Path) -> Result<Self, LogError> {
        let path = log.join(FILE);
        let database = guarded(&path, "open", || Ok(Some(builder().open(&path)?)))?;
        // What a killed process wrote may be in the page cache only; it was read, so it must stay.
        sync_file(&path)?;
        Ok(Self { path, database })
    }

    /// How many bytes its file has.
    pub(crate) fn length(log: &Path) -> Result<u64, LogError> {
        let path = log.join(FILE);
        let about = std::fs::metadata(&path).map_err(|error| LogError::io("look at", &path, error));
        Ok(about?.len())
    }

    /// Stores these pairs, all or none, and returns when they are durable.
    pub(crate) fn insert<'a>(
        &self,
        pairs: impl Iterator<Item = (Vec<u8>, &'a [u8])>,
    ) -> Result<(), LogError> {
        self.change(|table| {
            for (key, value) in pairs {
                table.insert(key.as_slice(), value)?;
            }
            Ok(())
        })
    }

    /// Removes what is under these keys, all or nothing, and returns when that is durable. The file
    /// stays as long as it is.
    pub(crate) fn remove(&self, keys: &[(Vec<u8>, Vec<u8>)]) -> Result<(), LogError> {
        self.change(|table| {
            for (from, end) in keys {
                table.retain_in(from.as_slice()..end.as_slice(), |_, _| false)?;
            }
            Ok(())
        })
    }

    fn database(&self) -> Result<&redb::Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    fn change(
        &self,
        make: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>) -> Result<(), redb::Error>,
    ) -> Result<(), LogError> {
        crash::reached(Point::Asked);
        guarded(&self.path, "write", || {
            let mut change = self.database()?.begin_write()?;
            if crash::is(Mutant::DropFlush) {
                change.set_durability(redb::Durability::None)?;
            }
            make(&mut change.open_table(TABLE)?)?;
            crash::reached(Point::Applied);
            Ok(change.commit()?)
        })?;
        crash::reached(Point::Durable);
        Ok(())
    }

    /// Gives room that nothing needs any more back to the file system. Whenever it is stopped, all is there.
    pub(crate) fn shrink(&mut self) -> Result<(), LogError> {
        guarded(&self.path, "shrink", || {
            if let Some(database) = &mut self.database {
                database.compact()?;
            }
            Ok(())
        })
    }

    /// Shows what is under these keys, in their order, until `visit` breaks.
    pub(crate) fn scan(
        &self,
        keys: Keys<'_>,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        // What it shows is kept for it as long as it lasts.
        let (_reading, table) = guarded(&self.path, "read", || {
            let reading = self.database()?.begin_read()?;
            let table = reading.open_table(TABLE)?;
            Ok((reading, table))
        })?;
        let mut pairs = guarded(&self.path, "read", || Ok(table.range(keys)?))?;
        loop {
            let pair = guarded(&self.path, "read", || {
                let pair = pairs.next().transpose()?;
                // Here it panics if it cannot, and below no more.
                let _ = pair
                    .as_ref()
                    .map(|(key, value)| (key.value(), value.value()));
                Ok(pair)
            })?;
            let Some((key, value)) = pair else {
                return Ok(());
            };
            if visit(key.value(), value.value()).is_break() {
                return Ok(());
            }
        }
    }

    /// The last of these keys.
    pub(crate) fn last(&self, keys: Keys<'_>) -> Result<Option<Vec<u8>>, LogError> {
        guarded(&self.path, "read", || {
            let reading = self.database()?.begin_read()?;
            let table = reading.open_table(TABLE)?;
            let pair = table.range(keys)?.next_back().transpose()?;
            Ok(pair.map(|pair| pair.0.value().to_vec()))
        })
    }

    /// The first key from `key` on.
    pub(crate) fn next(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        guarded(&self.path, "read", || {
            let reading = self.database()?.begin_read()?;
            let table = reading.open_table(TABLE)?;
            let pair = table.range(key..)?.next().transpose()?;
            Ok(pair.map(|pair| pair.0.value().to_vec()))
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.take();
        let closed = guarded(&self.path, "close", || {
            drop(database);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "the log was not closed in order");
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = redb::Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// Does something with the store. On a file that was tampered with redb may panic where it should
/// return an error.
fn guarded<T>(
    path: &Path,
    doing: &'static str,
    act: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, LogError> {
    match caught(act) {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err(meant(path, doing, error)),
        None => Err(damaged(path, "redb cannot make sense of its file")),
    }
}

fn meant(path: &Path, doing: &'static str, error: redb::Error) -> LogError {
    match error {
        redb::Error::DatabaseAlreadyOpen => LogError::Held {
            path: path.into(),
            holder: None,
            stopped: false,
        },
        // So redb says that a file is none of its own, and that one ends too early.
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            damaged(path, &error.to_string())
        }
        redb::Error::Io(error) => LogError::io(doing, path, error),
        other => damaged(path, &other.to_string()),
    }
}

fn damaged(path: &Path, what: &str) -> LogError {
    LogError::Store {
        path: path.into(),
        what: what.into(),
    }
}
