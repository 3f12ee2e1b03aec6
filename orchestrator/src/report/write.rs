//! Writes a report's files: each whole or not at all, with the raw records beside them.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowctl_state::evidence::EvidenceStore;
use flowctl_state::run_state::RunState;
use flowctl_workflows::RunId;
use tempfile::NamedTempFile;

use super::build::build;
use super::html::html;
use super::junit::junit;
use super::markdown::markdown;
use super::model::Report;
use crate::executor::Renderer;

/// Writes reports below a directory, one folder a run.
pub struct FileRenderer {
    /// Where a run's report goes.
    pub directory: Box<dyn Fn(&RunId) -> PathBuf + Send + Sync>,
    /// Where raw records come from.
    pub evidence: Arc<EvidenceStore>,
}

impl Renderer for FileRenderer {
    fn render(&self, state: &RunState) -> Result<String, String> {
        let directory = (self.directory)(&state.run);
        let report = build(state);
        self.copy_evidence(&report, &directory.join("evidence"))?;
        // Written as they are made: the report of a large workflow is large in each form.
        write_whole(&directory.join("report.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, &report)?;
            file.write_all(b"\n")
        })?;
        write_whole(&directory.join("report.md"), |file| {
            file.write_all(markdown(&report).as_bytes())
        })?;
        write_whole(&directory.join("junit.xml"), |file| {
            junit(&report, file).map_err(std::io::Error::other)
        })?;
        // A record that cannot be read is not drawn; that it cannot was an error above.
        let record = |hash: &str| self.evidence.get(hash).ok();
        write_whole(&directory.join("report.html"), |file| {
            file.write_all(html(state, &report, &record).as_bytes())
        })?;
        Ok(directory.display().to_string())
    }
}

impl FileRenderer {
    /// The records that the report names, readable without flowctl. A record that is missing or damaged is an
    /// error: a report never names what cannot be shown.
    fn copy_evidence(&self, report: &Report, directory: &Path) -> Result<(), String> {
        let named = report
            .steps
            .iter()
            .flat_map(|step| {
                step.evidence
                    .iter()
                    .map(|evidence| evidence.sha256.as_str())
            })
            .chain(report.criteria.iter().flat_map(|criterion| {
                criterion
                    .findings
                    .iter()
                    .flat_map(|finding| finding.evidence.iter().map(String::as_str))
            }));
        let hashes: BTreeSet<&str> = named.collect();
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

fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<NamedTempFile>) -> std::io::Result<()>,
) -> Result<(), String> {
    let write = || -> std::io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut file = BufWriter::new(NamedTempFile::new_in(directory)?);
        content(&mut file)?;
        file.into_inner()?.persist(path)?;
        Ok(())
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}
