//! Writes a report's files: each whole or not at all, with the raw records beside them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowctl_state::evidence::EvidenceStore;
use flowctl_state::run_state::RunState;
use flowctl_workflows::RunId;

use super::build::build;
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
        // One after the other: the report of a large workflow is large in each form.
        let mut json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        json.push(b'\n');
        write_whole(&directory.join("report.json"), &json)?;
        drop(json);
        write_whole(&directory.join("report.md"), markdown(&report).as_bytes())?;
        write_whole(&directory.join("junit.xml"), junit(&report)?.as_bytes())?;
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
                write_whole(&path, &content)?;
            }
        }
        Ok(())
    }
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), String> {
    let write = || -> std::io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}
