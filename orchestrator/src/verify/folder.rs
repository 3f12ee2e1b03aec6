//! A report folder: its documents, and its raw records by their hashes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flowctl_state::codec::sha256;

use super::NotAReport;
use crate::report::FILES;

/// The folder of the raw records.
const EVIDENCE: &str = "evidence";

/// A folder with a report in it.
pub(super) struct Folder {
    root: PathBuf,
}

/// A raw record as it lies in the folder.
pub(super) enum Record {
    /// Its content has the hash that it is named by.
    Whole(Vec<u8>),
    /// It is not there, or cannot be read.
    Missing(String),
    /// It has another content.
    Changed {
        /// The hash of what is there.
        sha256: String,
        /// How long that is.
        bytes: u64,
    },
}

impl Folder {
    /// A folder that has a `report.json`.
    pub(super) fn open(root: &Path) -> Result<Self, NotAReport> {
        if root.join("report.json").is_file() {
            return Ok(Self {
                root: root.to_path_buf(),
            });
        }
        let why = if root.is_dir() {
            "it has no report.json"
        } else {
            "it is no folder"
        };
        Err(NotAReport::Nothing {
            directory: root.display().to_string(),
            why: why.to_owned(),
        })
    }

    /// A document, if it is there.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(name)).ok()
    }

    /// The record of this hash.
    pub(super) fn record(&self, hash: &str) -> Record {
        let is_hash = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hash.len() != 64 || !hash.bytes().all(is_hash) {
            return Record::Missing("no hash".to_owned());
        }
        match std::fs::read(self.root.join(EVIDENCE).join(hash)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Record::Missing("nothing".to_owned())
            }
            Err(error) => Record::Missing(error.to_string()),
            Ok(content) => match sha256(&content) {
                found if found == hash => Record::Whole(content),
                found => Record::Changed {
                    sha256: found,
                    bytes: content.len() as u64,
                },
            },
        }
    }

    /// The content of the record of this hash, if it is what the hash says.
    pub(super) fn whole(&self, hash: &str) -> Option<Vec<u8>> {
        match self.record(hash) {
            Record::Whole(content) => Some(content),
            Record::Missing(_) | Record::Changed { .. } => None,
        }
    }

    /// How many files there are, and which flowctl did not put there: none of its documents, and none of these records.
    pub(super) fn foreign(&self, named: &BTreeSet<&str>) -> (usize, Vec<String>) {
        let mut foreign = Vec::new();
        let (documents, records) = (names(&self.root), names(&self.root.join(EVIDENCE)));
        let folders = usize::from(documents.contains(EVIDENCE));
        let all = documents.len() + records.len() - folders;
        for name in documents {
            if name != EVIDENCE && !FILES.contains(&name.as_str()) {
                foreign.push(name);
            }
        }
        for name in records {
            if !named.contains(name.as_str()) {
                foreign.push(format!("{EVIDENCE}/{name}"));
            }
        }
        (all, foreign)
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
