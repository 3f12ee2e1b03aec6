//! `flowctl undo`: puts back what a run changed and did not put back itself, whatever became of the run.

use std::sync::Arc;

use flowctl_state::directory::StateDirectory;
use flowctl_state::hold::Hold;
use flowctl_state::run_state::{RunState, UndoState};
use flowctl_workflows::StepId;
use flowctl_workflows::inject::Inject;
use serde::Serialize;

use super::Cx;
use super::drive::{self, Show};
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, StreamFormat};
use super::reach::hold_to_write;
use super::resume::{files, target_of};
use super::runtime::block_on;
use super::{choose, prepare};
use crate::config;
use crate::engine::to_undo;
use crate::executor::Executor;
use crate::progress::Mood;
use crate::server;
use crate::view::ErrorView;

/// Arguments of `flowctl undo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the newest that has left something changed]
    run: Option<String>,
    /// Put back this step, whatever its `undo:` says [default: what is pending]
    steps: Vec<String>,
    /// Where the target's file is now, if its name no longer leads there
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// End a flowctl that holds the state and is stopped or hung, and take the state over
    #[arg(long)]
    take_over: bool,
    /// Form of what is printed: text, one JSON document at the end, or the stored events
    #[arg(long, short, value_enum, default_value_t)]
    output: StreamFormat,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// What became of the steps that were to be put back.
#[derive(Debug, Serialize)]
struct Undone {
    run: String,
    /// Taken back, or nothing of it was there any more.
    put_back: Vec<PutBack>,
    /// Still changed.
    left: Vec<Left>,
}

#[derive(Debug, Serialize)]
struct PutBack {
    step: StepId,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Left {
    step: StepId,
    /// Why; null: it was not begun.
    error: Option<ErrorView>,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    if StateDirectory::existing(&cx.state_directory()?)?.is_none() {
        choose::among(&[], args.run.as_deref())?;
    }
    let hold = hold_to_write(cx, "flowctl undo", args.take_over)?;
    let Some(state) = chosen(&hold, args.run.as_deref())? else {
        output::note("no run of this state has left anything changed");
        return Ok(ExitCode::Success);
    };
    let named = prepare::only(&state.plan, &args.steps)?;
    let steps = to_undo(&state, &named);
    let run = state.run.to_string();
    if steps.is_empty() {
        let undone = Undone::of(&state, &steps);
        match args.output {
            StreamFormat::Json => output::json(&undone)?,
            StreamFormat::Text | StreamFormat::Jsonl => {
                output::note(&format!("{run} has nothing to put back"));
            }
        }
        return Ok(ExitCode::Success);
    }
    let target = target_of(cx, &state.plan, args.target.as_deref())?;
    let files = files(&hold, &state.plan)?;
    let show = Show {
        output: args.output,
        quiet: args.quiet,
        yes: false,
    };
    let by = format!("{} with `flowctl undo`", config::user());
    let over = block_on(async {
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
        let executor = Executor::undo(Arc::clone(&environment), state, by, steps.clone()).await?;
        drive::to_end(cx, &hold, environment, executor, show).await
    })?;
    let Some((state, report)) = over else {
        return Ok(ExitCode::Cancelled);
    };
    if let Err(reason) = report {
        output::note(&format!(
            "warning: the report could not be written anew: {reason}"
        ));
    }
    let undone = Undone::of(&state, &steps);
    match args.output {
        StreamFormat::Json => output::json(&undone)?,
        StreamFormat::Text => output::data(&undone.text(cx))?,
        StreamFormat::Jsonl => {}
    }
    Ok(match undone.left.is_empty() {
        true => ExitCode::Success,
        false => ExitCode::Failed,
    })
}

/// The run that is meant; without a word, the newest that has left something changed.
fn chosen(hold: &Hold, given: Option<&str>) -> Result<Option<RunState>, Error> {
    let log = hold.log().as_ref();
    let ids = server::newest_first(log)?;
    if given.is_some() {
        return Ok(Some(server::replay(log, &choose::among(&ids, given)?)?));
    }
    for id in &ids {
        // One that cannot be read is passed over; `flowctl state check` names it.
        let Ok(state) = server::replay(log, id) else {
            continue;
        };
        if !to_undo(&state, &[]).is_empty() {
            return Ok(Some(state));
        }
    }
    Ok(None)
}

impl Undone {
    fn of(state: &RunState, steps: &[StepId]) -> Self {
        let (mut put_back, mut left) = (Vec::new(), Vec::new());
        for (step, record) in state.steps() {
            if !steps.contains(&step.id) {
                continue;
            }
            let step = step.id.clone();
            match &record.undo {
                UndoState::Done { detail } => put_back.push(PutBack {
                    step,
                    detail: detail.clone(),
                }),
                UndoState::Failed { failure, .. } => left.push(Left {
                    step,
                    error: Some(ErrorView::of(failure)),
                }),
                UndoState::None | UndoState::Requested | UndoState::Running { .. } => {
                    left.push(Left { step, error: None });
                }
            }
        }
        Self {
            run: state.run.to_string(),
            put_back,
            left,
        }
    }

    fn text(&self, cx: &Cx) -> String {
        let paint = cx.paint_data();
        let mut text = String::new();
        for PutBack { step, detail } in &self.put_back {
            let word = paint.mood(Mood::Good, "put back:");
            text.push_str(&format!("{word} {step}: {detail}\n"));
        }
        for Left { step, error } in &self.left {
            let word = paint.mood(Mood::Bad, "not put back:");
            match error {
                Some(error) => {
                    text.push_str(&format!(
                        "{word} {step}: {} ({})\n",
                        error.message, error.code
                    ));
                    if let Some(help) = &error.help {
                        text.push_str(&format!("  help: {help}\n"));
                    }
                }
                None => text.push_str(&format!("{word} {step}: it was not begun\n")),
            }
        }
        text
    }
}
