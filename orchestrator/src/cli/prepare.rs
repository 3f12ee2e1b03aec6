//! From a name on the command line to a plan that can run: workflow, target, parameters.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use flowctl_workflows::find::Roots;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::{StepId, TargetFile, Workflow, bind_params, find, load};

use super::Cx;
use super::catalog::Catalog;
use super::error::Error;
use super::{choose, doubles, embedded, target};
use crate::dag;

/// What is to be run.
pub(super) struct Prepared {
    /// The workflow as it was read.
    pub(super) workflow: Workflow,
    /// The target, if there is one.
    pub(super) target: Option<TargetFile>,
    /// The compiled workflow.
    pub(super) plan: Plan,
}

impl Prepared {
    /// The texts of the workflow's files, by path.
    pub(super) fn files(&self) -> HashMap<String, Arc<str>> {
        self.workflow
            .files
            .iter()
            .map(|file| (file.path.clone(), Arc::clone(&file.text)))
            .collect()
    }
}

/// What to run, and where.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// Name of a workflow, or path of its file
    #[arg(value_name = "NAME|FILE")]
    pub(super) workflow: String,
    /// Name of a target, or path of its file [env: FLOWCTL_TARGET] [default: the only one in ./targets/]
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Option<String>,
    /// Value of a parameter of the workflow; may be repeated
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = parameter)]
    pub(super) params: Vec<(String, String)>,
}

pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a workflow; every mistake in its files is in the error.
pub(super) fn workflow(name: &str) -> Result<Workflow, Error> {
    let roots = Roots {
        directory: PathBuf::from("workflows"),
        embedded: embedded::workflows(),
    };
    let found = find(name, &roots).map_err(|mistake| Error::Invalid(vec![*mistake]))?;
    let mut workflow = load(
        found.source.as_ref(),
        &found.path,
        &Catalog(crate::kinds::registry()),
    )
    .map_err(Error::Invalid)?;
    // A resume may start from another directory.
    if let Some(directory) = &workflow.directory {
        let absolute = std::fs::canonicalize(directory).map_err(|error| {
            Error::system(format!("find the workflow's directory {directory}"), error)
        })?;
        workflow.directory = Some(absolute.display().to_string());
    }
    Ok(workflow)
}

/// Reads workflow and target, binds the parameters and compiles.
pub(super) fn prepare(cx: &Cx, what: &What) -> Result<Prepared, Error> {
    let workflow = workflow(&what.workflow)?;
    let target = target::choose(cx, what.target.as_deref(), &workflow)?;
    let given = target
        .as_ref()
        .map(|file| file.target.params.clone())
        .unwrap_or_default();
    let params = bind_params(&workflow, &given, &what.params).map_err(Error::Invalid)?;
    let identity = target.as_ref().map(|file| file.identity.clone());
    let plan = dag::compile(&workflow, params, identity).map_err(Error::Invalid)?;
    doubles::refuse_what_is_real(&plan)?;
    Ok(Prepared {
        workflow,
        target,
        plan,
    })
}

/// The workflow of a run as it is now, for the run to go on with: `name` where it is read from, `run` what it ran as.
/// Parameters keep the run's values, so that a default that was edited is not taken for a wish; `params` change them.
pub(super) fn again(
    name: &str,
    run: &Plan,
    target: Option<TargetFile>,
    params: &[(String, String)],
) -> Result<Prepared, Error> {
    let workflow = workflow(name)?;
    if workflow.name != run.workflow {
        return Err(Error::usage(format!(
            "{name} is the workflow `{}`, and the run is one of `{}`",
            workflow.name, run.workflow
        )));
    }
    let mut given = target
        .as_ref()
        .map(|file| file.target.params.clone())
        .unwrap_or_default();
    given.extend(run.params.clone());
    let params = bind_params(&workflow, &given, params).map_err(Error::Invalid)?;
    let identity = target.as_ref().map(|file| file.identity.clone());
    let plan = dag::compile(&workflow, params, identity).map_err(Error::Invalid)?;
    Ok(Prepared {
        workflow,
        target,
        plan,
    })
}

/// The steps that `--only` names; each must be a step of the plan, or the `foreach` that makes some.
pub(super) fn only(plan: &Plan, names: &[String]) -> Result<Vec<StepId>, Error> {
    let ids = || plan.steps.iter().map(|step| step.id.as_str());
    names
        .iter()
        .map(|name| {
            StepId::new(name.as_str())
                .ok()
                .filter(|id| plan.steps.iter().any(|step| step.id.is_meant_by(id)))
                .ok_or_else(|| choose::no_step(ids(), name))
        })
        .collect()
}

/// The names of the secrets that the steps of a plan ask for.
pub(super) fn secret_names(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for step in &plan.steps {
        target::secrets_named_in(&step.with, &mut names);
        let probes = [
            step.verify.as_deref(),
            step.undo.as_ref().and_then(|undo| undo.by.as_ref()),
        ];
        probes
            .into_iter()
            .flatten()
            .for_each(|probe| target::secrets_named_in(&probe.with, &mut names));
    }
    names.sort();
    names.dedup();
    names
}
