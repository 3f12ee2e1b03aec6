//! The workflow's files as a step sees them.

use std::collections::HashMap;
use std::sync::Arc;

use flowctl_steps::StepError;
use flowctl_steps::context::Files;
use flowctl_workflows::context::Context;
use flowctl_workflows::result::Failure;
use flowctl_workflows::template;

use super::environment::Environment;
use super::prepare::Prepared;

/// The texts of a workflow's files by path.
pub(super) type Texts = HashMap<String, Arc<str>>;

/// The workflow's files with this step's context for their templates.
struct RenderedFiles {
    texts: Arc<Texts>,
    context: Context,
}

impl Files for RenderedFiles {
    fn text(&self, path: &str) -> Result<String, StepError> {
        let text = self.texts.get(path).ok_or_else(|| {
            StepError::permanent("file.missing", format!("the workflow has no file `{path}`")).help(
                "paths are relative to the workflow's directory and are read when the run starts",
            )
        })?;
        template::render_text(text, &self.context)
            .map_err(|error| StepError::permanent("template.error", format!("in {path}: {error}")))
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let mut paths: Vec<String> = self
            .texts
            .keys()
            .filter(|path| path.starts_with(&prefix))
            .cloned()
            .collect();
        paths.sort();
        paths
    }
}

/// The files that a prepared step sees.
pub(super) fn files(
    environment: &Environment,
    prepared: &Result<Prepared, Failure>,
) -> Arc<dyn Files> {
    let context = match prepared {
        Ok(prepared) => prepared.expectation.context().clone(),
        Err(_) => Context::default(),
    };
    Arc::new(RenderedFiles {
        texts: Arc::clone(&environment.files),
        context,
    })
}
