//! `flowctl state`: carry a state from place to place, say whether it is whole, and remove what is old.

mod gc;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flowctl_state::check::{RunCheck, check};
use flowctl_state::export::export;
use flowctl_state::import::import;
use serde_json::json;

use super::Cx;
use super::choose;
use super::error::{Error, chain};
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::{Reach, hold_to_write};
use super::runtime::block_on;

/// Arguments of `flowctl state`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the events of a run, or of all, one a line, exactly as they are stored
    Export {
        /// The run, or the beginning of its id, or `latest` [default: all]
        run: Option<String>,
    },
    /// Add the runs of an export to this state
    Import {
        /// The export; `-` is standard input
        file: PathBuf,
        /// Form of the answer
        #[arg(long, short, value_enum, default_value_t)]
        output: Format,
    },
    /// Examine every event and all evidence
    Check {
        /// Form of the answer
        #[arg(long, short, value_enum, default_value_t)]
        output: Format,
    },
    /// Remove old runs, their reports, and the evidence that no other run needs
    Gc(gc::Args),
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    match args.what {
        What::Export { run } => export_runs(cx, run.as_deref()),
        What::Import { file, output } => import_runs(cx, &file, output),
        What::Check { output } => check_state(cx, output),
        What::Gc(args) => gc::run(cx, &args),
    }
}

fn export_runs(cx: &Cx, given: Option<&str>) -> Result<ExitCode, Error> {
    block_on(async {
        let reach = Reach::open(cx, "flowctl state export").await?;
        let runs = match given {
            Some(given) => vec![choose::run(&reach, Some(given)).await?],
            // The oldest first, as they happened.
            None => reach.ids().await?.into_iter().rev().collect(),
        };
        for run in runs {
            match &reach {
                Reach::Holder(client) => output::bytes(&client.export(&run).await?)?,
                Reach::Own(hold) => {
                    let mut text = Vec::new();
                    let exported = export(hold.log().as_ref(), &run, &mut text);
                    // What can be read of a damaged run is worth saving.
                    output::bytes(&text)?;
                    exported?;
                }
                Reach::Nothing => {}
            }
        }
        Ok(ExitCode::Success)
    })
}

fn import_runs(cx: &Cx, file: &PathBuf, format: Format) -> Result<ExitCode, Error> {
    let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let opened = File::open(file)
            .map_err(|error| Error::system(format!("open {}", file.display()), error))?;
        Box::new(BufReader::new(opened))
    };
    let hold = hold_to_write(cx, "flowctl state import", false)?;
    let imported = import(hold.log().as_ref(), reader.as_mut())?;
    // What is written from now on counts on from there.
    hold.directory().raise_epoch(imported.epoch)?;
    match format {
        Format::Json => {
            let runs = imported
                .runs
                .iter()
                .map(|(run, events)| json!({"run": run, "events": events}));
            let problems = imported.problems.iter().map(
                |problem| json!({"line": problem.line, "run": problem.run, "what": problem.what}),
            );
            output::json(&json!({
                "imported": runs.collect::<Vec<_>>(),
                "present": imported.present,
                "problems": problems.collect::<Vec<_>>(),
            }))?;
        }
        Format::Text => {
            for (run, events) in &imported.runs {
                output::data(&format!("{run}: {events} events imported\n"))?;
            }
            for run in &imported.present {
                output::data(&format!("{run}: here already\n"))?;
            }
        }
    }
    for problem in &imported.problems {
        output::note(&format!("error: line {}: {}", problem.line, problem.what));
    }
    Ok(if imported.problems.is_empty() {
        ExitCode::Success
    } else {
        ExitCode::State
    })
}

fn check_state(cx: &Cx, format: Format) -> Result<ExitCode, Error> {
    let checks = block_on(async {
        match Reach::open(cx, "flowctl state check").await? {
            Reach::Own(hold) => Ok(check(hold.log().as_ref(), hold.evidence())?),
            Reach::Nothing => Ok(Vec::new()),
            Reach::Holder(client) => Err(flowctl_state::LogError::Held {
                path: cx.state_directory()?,
                holder: client.hello.holder.clone().map(Box::new),
                stopped: false,
            }
            .into()),
        }
    })?;
    match format {
        Format::Json => output::json(&checks.iter().map(as_json).collect::<Vec<_>>())?,
        Format::Text if checks.is_empty() => output::note("this state has no runs"),
        Format::Text => checks
            .iter()
            .try_for_each(|run| output::data(&as_text(run)))?,
    }
    Ok(if checks.iter().all(RunCheck::is_whole) {
        ExitCode::Success
    } else {
        ExitCode::State
    })
}

fn as_json(run: &RunCheck) -> serde_json::Value {
    let evidence = run
        .evidence
        .iter()
        .map(|(seq, error)| json!({"seq": seq, "error": chain(error)}));
    json!({
        "run": run.run,
        "whole": run.is_whole(),
        "readable_events": run.readable,
        "damage": run.damage.as_ref().map(|error| chain(error)),
        "evidence_references": run.references,
        "evidence": evidence.collect::<Vec<_>>(),
    })
}

fn as_text(run: &RunCheck) -> String {
    let word = if run.is_whole() { "whole" } else { "damaged" };
    let mut text = format!(
        "{}: {word}, {} events, {} references to evidence\n",
        run.run, run.readable, run.references
    );
    if let Some(damage) = &run.damage {
        text.push_str(&format!("  {}\n", chain(damage)));
    }
    for (seq, error) in &run.evidence {
        text.push_str(&format!("  event {seq}: {}\n", chain(error)));
    }
    text
}
