//! The wait for the disk.
//!
//! Owns the knowledge of what makes a file durable: its content by `fdatasync`, its name by an `fsync`
//! of the directory.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::LogError;

pub(crate) fn names(directory: &Path) -> Result<Vec<OsString>, LogError> {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries {
        Ok(entries) => Ok(entries.iter().map(std::fs::DirEntry::file_name).collect()),
        Err(error) => Err(LogError::io("list", directory, error)),
    }
}

/// Makes a file's content durable, whoever wrote it.
pub(crate) fn sync_file(path: &Path) -> Result<(), LogError> {
    File::open(path)
        .and_then(|file| file.sync_data())
        .map_err(|error| LogError::io("make durable", path, error))
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
