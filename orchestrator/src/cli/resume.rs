//! `flowctl resume`: takes up a run that did not succeed. Its plan comes from the log and its files from
//! the evidence store, so what was edited since makes no difference.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use flowctl_state::event::RunOutcome;
use flowctl_state::hold::Hold;
use flowctl_state::run_state::{Phase, RunState};
use flowctl_workflows::inject::Inject;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::{RunId, TargetFile};

use super::Cx;
use super::doubles;
use super::drive::{self, Show};
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::StreamFormat;
use super::reach::hold_to_write;
use super::runtime::block_on;
use super::{choose, output, target};
use crate::executor::Executor;
use crate::server;

/// Arguments of `flowctl resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the newest that did not succeed]
    run: Option<String>,
    /// How many steps may run at once [default: as before]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Where the target's file is now, if its name no longer leads there
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Faults of a rehearsal, from a file (docs/rehearsal.md)
    #[arg(long, value_name = "FILE")]
    inject: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let path = cx.state_directory()?;
    if flowctl_state::directory::StateDirectory::existing(&path).is_none() {
        choose::among(&[], args.run.as_deref())?;
    }
    let hold = hold_to_write(cx, "flowctl resume")?;
    let state = chosen(&hold, args.run.as_deref())?;
    let target = target_of(cx, &state.plan, args.target.as_deref())?;
    let inject = doubles::faults(args.inject.as_deref(), state.plan.is_rehearsal())?;
    let files = files(&hold, &state.plan)?;
    block_on(async {
        let (environment, _doubles) =
            drive::environment(cx, &hold, &state.plan, target, files, inject).await?;
        let executor = Executor::resume(Arc::clone(&environment), state, args.jobs).await?;
        drive::drive(cx, &hold, environment, executor, args.show).await
    })
}

/// Takes up a run that no process works on, only to stop it.
pub(super) fn stop(
    cx: &Cx,
    run: &RunId,
    target: Option<&str>,
    by: String,
) -> Result<ExitCode, Error> {
    let hold = hold_to_write(cx, "flowctl cancel")?;
    let state = server::replay(hold.log().as_ref(), run)?;
    if matches!(state.phase, Phase::Finished { .. }) {
        return Err(Error::usage_with_help(
            format!("run {run} is over"),
            "`flowctl status` shows how it ended",
        ));
    }
    let target = target_of(cx, &state.plan, target)?;
    let files = files(&hold, &state.plan)?;
    let show = Show {
        output: StreamFormat::Text,
        quiet: false,
        yes: false,
    };
    let code = block_on(async {
        let (environment, _doubles) =
            drive::environment(cx, &hold, &state.plan, target, files, Inject::default()).await?;
        let executor = Executor::stop(Arc::clone(&environment), state, by).await?;
        drive::drive(cx, &hold, environment, executor, show).await
    })?;
    // Cancelled is what it was asked to be.
    Ok(match code {
        ExitCode::Cancelled => ExitCode::Success,
        code => code,
    })
}

/// The run that is meant; without a word, the newest that did not succeed.
fn chosen(hold: &Hold, given: Option<&str>) -> Result<RunState, Error> {
    let log = hold.log().as_ref();
    let ids = server::newest_first(log)?;
    if given.is_some() || ids.is_empty() {
        return Ok(server::replay(log, &choose::among(&ids, given)?)?);
    }
    for id in &ids {
        let state = server::replay(log, id)?;
        if state.phase
            != (Phase::Finished {
                outcome: RunOutcome::Succeeded,
            })
        {
            return Ok(state);
        }
    }
    Err(Error::usage_with_help(
        "every run of this state has succeeded, so nothing is left to resume",
        "`flowctl run` starts a new one",
    ))
}

/// The credentials of the target that the run started on.
fn target_of(cx: &Cx, plan: &Plan, flag: Option<&str>) -> Result<Option<TargetFile>, Error> {
    let Some(identity) = &plan.target else {
        return Ok(None);
    };
    let path: PathBuf = match flag {
        Some(given) => target::path_of(given)?,
        None => target::path_of(&identity.name).map_err(|error| match error {
            Error::Usage { message, .. } => Error::usage_with_help(
                message,
                "the run started on it; say where its file is now with --target",
            ),
            error => error,
        })?,
    };
    let file = target::load(cx, &path)?;
    // Doubles must never go on with what a platform began, nor a platform with what was only played.
    if file.identity.rehearsal != identity.rehearsal {
        let word = |rehearsal| {
            if rehearsal {
                "a rehearsal"
            } else {
                "a real platform"
            }
        };
        return Err(Error::usage_with_help(
            format!(
                "the run started on {}, and {} is {}",
                word(identity.rehearsal),
                super::shown_path(&path),
                word(file.identity.rehearsal)
            ),
            "start a new run on it",
        ));
    }
    if file.identity.sha256 != identity.sha256 {
        output::note(&format!(
            "warning: the target {} has changed since the run started ({}); the run goes on with it as it is now",
            identity.name,
            super::shown_path(&path)
        ));
    }
    Ok(Some(file))
}

/// The texts of the workflow's files as they were when the run started.
fn files(hold: &Hold, plan: &Plan) -> Result<HashMap<String, Arc<str>>, Error> {
    plan.files
        .iter()
        .map(|file| {
            let text = String::from_utf8(hold.evidence().get(&file.sha256)?).map_err(|_| {
                Error::usage(format!("the stored text of {} is not text", file.path))
            })?;
            Ok((file.path.clone(), Arc::from(text)))
        })
        .collect()
}
