//! `flowctl verify`: does a report folder say what was measured? Offline: it needs the folder alone.
//!
//! Owns the comparison of a report with what it rests on. The run's events are followed and folded as they lie in the
//! folder, and every document is rendered from them again by the code that writes it, so that nothing is judged here by
//! other rules than in the run. Never changes the folder, and never asks a platform.

mod difference;
mod documents;
mod events;
mod evidence;
mod folder;
mod judgement;
mod outcome;
mod stored;

use std::collections::BTreeSet;
use std::path::Path;

use flowctl_steps::Registry;

use crate::report::{FORMAT, Report, build};
use folder::Folder;

pub use judgement::{ByHashOnly, Numbers};
pub use outcome::{Check, Disagreement, Verdict, Verification};
pub use stored::compare as compare_with_state;

/// Why a folder cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum NotAReport {
    /// There is no report in it.
    #[error("{directory} holds no report: {why}")]
    Nothing {
        /// The folder.
        directory: String,
        /// What is missing.
        why: String,
    },
    /// Its format is of the future.
    #[error(
        "the report was written by a newer flowctl: it has format {format}, this one reads up to {FORMAT}"
    )]
    Newer {
        /// Its format.
        format: u64,
    },
}

/// Examines a report folder.
///
/// # Errors
/// [`NotAReport`]; what is wrong with a report is in the [`Verification`].
pub fn verify(directory: &Path, registry: &Registry) -> Result<Verification, NotAReport> {
    let folder = Folder::open(directory)?;
    let text = folder.read("report.json").unwrap_or_default();
    let written = documents::written(&text);
    let format = written.format();
    if format > u64::from(FORMAT) {
        return Err(NotAReport::Newer { format });
    }
    let mut found = Verification::of(directory, &written, format);
    documents::check_shape(&written, &mut found);
    let folded = match folder.read("events.jsonl") {
        None if format < u64::from(FORMAT) => {
            found.not_checked.push(format!(
                "the report has format {format}, of before flowctl put the run's events beside it: its verdicts and numbers \
                 could be held against nothing; `flowctl report {}` renders it anew, with them, where the run's state is",
                found.run
            ));
            None
        }
        None => {
            found.disagree(Disagreement::missing(
                "events.jsonl",
                "without the run's events nothing in the report can be derived again",
            ));
            None
        }
        Some(text) => events::fold(&text, &mut found),
    };
    let mut of_events = BTreeSet::new();
    let derived = folded.map(|folded| {
        let report = build(&folded.state, folded.end);
        documents::compare(&folder, &written, &folded.state, &report, &mut found);
        judgement::check(&folder, registry, &folded.state, &mut found);
        of_events = folded.named;
        report
    });
    let named: Vec<&Report> = derived.iter().chain(&written.report).collect();
    if derived.is_none() {
        documents::compare_old(&folder, &written, &mut found);
    }
    evidence::check(&folder, &named, &of_events, &mut found);
    found.verdict = found.judge();
    Ok(found)
}
