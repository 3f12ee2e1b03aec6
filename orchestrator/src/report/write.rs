//! Writes a report's files: each whole or not at all, with the run's events and the raw records beside them.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowctl_state::codec;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::log::EventLog;
use flowctl_state::run_state::RunState;
use flowctl_workflows::RunId;
use tempfile::NamedTempFile;

use super::build::build;
use super::html::write_html;
use super::junit::junit;
use super::markdown::markdown;
use super::model::{EventsEnd, Report};
use crate::executor::Renderer;

/// The names of a report's files, but for its evidence.
pub const FILES: [&str; 5] = [
    "events.jsonl",
    "report.json",
    "report.md",
    "junit.xml",
    "report.html",
];

/// How many bytes are written at once.
const BLOCK: usize = 64 * 1024;

/// Writes reports below a directory, one folder a run.
pub struct FileRenderer {
    /// Where a run's report goes.
    pub directory: Box<dyn Fn(&RunId) -> PathBuf + Send + Sync>,
    /// Where raw records come from.
    pub evidence: Arc<EvidenceStore>,
    /// Where the run's events come from.
    pub log: Arc<dyn EventLog>,
}

impl Renderer for FileRenderer {
    fn render(&self, state: &RunState) -> Result<String, String> {
        let directory = (self.directory)(&state.run);
        // Where the events end is told by reading all of them, so the rest is made meanwhile.
        let (end, made) = beside(
            || self.write_events(state, &directory),
            || {
                let report = build(state, EventsEnd::default());
                self.copy_evidence(&report, &directory.join("evidence"))?;
                Ok(report)
            },
        );
        let end = end?;
        let report = Report {
            events: end,
            ..made?
        };
        // A record that cannot be read is not drawn; that it cannot was an error above.
        let record = |hash: &str| self.evidence.get(hash).ok();
        // Written as they are made: the report of a large workflow is large in each form.
        let (texts, page) = beside(
            || {
                write_whole(&directory.join("report.json"), |file| json(&report, file))?;
                write_whole(&directory.join("report.md"), |file| {
                    file.write_all(markdown(&report).as_bytes())
                })
            },
            || {
                write_whole(&directory.join("junit.xml"), |file| {
                    junit(&report, file).map_err(std::io::Error::other)
                })?;
                write_whole(&directory.join("report.html"), |file| {
                    write_html(state, &report, &record, file)
                })
            },
        );
        texts.and(page)?;
        Ok(directory.display().to_string())
    }
}

/// Does both at once, the first on a thread of its own. What panics there panics here.
fn beside<A: Send, B>(
    first: impl FnOnce() -> Result<A, String> + Send,
    second: impl FnOnce() -> Result<B, String>,
) -> (Result<A, String>, Result<B, String>) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        match first.join() {
            Ok(first) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

impl FileRenderer {
    fn write_events(&self, state: &RunState, directory: &Path) -> Result<EventsEnd, String> {
        let mut end = EventsEnd::default();
        write_whole(&directory.join("events.jsonl"), |file| {
            end = write_events(self.log.as_ref(), state, file)?;
            Ok(())
        })?;
        Ok(end)
    }

    /// The records that the report names, readable without flowctl. A record that is missing or damaged is an
    /// error: a report never names what cannot be shown.
    fn copy_evidence(&self, report: &Report, directory: &Path) -> Result<(), String> {
        let hashes: BTreeSet<&str> = report.evidence().collect();
        for hash in hashes {
            let path = directory.join(hash);
            if !path.exists() {
                let content = self
                    .evidence
                    .get(hash)
                    .map_err(|error| format!("evidence {hash}: {error}"))?;
                write_whole(&path, |file| file.write_all(&content))?;
            }
        }
        Ok(())
    }
}

/// `report.json`.
///
/// # Errors
/// When it cannot be written.
pub fn json(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// The records of the events that the state was folded from, one a line as in an export, and where they end. They are
/// not read: a run of many steps has large ones.
///
/// # Errors
/// When they cannot be had or written.
pub fn write_events(
    log: &dyn EventLog,
    state: &RunState,
    out: &mut impl Write,
) -> std::io::Result<EventsEnd> {
    let mut end = EventsEnd::default();
    let mut written = Ok(());
    let read = log.records(&state.run, 0, &mut |seq, record| {
        if seq >= state.next_seq {
            return ControlFlow::Break(());
        }
        end.count += 1;
        if seq + 1 == state.next_seq {
            end.sha256 = codec::sha256(&record);
        }
        written = out.write_all(&record).and_then(|()| out.write_all(b"\n"));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    read.map_err(std::io::Error::other)?;
    if end.count == state.next_seq {
        Ok(end)
    } else {
        Err(std::io::Error::other(format!(
            "the log has {} of {} events of run {}",
            end.count, state.next_seq, state.run
        )))
    }
}

fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<NamedTempFile>) -> std::io::Result<()>,
) -> Result<(), String> {
    let write = || -> std::io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut file = BufWriter::with_capacity(BLOCK, NamedTempFile::new_in(directory)?);
        content(&mut file)?;
        file.into_inner()?.persist(path)?;
        Ok(())
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}
