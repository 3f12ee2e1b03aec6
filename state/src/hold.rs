//! Holding a state: the lock, the word left for others, the epoch.
//!
//! Owns the order in which a state is opened and let go. The log's lock comes first: whoever has it
//! may count an epoch and write `holder.json`, nobody else may.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::directory::StateDirectory;
use crate::disk_log::DiskLog;
use crate::error::LogError;
use crate::event::Epoch;
use crate::evidence::EvidenceStore;
use crate::holder::{Condition, Holder};

/// A killed process keeps its lock until the system has cleared it away, so one that left no living
/// holder is waited for: this often, and this long each time.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// The state of one directory, held by this process until it is dropped.
#[derive(Debug)]
pub struct Hold {
    directory: StateDirectory,
    log: Arc<DiskLog>,
    evidence: Arc<EvidenceStore>,
    epoch: Option<Epoch>,
}

impl Hold {
    /// Holds the state for writing, under a new epoch. `command` is what others are told; it must
    /// hold no secret.
    ///
    /// # Errors
    /// [`LogError::Held`] with the holder, if another process holds it; [`LogError::Store`];
    /// [`LogError::Io`].
    pub fn to_write(
        directory: &StateDirectory,
        command: &str,
        now: jiff::Timestamp,
    ) -> Result<Self, LogError> {
        let log = open(directory)?;
        let epoch = directory.next_epoch()?;
        Holder::myself(command, now, Some(epoch))?.write(&directory.holder())?;
        Self::new(directory, log.writing_as(epoch), Some(epoch))
    }

    /// Holds the state for reading; others have to wait all the same, because the store admits one
    /// process.
    ///
    /// # Errors
    /// As for [`Hold::to_write`].
    pub fn to_read(
        directory: &StateDirectory,
        command: &str,
        now: jiff::Timestamp,
    ) -> Result<Self, LogError> {
        let log = open(directory)?;
        Holder::myself(command, now, None)?.write(&directory.holder())?;
        Self::new(directory, log, None)
    }

    fn new(
        directory: &StateDirectory,
        log: DiskLog,
        epoch: Option<Epoch>,
    ) -> Result<Self, LogError> {
        let evidence = Arc::new(EvidenceStore::open(&directory.evidence())?);
        Ok(Self {
            directory: directory.clone(),
            log: Arc::new(log),
            evidence,
            epoch,
        })
    }

    /// The event log.
    #[must_use]
    pub fn log(&self) -> &Arc<DiskLog> {
        &self.log
    }

    /// Gives room that the log does not need any more back to the file system, unless somebody else in
    /// this process uses it; then the next collection does.
    pub(crate) fn shrink(&mut self) -> Result<(), LogError> {
        Arc::get_mut(&mut self.log).map_or(Ok(()), DiskLog::shrink)
    }

    /// The evidence store.
    #[must_use]
    pub fn evidence(&self) -> &Arc<EvidenceStore> {
        &self.evidence
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    /// The epoch of what is written; `None` when it is held for reading.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // While the lock is still held: afterwards the file may already be another process's.
        if let Err(error) = std::fs::remove_file(self.directory.holder()) {
            tracing::warn!(%error, "holder.json stays behind");
        }
    }
}

fn open(directory: &StateDirectory) -> Result<DiskLog, LogError> {
    let mut tries = TRIES;
    loop {
        match DiskLog::open(&directory.log()) {
            Err(LogError::Held { .. }) => {
                let holder = living_holder(&directory.holder());
                if holder.is_some() || tries == 0 {
                    let stopped = holder
                        .as_ref()
                        .is_some_and(|holder| holder.condition() == Condition::Stopped);
                    return Err(LogError::Held {
                        path: directory.path().into(),
                        holder,
                        stopped,
                    });
                }
                tries -= 1;
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

fn living_holder(path: &Path) -> Option<Box<Holder>> {
    Holder::read(path).filter(Holder::is_alive).map(Box::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let parent = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(parent.path()).unwrap();
        let now = "2026-11-23T09:30:12Z".parse().unwrap();
        let first = Hold::to_write(&directory, "flowctl run phase3", now).unwrap();
        assert_eq!(first.epoch(), Some(1));
        let error = Hold::to_read(&directory, "flowctl runs", now).unwrap_err();
        let text = error.to_string();
        for part in [
            "flowctl run phase3",
            &std::process::id().to_string(),
            "2026-11-23T09:30:12Z",
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        drop(first);
        assert!(!directory.holder().exists());

        let reader = Hold::to_read(&directory, "flowctl runs", now).unwrap();
        assert_eq!(
            (reader.epoch(), directory.epoch().unwrap()),
            (None, 1),
            "a reader counts no epoch"
        );
        drop(reader);
        assert_eq!(
            Hold::to_write(&directory, "flowctl resume", now)
                .unwrap()
                .epoch(),
            Some(2)
        );
    }
}
