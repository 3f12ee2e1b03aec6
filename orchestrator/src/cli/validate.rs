//! `flowctl validate`: every mistake in workflow and target files, all at once.

use flowctl_workflows::{Diagnostic, bind_params};
use serde_json::json;

use super::Cx;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::{prepare, target};
use crate::dag;

/// Arguments of `flowctl validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names of workflows, or paths of their files
    #[arg(required = true, value_name = "NAME|FILE")]
    workflows: Vec<String>,
    /// Name of a target, or path of its file, to check too and to take parameters from
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    let target = match &args.target {
        Some(name) => collect(
            target::path_of(name).and_then(|path| target::load(cx, &path)),
            &mut mistakes,
        )?,
        None => None,
    };
    let mut good = Vec::new();
    for name in &args.workflows {
        let Some(workflow) = collect(prepare::workflow(name), &mut mistakes)? else {
            continue;
        };
        if let Some(file) = &target {
            let bound = bind_params(&workflow, &file.target.params, &[]);
            let plan = bound
                .and_then(|params| dag::compile(&workflow, params, Some(file.identity.clone())));
            if collect(plan.map_err(Error::Invalid), &mut mistakes)?.is_none() {
                continue;
            }
        }
        good.push(format!(
            "{name}: {} steps, {} criteria, {} files",
            workflow.all_steps().count(),
            workflow.criteria.len(),
            workflow.files.len()
        ));
    }
    let valid = mistakes.is_empty();
    match args.output {
        Format::Json => output::json(&json!({"valid": valid, "diagnostics": mistakes}))?,
        Format::Text => {
            good.iter()
                .try_for_each(|line| output::data(&format!("{line}: valid\n")))?;
            if !valid {
                return Err(Error::Invalid(mistakes));
            }
        }
    }
    Ok(if valid {
        ExitCode::Success
    } else {
        ExitCode::Usage
    })
}

/// Keeps mistakes for later, so that those of the next file are found too; other errors end the command.
fn collect<T>(
    result: Result<T, Error>,
    mistakes: &mut Vec<Diagnostic>,
) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Invalid(found)) => {
            mistakes.extend(found);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
