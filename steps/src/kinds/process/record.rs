//! The record of a program that stays: written before it is started and again once its pid is known, so
//! that at no moment a running one is unknown.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::child::proc::{self, PROCESS_MARK, Process, Stat};
use crate::error::StepError;

/// What is known of a program: `NAME.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(super) enum Record {
    /// It is about to be started, or flowctl died just then: it is found by its mark.
    Starting {
        #[serde(flatten)]
        start: Start,
    },
    /// It was started.
    Running {
        pid: i32,
        start_time: u64,
        #[serde(flatten)]
        start: Start,
    },
}

/// One start of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    /// The value of [`PROCESS_MARK`] in its environment; no other start has it.
    pub(super) mark: String,
    /// SHA-256 of its command line, variables (secrets by name) and directory.
    pub(super) digest: String,
    /// The attempt that started it.
    pub(super) attempt: String,
    /// Pids and start times are of this start of the machine.
    pub(super) boot_id: String,
}

impl Record {
    pub(super) fn start(&self) -> &Start {
        match self {
            Record::Starting { start } | Record::Running { start, .. } => start,
        }
    }

    /// The program, if it lives.
    pub(super) fn live(&self) -> Option<Process> {
        if self.start().boot_id != proc::boot_id() {
            return None;
        }
        match self {
            Record::Running {
                pid, start_time, ..
            } => Some(Process {
                pid: *pid,
                start_time: *start_time,
            })
            .filter(|process| process.lives()),
            // Its descendants carry the mark too, but it leads its group and is the oldest.
            Record::Starting { start } => proc::marked(PROCESS_MARK, |mark| mark == start.mark)
                .into_iter()
                .find(|stat| stat.group == stat.process.pid)
                .map(|stat| stat.process),
        }
    }

    /// The program and its process group, as far as they live. Never a process that has merely been given
    /// the same number: without the leader, only what carries the mark counts.
    pub(super) fn members(&self) -> Vec<Stat> {
        let leader = self.live();
        let number = match (self, leader) {
            (_, Some(leader)) => leader.pid,
            (Record::Running { pid, start, .. }, None) if start.boot_id == proc::boot_id() => *pid,
            _ => return Vec::new(),
        };
        let mark = self.start().mark.as_bytes();
        proc::group(number)
            .into_iter()
            .filter(|stat| {
                leader.is_some() || stat.process.variable(PROCESS_MARK).as_deref() == Some(mark)
            })
            .collect()
    }
}

/// Where the record and the log of one program are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    name: String,
}

impl Place {
    /// The place of `name` in `directory`, which is made if it is not there.
    pub(super) fn open(directory: &str, name: &str) -> Result<Self, StepError> {
        let bad = |error: std::io::Error| {
            StepError::permanent(
                "process.directory",
                format!("cannot use the directory {directory}: {error}"),
            )
        };
        std::fs::create_dir_all(directory).map_err(bad)?;
        Ok(Self {
            directory: std::fs::canonicalize(directory).map_err(bad)?,
            name: name.to_owned(),
        })
    }

    /// A mark for a start that begins now.
    pub(super) fn mark(&self, attempt: &str, now: jiff::Timestamp) -> String {
        format!(
            "{}#{attempt}#{}",
            self.directory.join(&self.name).display(),
            now.as_nanosecond()
        )
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    fn record(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.name))
    }

    /// The record, if there is one.
    pub(super) fn read(&self) -> Result<Option<Record>, StepError> {
        let path = self.record();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            StepError::permanent(
                "process.record",
                format!("{} is no record of a process: {error}", path.display()),
            )
            .help("see that the program is not running, then remove the file")
        })
    }

    /// Writes the record; durable when it returns.
    pub(super) fn write(&self, record: &Record) -> Result<(), StepError> {
        let (path, temporary) = (
            self.record(),
            self.directory.join(format!("{}.json.new", self.name)),
        );
        let write = || {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(record)?)?;
            file.sync_data()?;
            std::fs::rename(&temporary, &path)?;
            self.sync_directory()
        };
        write().map_err(|error| unusable(&path, &error))
    }

    /// Takes the record away; that there is none is fine.
    pub(super) fn remove(&self) -> Result<(), StepError> {
        let path = self.record();
        match std::fs::remove_file(&path) {
            Ok(()) => self
                .sync_directory()
                .map_err(|error| unusable(&path, &error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        std::fs::File::open(&self.directory)?.sync_all()
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> StepError {
    StepError::permanent(
        "process.record",
        format!("cannot use {}: {error}", path.display()),
    )
}
