//! A note of how far each run had come when the log was last closed.
//!
//! Owns `heads`, beside the store's files. The chain shows a change in the middle of a run, but a
//! store that loses the end of its file leaves a shorter chain that is whole; the note is what
//! contradicts it. It is a lower bound: a killed process leaves the note of the one before it. A note
//! that cannot be read is no note, because it must not condemn a log that is whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowctl_workflows::RunId;

use crate::chain::Head;
use crate::codec::sha256;
use crate::disk::replace_file;
use crate::error::LogError;

/// The noted ends of runs.
#[derive(Debug)]
pub(crate) struct HeadNotes {
    path: PathBuf,
    heads: BTreeMap<RunId, Head>,
}

impl HeadNotes {
    /// Reads the note in the log's directory.
    pub(crate) fn read(directory: &Path) -> Self {
        let path = directory.join("heads");
        let heads = std::fs::read_to_string(&path).ok().map(|text| {
            parse(&text).unwrap_or_else(|| {
                tracing::warn!(path = %path.display(), "the note of how far the runs had come is unreadable");
                BTreeMap::new()
            })
        });
        Self {
            path,
            heads: heads.unwrap_or_default(),
        }
    }

    /// How far a run had come at least.
    pub(crate) fn get(&self, run: &RunId) -> Option<&Head> {
        self.heads.get(run)
    }

    /// The runs that are noted.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.heads.keys()
    }

    /// Notes that a run has come so far. A note never goes back: a run that is shorter now has lost
    /// events, and that must not be forgotten.
    pub(crate) fn raise(&mut self, run: &RunId, head: &Head) {
        if self
            .heads
            .get(run)
            .is_none_or(|noted| noted.last < head.last)
        {
            self.heads.insert(run.clone(), head.clone());
        }
    }

    /// The run was removed on purpose.
    pub(crate) fn forget(&mut self, run: &RunId) {
        self.heads.remove(run);
    }

    /// Makes the note durable.
    pub(crate) fn write(&self) -> Result<(), LogError> {
        let mut text = String::new();
        for (run, head) in &self.heads {
            text.push_str(&format!("{run} {} {}\n", head.last, head.sha256));
        }
        let sum = sha256(text.as_bytes());
        replace_file(&self.path, format!("{text}{sum}\n").as_bytes())
    }
}

fn parse(text: &str) -> Option<BTreeMap<RunId, Head>> {
    let (lines, sum) = text.split_at_checked(text.len().checked_sub(65)?)?;
    if sum.strip_suffix('\n')? != sha256(lines.as_bytes()) {
        return None;
    }
    lines
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let run = RunId::new(words.next()?).ok()?;
            let last = words.next()?.parse().ok()?;
            Some((
                run,
                Head {
                    last,
                    sha256: words.next()?.to_owned(),
                },
            ))
        })
        .collect()
}
