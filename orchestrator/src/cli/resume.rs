//! `flowctl resume`: takes up a run that did not succeed. Its plan comes from the log and its files from
//! the evidence store, so what was edited since makes no difference unless it is asked for.

use std::collections::{BTreeMap, HashMap};
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
use super::{choose, lease, output, prepare, target};
use crate::dag::differences;
use crate::engine::{Refusal, Resume, check_replacement};
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
    /// Take finished checkpoints as they were left, without a probe
    #[arg(long)]
    trust: bool,
    /// Run only this step, also if it is done, and take what it needs as done; may be repeated
    #[arg(long, value_name = "STEP", num_args = 1.., conflicts_with = "from")]
    only: Vec<String>,
    /// Run this step again, and all that depends on it; may be repeated
    #[arg(long, value_name = "STEP")]
    from: Vec<String>,
    /// Go on with the workflow as it is now, found by its name or in this file: what has changed runs again, and what
    /// depends on it
    #[arg(long, value_name = "NAME|FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    with_current: Option<String>,
    /// With --with-current: value of a parameter [default: as in the run]; may be repeated
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = prepare::parameter, requires = "with_current")]
    params: Vec<(String, String)>,
    /// End a flowctl that holds the state and is stopped or hung, and take the state over
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    show: Show,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let path = cx.state_directory()?;
    if flowctl_state::directory::StateDirectory::existing(&path)?.is_none() {
        choose::among(&[], args.run.as_deref())?;
    }
    let hold = hold_to_write(cx, "flowctl resume", args.take_over)?;
    let more = !(args.only.is_empty() && args.from.is_empty()) || args.with_current.is_some();
    let state = chosen(&hold, args.run.as_deref(), more)?;
    let target = target_of(cx, &state.plan, args.target.as_deref())?;
    let inject = doubles::faults(args.inject.as_deref(), state.plan.is_rehearsal())?;
    let current = match &args.with_current {
        Some(name) => Some(current(&state, name, target.clone(), &args.params)?),
        None => None,
    };
    let plan = current.as_ref().map_or(&*state.plan, |(plan, _)| plan);
    let mut changed = BTreeMap::new();
    // A run's own plan differs from itself in nothing.
    if current.is_some() {
        changed = differences(&state.plan, plan);
        check_replacement(&state, plan, &changed).map_err(refused)?;
    }
    let how = Resume {
        jobs: args.jobs,
        trust: args.trust,
        only: prepare::only(plan, &args.only)?,
        from: prepare::only(plan, &args.from)?,
        changed,
    };
    let (replacement, files) = match current {
        Some((plan, files)) => (Some(plan), files),
        None => (None, files(&hold, &state.plan)?),
    };
    block_on(async {
        if replacement.is_some() {
            let texts: Vec<&[u8]> = files.values().map(|text| text.as_bytes()).collect();
            hold.evidence().put_all(&texts)?;
        }
        let plan = replacement.as_ref().unwrap_or(&state.plan);
        let (environment, _doubles) =
            drive::environment(cx, &hold, plan, target, files, &state.run, inject).await?;
        let resumed = Executor::resume(Arc::clone(&environment), state, how, replacement).await;
        if resumed.is_err() {
            lease::give_back(&environment.clients).await;
        }
        let executor = resumed?;
        drive::drive(cx, &hold, environment, executor, args.show).await
    })
}

/// The workflow of a run as it is now, compiled, with the texts of its files.
fn current(
    state: &RunState,
    name: &str,
    target: Option<TargetFile>,
    params: &[(String, String)],
) -> Result<(Plan, HashMap<String, Arc<str>>), Error> {
    let name = match name {
        "" => state.plan.workflow.as_str(),
        name => name,
    };
    let prepared = prepare::again(name, &state.plan, target, params)?;
    let files = prepared.files();
    Ok((prepared.plan, files))
}

fn refused(refusal: Refusal) -> Error {
    let help = match &refusal {
        Refusal::NotPutBack { .. } => {
            "put it back with `flowctl undo`, or resume without --with-current"
        }
        Refusal::UnderWay { .. } => {
            "end it with `flowctl cancel`, or resume without --with-current"
        }
    };
    Error::usage_with_help(refusal.to_string(), help)
}

/// Takes up a run that no process works on, only to stop it.
pub(super) fn stop(
    cx: &Cx,
    run: &RunId,
    target: Option<&str>,
    by: String,
) -> Result<ExitCode, Error> {
    let hold = hold_to_write(cx, "flowctl cancel", false)?;
    let state = server::replay(hold.log().as_ref(), run)?;
    if matches!(state.phase, Phase::Finished { .. }) {
        return Err(Error::usage_with_help(
            format!("run {run} is over"),
            "`flowctl status` shows how it ended; `flowctl undo` puts back what it left changed",
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
        let (environment, _doubles) = drive::environment(
            cx,
            &hold,
            &state.plan,
            target,
            files,
            &state.run,
            Inject::default(),
        )
        .await?;
        let executor = Executor::stop(Arc::clone(&environment), state, by).await?;
        drive::drive(cx, &hold, environment, executor, show).await
    })?;
    // Cancelled is what it was asked to be.
    Ok(match code {
        ExitCode::Cancelled => ExitCode::Success,
        code => code,
    })
}

/// The run that is meant; without a word, the newest that did not succeed, or the newest of all when `more` than what
/// did not succeed shall run.
fn chosen(hold: &Hold, given: Option<&str>, more: bool) -> Result<RunState, Error> {
    let log = hold.log().as_ref();
    let ids = server::newest_first(log)?;
    if given.is_some() || more || ids.is_empty() {
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
pub(super) fn target_of(
    cx: &Cx,
    plan: &Plan,
    flag: Option<&str>,
) -> Result<Option<TargetFile>, Error> {
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
pub(super) fn files(hold: &Hold, plan: &Plan) -> Result<HashMap<String, Arc<str>>, Error> {
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
