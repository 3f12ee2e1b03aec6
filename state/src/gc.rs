//! Old runs go, with all that only they need.
//!
//! Owns the order in which they go: their reports, then their events, then the evidence that no run
//! names any more; so whatever moment it is stopped at, nothing that is left names something that is
//! gone, and the next collection takes the rest. It never decides which runs are old enough.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flowctl_workflows::RunId;

use crate::disk::sync_directory;
use crate::error::LogError;
use crate::evidence::Stored;
use crate::exchange::{self, entries, remove_all};
use crate::export::export;
use crate::hold::Hold;
use crate::log::EventLog;
use crate::store::Store;

/// A log that is not longer than this, in bytes, is not worth the work.
const SMALL: u64 = 4 * 1024 * 1024;

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many records of evidence.
    pub evidence: u64,
    /// What they took on the disk, in bytes.
    pub evidence_bytes: u64,
    /// How many unfinished files, which killed processes had left.
    pub leftovers: u64,
    /// Room of the log was, or would be, given back to the file system.
    pub shrunk: bool,
}

/// Removes these runs and lets go of the state; with `dry_run` it only says what that would come to.
///
/// Evidence stays if a record of a run that stays has its hash in it, wherever that is: so no kind of
/// event can be forgotten here.
///
/// # Errors
/// [`LogError::Damaged`] or [`LogError::Newer`] if a run that stays cannot be read to its end, because
/// then it is not known which evidence it needs; nothing is removed. [`LogError::Io`].
pub fn collect(mut hold: Hold, runs: &[RunId], dry_run: bool) -> Result<Collected, LogError> {
    let log = hold.log().as_ref();
    let directory = hold.directory();
    let mut unnamed = Unnamed::of(hold.evidence().list()?);
    let mut staying: Vec<RunId> = log.heads()?.into_iter().map(|(run, _)| run).collect();
    staying.extend(log.noted_runs());
    staying.sort_unstable();
    staying.dedup();
    staying.retain(|run| !runs.contains(run));
    for run in &staying {
        export(log, run, &mut unnamed)?;
    }
    let leftovers = leftovers(&hold)?;
    let collected = Collected {
        evidence: unnamed.left.len() as u64,
        evidence_bytes: unnamed.left.values().map(|stored| stored.bytes).sum(),
        leftovers: leftovers.len() as u64,
        shrunk: !runs.is_empty() || is_loose(Store::length(&directory.log())?, unnamed.seen),
    };
    if dry_run {
        return Ok(collected);
    }
    for run in runs {
        let reports = directory.reports(run);
        remove_all(&reports)?;
        // Its run must not go before it has, or nobody would ever find it again.
        if let Some(parent) = reports.parent().filter(|parent| parent.is_dir()) {
            sync_directory(parent)?;
        }
    }
    for path in leftovers {
        remove_all(&path)?;
    }
    if !runs.is_empty() {
        log.remove(runs)?;
    }
    for stored in unnamed.left.values() {
        remove_all(&stored.path)?;
    }
    if collected.shrunk {
        hold.shrink()?;
    }
    Ok(collected)
}

/// Whether the log's file is so much longer than its records that it should be made shorter.
fn is_loose(length: u64, records: u64) -> bool {
    length > SMALL.max(4 * records)
}

/// Evidence of which no name was seen yet. What is written to it is searched for names.
struct Unnamed {
    left: HashMap<String, Stored>,
    seen: u64,
}

impl Unnamed {
    fn of(stored: Vec<Stored>) -> Self {
        let left = stored.into_iter().map(|one| (one.sha256.clone(), one));
        Self {
            left: left.collect(),
            seen: 0,
        }
    }
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const DIGITS: usize = 64;
        self.seen += bytes.len() as u64;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        for digits in bytes.split(|byte| !is_digit(byte)) {
            for name in digits.windows(DIGITS) {
                if let Ok(name) = std::str::from_utf8(name) {
                    self.left.remove(name);
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Files that were to get another name once they were whole, and whose writer was killed before. Who
/// holds the state is the only one that makes such files, so none of them is being written.
fn leftovers(hold: &Hold) -> Result<Vec<PathBuf>, LogError> {
    let mut found = exchange::leftovers(hold.directory().path())?;
    let mut directories = vec![
        hold.directory().path().to_path_buf(),
        hold.directory().log(),
    ];
    directories.extend(entries(&hold.directory().evidence())?);
    for directory in directories {
        let temporary = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".tmp") && path.is_file()
        };
        found.extend(entries(&directory)?.into_iter().filter(temporary));
    }
    Ok(found)
}

/// What a directory takes on the disk with all that is in it, in bytes.
///
/// # Errors
/// [`LogError::Io`].
pub fn disk_usage(path: &Path) -> Result<u64, LogError> {
    use std::os::unix::fs::MetadataExt;
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        // What went away meanwhile takes nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(LogError::io("look at", path, error)),
    };
    let mut bytes = about.blocks() * 512;
    if about.is_dir() {
        for entry in entries(path)? {
            bytes += disk_usage(&entry)?;
        }
    }
    Ok(bytes)
}
