//! `flowctl run`: a new run of a workflow.

use std::path::PathBuf;
use std::sync::Arc;

use flowctl_state::hold::Hold;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::context::Clock;
use flowctl_workflows::plan::Plan;
use flowctl_workflows::{RunId, WorkflowName};

use super::Cx;
use super::doubles;
use super::drive::{self, Show};
use super::error::Error;
use super::exit_code::ExitCode;
use super::prepare::{self, Prepared, What};
use super::reach::hold_to_write;
use super::runtime::block_on;
use super::target;
use crate::executor::Executor;
use crate::server;

mod rehearse;

/// Arguments of `flowctl run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// Run only this step, and take what it needs as done; may be repeated
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// Show what would run, and send nothing to any platform
    #[arg(long)]
    dry_run: bool,
    /// How many steps may run at once
    #[arg(long, short, default_value_t = JOBS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Faults of a rehearsal, from a file (docs/rehearsal.md)
    #[arg(long, value_name = "FILE")]
    inject: Option<PathBuf>,
    /// End a flowctl that holds the state and is stopped or hung, and take the state over
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    show: Show,
}

/// How many steps may run at once when nobody says it.
const JOBS: u32 = 64;

impl Args {
    /// The whole of a workflow, with what is usual.
    pub(super) fn whole(what: What, show: Show) -> Self {
        Self {
            what,
            only: Vec::new(),
            take_over: false,
            dry_run: false,
            jobs: JOBS,
            inject: None,
            show,
        }
    }
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let prepared = prepare::prepare(cx, &args.what)?;
    let inject = doubles::faults(args.inject.as_deref(), prepared.plan.is_rehearsal())?;
    let only = prepare::only(&prepared.plan, &args.only)?;
    target::refuse_none(&prepared.plan, &only)?;
    if args.dry_run {
        return rehearse::show(cx, &prepared, &only, args.show.output);
    }
    let files = prepared.files();
    let Prepared {
        workflow,
        target,
        plan,
    } = prepared;
    // The plan says all that the run needs; a large workflow is not kept twice.
    drop(workflow);
    let hold = hold_to_write(
        cx,
        &format!("flowctl run {}", args.what.workflow),
        args.take_over,
    )?;
    refuse_after_unfinished_change(&hold, &plan)?;
    block_on(async {
        // Before the event that refers to them, so that a resume finds them whatever happens next.
        let texts: Vec<&[u8]> = files.values().map(|text| text.as_bytes()).collect();
        hold.evidence().put_all(&texts)?;
        drop(texts);
        let run = new_id(&plan.workflow)?;
        let (environment, _doubles) =
            drive::environment(cx, &hold, &plan, target, files, &run, inject).await?;
        let executor =
            Executor::start(Arc::clone(&environment), run.clone(), plan, args.jobs, only).await?;
        drive::drive(cx, &hold, environment, executor, args.show).await
    })
}

/// A platform that an older run has changed and not put back is not what a new run expects to find.
fn refuse_after_unfinished_change(hold: &Hold, plan: &Plan) -> Result<(), Error> {
    let target = plan.target.as_ref().map(|target| target.name.as_str());
    let left = server::left_changed(hold.log().as_ref(), plan.workflow.as_str(), target)?;
    let Some((run, steps)) = left else {
        return Ok(());
    };
    let steps: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
    Err(Error::usage_with_help(
        format!(
            "{run} has not put back what it changed in {}",
            steps.join(", ")
        ),
        format!(
            "`flowctl undo {run}` puts it back; `flowctl resume {run}` takes the run up again, and its undos run however it ends"
        ),
    ))
}

/// `NAME-YYYYMMDD-HHMMSS-xxxx`: sorts by time, and two that start in the same second differ.
fn new_id(workflow: &WorkflowName) -> Result<RunId, Error> {
    let now = SystemClock::new().now();
    let name: String = workflow.as_str().chars().take(70).collect();
    let id = format!(
        "{name}-{}-{:04x}",
        now.strftime("%Y%m%d-%H%M%S"),
        rand::random::<u16>()
    );
    RunId::new(id).map_err(|error| Error::bug(error.to_string()))
}
