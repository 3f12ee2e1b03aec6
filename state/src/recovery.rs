//! A store that was written to is opened on a copy first.
//!
//! When sled opens such a store it notes in `snap.NUMBER` what it has read, and then overwrites parts of
//! its file that the note says are free, without waiting for the note's name to be durable; a power cut
//! in between leaves a store without its end (`docs/decisions/0011-power-loss.md`). It also takes a note
//! that it had not finished for one that is damaged. So it does all this to a copy, which takes the
//! store's place when it is durable. Owns the copy and the mark `settled`, which says that nothing was
//! written since: then sled finds its note and changes nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use crate::disk::{DiskFiles, names, sync_directory};
use crate::error::LogError;
use crate::exchange::{exchange, unfinished};

const SETTLED: &str = "settled";
const BLOCK: usize = 1024 * 1024;

/// Settles the store in `path`, unless it is settled or another process has it open. `open` opens a
/// store and closes it again.
pub(crate) fn recover(
    path: &Path,
    open: impl FnOnce(&Path) -> Result<(), LogError>,
) -> Result<(), LogError> {
    if path.join(SETTLED).exists() {
        return Ok(());
    }
    let Some(_lock) = DiskFiles::lock(path)? else {
        return Ok(());
    };
    let copied = unfinished(path)?;
    copy(path, copied.path())?;
    open(copied.path())?;
    let mark = copied.path().join(SETTLED);
    File::create(&mark).map_err(|error| LogError::io("create", &mark, error))?;
    DiskFiles::open(copied.path())?.sync_all()?;
    exchange(copied, path)
}

/// Says that the store is going to be written to, durably.
pub(crate) fn unsettle(path: &Path) -> Result<(), LogError> {
    let mark = path.join(SETTLED);
    match std::fs::remove_file(&mark) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io("remove", &mark, error)),
    }
}

/// Copies a store with what it may have in a directory of its own.
fn copy(from: &Path, to: &Path) -> Result<(), LogError> {
    for name in names(from)? {
        let text = name.to_string_lossy();
        // Notes that are not finished, and files that never got their name.
        if text.ends_with(".generating") || text.starts_with(".tmp") {
            continue;
        }
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            std::fs::create_dir(&to).map_err(|error| LogError::io("create", &to, error))?;
            copy(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), LogError> {
    let reading = |error| LogError::io("read", from, error);
    let writing = |error| LogError::io("write", to, error);
    let mut source = File::open(from).map_err(reading)?;
    let mut target = File::create(to).map_err(writing)?;
    let mut block = vec![0; BLOCK];
    loop {
        let length = source.read(&mut block).map_err(reading)?;
        if length == 0 {
            return Ok(());
        }
        target.write_all(&block[..length]).map_err(writing)?;
    }
}
