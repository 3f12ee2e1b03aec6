//! The last step: what was checked becomes the workflow.

use std::path::Path;

use super::{Draft, DraftStep};
use crate::load::files::Files;
use crate::model::{DEFAULT_TEARDOWN, Workflow};

impl Draft {
    /// The workflow, if enough of it could be read.
    pub(in crate::load) fn finish(
        self,
        directory: Option<&Path>,
        files: &Files<'_>,
    ) -> Option<Workflow> {
        let name = self.name?;
        let metadata = self.metadata?;
        let mut steps = self.steps;
        let finally = steps.split_off(steps.partition_point(|step| !step.teardown));
        // Collected in place, and each tree is dropped with its step.
        let specs = |steps: Vec<DraftStep>| steps.into_iter().map(|step| step.spec).collect();
        Some(Workflow {
            title: metadata.title.unwrap_or_else(|| name.to_string()),
            name,
            description: metadata.description,
            directory: directory.map(|path| path.to_string_lossy().into_owned()),
            params: self.params,
            objectives: self
                .objectives
                .into_iter()
                .map(|(objective, _)| objective)
                .collect(),
            criteria: self
                .criteria
                .into_iter()
                .map(|(criterion, _)| criterion)
                .collect(),
            locks: self
                .locks
                .into_iter()
                .map(|(name, (size, _))| (name, size))
                .collect(),
            schedule: self.schedule.map(|(schedule, ..)| schedule),
            timeout: self.timeout,
            teardown_timeout: self.teardown_timeout.unwrap_or(DEFAULT_TEARDOWN),
            steps: specs(steps),
            finally: specs(finally),
            files: files.sources(),
        })
    }
}
