//! What a verification came to, as `--output json` prints it.

use std::path::Path;

use serde::Serialize;

use super::documents::Written;
use super::judgement::Numbers;
use crate::report::EventsEnd;

/// What nobody can see from the folder alone.
const CANNOT_EXCLUDE: &str = "that somebody rewrote all of it: events with their checksums, documents and raw records. Only the \
     state of the run, or a checksum of its last event that was kept elsewhere, contradicts that: `--state DIR` compares";

/// Whether a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that was checked agrees.
    Agrees,
    /// Something does not.
    Disagrees,
    /// Nothing disagrees, but what would have to be checked is not there.
    Incomplete,
}

/// What a verification came to.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// The folder.
    pub directory: String,
    /// Which run, as the report says.
    pub run: String,
    /// The format of `report.json`.
    pub format: u64,
    /// Whether the report stands.
    pub verdict: Verdict,
    /// What was checked, and how much of it.
    pub checks: Vec<Check>,
    /// How far the numbers were worked out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// All that does not agree.
    pub disagreements: Vec<Disagreement>,
    /// What could not be checked, and why.
    pub not_checked: Vec<String>,
    /// Where the run's events end; its checksum can be held against one that was kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsEnd>,
    /// Whether the state of the run was compared too.
    pub compared_with_state: bool,
    /// What this verification cannot exclude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_exclude: Option<&'static str>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Of what.
    pub what: &'static str,
    /// How many of them.
    pub checked: usize,
    /// How many did not agree.
    pub disagree: usize,
}

/// Something that does not agree with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// In which file.
    pub file: String,
    /// Where in it; empty: all of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What that means.
    pub means: String,
    /// The steps and criteria that rest on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rests: Vec<String>,
}

impl Disagreement {
    /// A file that is not there.
    pub(super) fn missing(file: impl Into<String>, means: &str) -> Self {
        Self {
            file: file.into(),
            place: String::new(),
            expected: "the file".to_owned(),
            found: "nothing".to_owned(),
            means: means.to_owned(),
            rests: Vec::new(),
        }
    }
}

impl Verification {
    pub(super) fn of(directory: &Path, written: &Written, format: u64) -> Self {
        Self {
            directory: directory.display().to_string(),
            run: written.text("run").to_owned(),
            format,
            verdict: Verdict::Agrees,
            checks: Vec::new(),
            numbers: None,
            disagreements: Vec::new(),
            not_checked: Vec::new(),
            events: None,
            compared_with_state: false,
            cannot_exclude: Some(CANNOT_EXCLUDE),
        }
    }

    /// Keeps a disagreement.
    pub(super) fn disagree(&mut self, disagreement: Disagreement) {
        self.disagreements.push(disagreement);
        self.verdict = Verdict::Disagrees;
    }

    /// Notes that so many were checked, of which some may disagree.
    pub(super) fn check(
        &mut self,
        what: &'static str,
        checked: usize,
        disagreements: Vec<Disagreement>,
    ) {
        self.checks.push(Check {
            what,
            checked,
            disagree: disagreements.len(),
        });
        for disagreement in disagreements {
            self.disagree(disagreement);
        }
    }

    /// The verdict on all that is known by now.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        if !self.disagreements.is_empty() {
            Verdict::Disagrees
        } else if !self.not_checked.is_empty() {
            Verdict::Incomplete
        } else {
            Verdict::Agrees
        }
    }
}
