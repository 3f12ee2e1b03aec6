//! A store takes the place of another, and at any moment one of them is there.
//!
//! Owns the two names beside the log's own: of a store that is not finished, and of the one that a
//! finished store has replaced. The new one is whole and durable before it gets the log's name, and the
//! old one is removed after that is durable. In the moment between, [`settle`] gives the old one back
//! its name.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::disk::sync_directory;
use crate::error::LogError;

/// What the name of a store begins with that is being replaced; its own name follows.
pub(crate) const OLD: &str = ".old-";
/// What the name of a store begins with that is not finished.
const UNFINISHED: &str = ".new-log-";

/// A directory for a store that will take the place of the one in `log`. Until then it is removed when
/// it is dropped.
pub(crate) fn unfinished(log: &Path) -> Result<TempDir, LogError> {
    let parent = beside(log);
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .map_err(|error| LogError::io("create a directory in", parent, error))
}

/// Gives a finished store the name of the log; there is none yet, or another process was first.
pub(crate) fn begin(finished: TempDir, log: &Path) -> Result<(), LogError> {
    match rename(finished.path(), log) {
        // It has another name now, under which nobody removes it.
        Ok(()) => drop(finished.keep()),
        Err(_) if log.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_directory(beside(log))
}

/// Gives the log back its name, if an exchange was stopped in the middle.
pub(crate) fn settle(log: &Path) -> Result<(), LogError> {
    let old = old(log);
    if log.exists() || !old.exists() {
        return Ok(());
    }
    match rename(&old, log) {
        // Whoever exchanges them went on meanwhile.
        Err(_) if log.exists() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_directory(beside(log)),
    }
}

/// Stores beside the log in `directory` that nobody needs any more. Only who holds the log may ask.
pub(crate) fn leftovers(directory: &Path) -> Result<Vec<PathBuf>, LogError> {
    // That the log has its name must be durable before the old one goes.
    sync_directory(directory)?;
    let mut found = entries(directory)?;
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(OLD) || name.starts_with(UNFINISHED)
    });
    Ok(found)
}

/// What lies in a directory; nothing, if it is none.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>, LogError> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let names = crate::disk::names(directory)?;
    Ok(names.iter().map(|name| directory.join(name)).collect())
}

/// Removes a file or a directory with all that is in it, if it is there.
pub(crate) fn remove_all(path: &Path) -> Result<(), LogError> {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn old(log: &Path) -> PathBuf {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    beside(log).join(format!("{OLD}{name}"))
}

fn beside(log: &Path) -> &Path {
    log.parent().unwrap_or(Path::new("."))
}

fn rename(from: &Path, to: &Path) -> Result<(), LogError> {
    std::fs::rename(from, to).map_err(|error| LogError::io("rename", from, error))
}
