//! `flowctl status`: where a run stands.

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::Reach;
use super::runtime::block_on;
use super::table::{self, between, elapsed, shorten};
use crate::progress::{Mood, Paint};
use crate::view::{RunView, RunWord, StepView, StepWord};

/// Arguments of `flowctl status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the running or the newest one]
    run: Option<String>,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let view = block_on(async {
        let reach = Reach::open(cx, "flowctl status").await?;
        let run = choose::run(&reach, args.run.as_deref()).await?;
        reach.status(&run).await
    })?;
    match args.output {
        Format::Json => output::json(&view)?,
        Format::Text => output::data(&text(&view, cx.paint_data()))?,
    }
    Ok(ExitCode::Success)
}

fn text(view: &RunView, paint: Paint) -> String {
    let on = view
        .target
        .as_ref()
        .map_or_else(String::new, |target| format!(" on {target}"));
    let took = view.finished.map_or_else(String::new, |end| {
        format!(", took {}", elapsed(between(view.started, end)))
    });
    let mood = match view.state {
        RunWord::Succeeded => Mood::Good,
        RunWord::Failed => Mood::Bad,
        RunWord::Cancelled | RunWord::Interrupted => Mood::Doubt,
        RunWord::Running => Mood::Plain,
    };
    let mut text = format!(
        "{} ({}{on}): {}, started {:.0}{took}\n",
        paint.bold(&view.run),
        view.workflow,
        paint.mood(mood, view.state.as_str()),
        view.started
    );
    if view.resumes > 0 {
        text.push_str(&format!("resumed {} times\n", view.resumes));
    }
    if let (Some(by), RunWord::Running | RunWord::Cancelled) = (&view.cancelled_by, view.state) {
        text.push_str(&format!("cancelled by {by}\n"));
    }
    if view.state == RunWord::Interrupted {
        text.push_str(&format!(
            "`flowctl resume {}` takes it up again\n",
            view.run
        ));
    }
    let rows: Vec<Vec<String>> = view.steps.iter().map(row).collect();
    text.push('\n');
    text.push_str(&table::render(
        &["STEP", "STATE", "ATTEMPTS", "TOOK", ""],
        &rows,
    ));
    text
}

fn row(step: &StepView) -> Vec<String> {
    let took = match (step.started, step.finished) {
        (Some(start), Some(end)) => elapsed(between(start, end)),
        _ => String::new(),
    };
    let detail = match (&step.error, &step.doing) {
        (Some(error), _) if step.state == StepWord::Failed => error.message.clone(),
        _ if step.undo_error.is_some() || step.put_back.is_some() => undo(step),
        (_, Some(doing)) => doing.clone(),
        (Some(error), None) => format!("last attempt: {}", error.message),
        (None, None) => String::new(),
    };
    vec![
        step.id.clone(),
        match step.state {
            StepWord::Succeeded if step.put_back.is_some() => "put back".to_owned(),
            state => state.as_str().to_owned(),
        },
        step.attempts.to_string(),
        took,
        shorten(&detail, 90),
    ]
}

fn undo(step: &StepView) -> String {
    match (&step.undo_error, &step.put_back) {
        (Some(error), _) => format!("not put back: {}", error.message),
        (None, Some(detail)) => detail.clone(),
        (None, None) => String::new(),
    }
}
