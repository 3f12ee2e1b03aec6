//! `flowctl runs`: the list of runs, the newest first.

use super::Cx;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::Reach;
use super::runtime::block_on;
use super::table::{self, between, elapsed, shorten};
use crate::view::RunRow;

/// Arguments of `flowctl runs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many runs to list, the newest first; 0 lists all
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let limit = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let rows = block_on(async { Reach::open(cx, "flowctl runs").await?.runs(limit).await })?;
    match args.output {
        Format::Json => output::json(&rows)?,
        Format::Text if rows.is_empty() => {
            output::note(&format!("no runs in {}", cx.state_directory()?.display()));
        }
        Format::Text => {
            let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
            output::data(&table::render(
                &["RUN", "STATE", "TARGET", "STEPS", "STARTED", "TOOK"],
                &rows,
            ))?;
        }
    }
    Ok(ExitCode::Success)
}

fn row(run: &RunRow) -> Vec<String> {
    let state = match (&run.state, &run.error) {
        (Some(state), _) => state.as_str().to_owned(),
        (None, error) => format!(
            "unreadable: {}",
            shorten(error.as_deref().unwrap_or_default(), 60)
        ),
    };
    vec![
        run.run.clone(),
        state,
        run.target.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{}/{}", run.ended, run.steps),
        run.started
            .map_or_else(String::new, |at| format!("{at:.0}")),
        match (run.started, run.finished) {
            (Some(start), Some(end)) => elapsed(between(start, end)),
            _ => "-".to_owned(),
        },
    ]
}
