//! What can go wrong with the state, in words that say what helps.
//!
//! Owns the one error type of this crate. Each error is cheap to clone, because one failed commit
//! answers many waiting appends. No error holds a secret or the content of an event.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowctl_workflows::RunId;

use crate::event::{FORMAT, Seq};
use crate::holder::Holder;

/// Why the state could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Another process holds the state: the log admits one process at a time.
    #[error("the state in {} is held by {}{}", path.display(), describe(holder.as_deref()), if *stopped { ", which is stopped by a signal" } else { "" })]
    Held {
        /// The state directory.
        path: PathBuf,
        /// Who holds it, as far as it left word.
        holder: Option<Box<Holder>>,
        /// It is stopped by a signal, so it will neither answer nor let go.
        stopped: bool,
    },
    /// An append expected another end of the run than it has.
    #[error("run {run} goes on at event {found}, but an append expected {expected}")]
    Conflict {
        /// The run.
        run: RunId,
        /// The sequence number that the append expected to write.
        expected: Seq,
        /// The next free sequence number.
        found: Seq,
    },
    /// No event of this run is stored.
    #[error("there is no run {run} in this state")]
    UnknownRun {
        /// The run.
        run: RunId,
    },
    /// A stored record is not what was written.
    #[error("run {run} is damaged at event {seq}: {what}")]
    Damaged {
        /// The run.
        run: RunId,
        /// The first event that cannot be trusted; those before it can be read.
        seq: Seq,
        /// What is wrong with it.
        what: String,
    },
    /// A record has a format of the future.
    #[error(
        "run {run} was written by a newer flowctl (event {seq} has format {format}, this one reads up to {FORMAT})"
    )]
    Newer {
        /// The run.
        run: RunId,
        /// The first event that cannot be read.
        seq: Seq,
        /// Its format.
        format: u64,
    },
    /// An event could not be read back as it was given, so it was not stored.
    #[error("event {seq} of run {run} cannot be stored: {why}")]
    Unstorable {
        /// The run.
        run: RunId,
        /// The event's place.
        seq: Seq,
        /// Why.
        why: String,
    },
    /// The log was opened for reading only.
    #[error("the state in {} was opened for reading", path.display())]
    ReadingOnly {
        /// The log's directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, for example `write`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: Arc<io::Error>,
    },
    /// The store below the log found its own files unreadable.
    #[error("the store in {} is damaged: {what}", path.display())]
    Store {
        /// The log's directory.
        path: PathBuf,
        /// The store's own words.
        what: String,
    },
    /// An earlier flowctl wrote to its own log again after that was taken over.
    #[error("{} was written to by an earlier flowctl, after its runs had been taken over", path.display())]
    Twice {
        /// The earlier flowctl's log.
        path: PathBuf,
        /// What was taken over.
        away: PathBuf,
    },
    /// An earlier append failed, so what followed it was not tried.
    #[error("nothing more is written, because an earlier append failed: {first}")]
    Stopped {
        /// The first failure.
        first: Box<LogError>,
    },
    /// A raw record that an event refers to is not there.
    #[error("evidence {sha256} is missing")]
    EvidenceMissing {
        /// Its hash.
        sha256: String,
    },
    /// A raw record is not what was stored.
    #[error("evidence {sha256} is damaged: {what}")]
    EvidenceDamaged {
        /// Its hash.
        sha256: String,
        /// What is wrong with it.
        what: String,
    },
}

impl LogError {
    /// An operating system error with its context.
    #[must_use]
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_path_buf(),
            source: Arc::new(source),
        }
    }

    /// What the reader can do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Held { holder: Some(holder), stopped: true, .. } => Some(format!(
                "let it go on with `kill -CONT {}`, or end it and take the state over with --take-over on `run`, \
                 `resume`, `cancel` or `undo`",
                holder.pid
            )),
            Self::Held { holder: Some(holder), .. } => Some(format!(
                "wait for it, steer it with `flowctl status`, `watch` or `cancel`, or end process {}",
                holder.pid
            )),
            Self::Held { holder: None, .. } => {
                Some("wait a moment and try again; `flowctl status` asks the holder".to_owned())
            }
            Self::Store { .. } => Some(
                "see whether `flowctl state check` and `state export` still read it; if not, the `events.jsonl` of each \
                 run's report can be taken into a new state directory with `flowctl state import`"
                    .to_owned(),
            ),
            Self::Damaged { .. } => Some(
                "see what is left with `flowctl state check`, save it with `flowctl state export`, and rebuild \
                 it in a new state directory with `flowctl state import`"
                    .to_owned(),
            ),
            Self::Newer { .. } => Some("use the flowctl that wrote it, or a later one".to_owned()),
            Self::UnknownRun { .. } => Some("`flowctl runs` lists the runs of this state".to_owned()),
            Self::EvidenceMissing { .. } | Self::EvidenceDamaged { .. } => {
                Some("copy the file back from a backup of the state directory".to_owned())
            }
            Self::Twice { path, .. } => Some(format!(
                "save its runs with the earlier flowctl's `state export`, move {} away, and take them in with \
                 `state import`",
                path.display()
            )),
            Self::Io { path, source, .. } => io_help(path, source),
            Self::Stopped { first } => first.help(),
            Self::Conflict { .. } | Self::Unstorable { .. } | Self::ReadingOnly { .. } => {
                Some("this is a bug in flowctl; please report it".to_owned())
            }
        }
    }

    /// Whether it concerns one append alone, so that the log may go on.
    #[must_use]
    pub fn concerns_one_append(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unstorable { .. })
    }
}

fn describe(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

fn io_help(path: &Path, source: &io::Error) -> Option<String> {
    let path = path.display();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(format!(
            "free space on the file system of {path}, then `flowctl resume`"
        )),
        io::ErrorKind::ReadOnlyFilesystem => Some(format!(
            "the file system of {path} is read-only: choose another directory with --state or FLOWCTL_STATE"
        )),
        io::ErrorKind::PermissionDenied => Some(format!(
            "give this user access to {path}, or choose another directory with --state or FLOWCTL_STATE"
        )),
        _ => None,
    }
}
