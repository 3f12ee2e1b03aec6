//! `flowctl state gc`: removes old runs with their reports and with the evidence that only they need.
//!
//! Owns the decision which runs go: never one that is unfinished or has something to put back, nor one
//! that cannot be read.

use flowctl_state::event::Seq;
use flowctl_state::gc::{collect, disk_usage};
use flowctl_state::log::EventLog;
use flowctl_state::run_state::{Phase, RunState};
use flowctl_steps::clock::SystemClock;
use flowctl_steps::context::Clock;
use flowctl_workflows::RunId;
use flowctl_workflows::policy::Span;
use jiff::Timestamp;
use serde_json::json;

use super::super::Cx;
use super::super::error::Error;
use super::super::exit_code::ExitCode;
use super::super::output::{self, Format};
use super::super::reach::hold_to_write;
use crate::engine::pending_undos;
use crate::server;

/// Arguments of `flowctl state gc`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("rule").required(true).multiple(true).args(["keep", "older_than"]))]
pub(in crate::cli) struct Args {
    /// Keep so many finished runs, the newest
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Remove only runs that ended longer ago than this, for example 30d
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Span>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(in crate::cli) fn run(cx: &Cx, args: &Args) -> Result<ExitCode, Error> {
    let hold = hold_to_write(cx, "flowctl state gc", false)?;
    let directory = hold.directory().path().to_path_buf();
    let (old, kept) = choose(hold.log().as_ref(), args, SystemClock::new().now())?;
    let runs: Vec<RunId> = old.iter().map(|run| run.run.clone()).collect();
    let before = disk_usage(&directory)?;
    let collected = collect(hold, &runs, args.dry_run)?;
    let after = disk_usage(&directory)?;
    match args.output {
        Format::Json => {
            let runs: Vec<_> = old
                .iter()
                .map(|run| json!({"run": run.run, "events": run.events, "ended": run.ended}))
                .collect();
            output::json(&json!({
                "dry_run": args.dry_run,
                "runs": runs,
                "kept": kept,
                "evidence": {"records": collected.evidence, "bytes": collected.evidence_bytes},
                "unfinished_files": collected.leftovers,
                "bytes_before": before,
                "bytes_after": after,
            }))?;
        }
        Format::Text => {
            for run in &old {
                output::data(&format!("{}: {} events\n", run.run, run.events))?;
            }
            let (doing, count) = (
                if args.dry_run {
                    "would remove"
                } else {
                    "removed"
                },
                old.len(),
            );
            output::note(&format!(
                "{doing} {count} runs and {} records of evidence ({} kB), kept {kept} runs; the state takes {} kB, before {} kB",
                collected.evidence,
                collected.evidence_bytes / 1024,
                after / 1024,
                before / 1024,
            ));
        }
    }
    Ok(ExitCode::Success)
}

/// A run that goes.
struct Old {
    run: RunId,
    events: Seq,
    ended: Timestamp,
}

/// The runs that go, the newest first, and how many stay.
fn choose(log: &dyn EventLog, args: &Args, now: Timestamp) -> Result<(Vec<Old>, usize), Error> {
    let rows = log.runs()?;
    let all = rows.len();
    let mut finished = 0;
    let mut old = Vec::new();
    for row in rows {
        let state = server::replay(log, &row.run)?;
        if !is_over(&state) {
            continue;
        }
        finished += 1;
        let beyond = args.keep.is_none_or(|keep| finished > keep);
        let aged = args.older_than.is_none_or(|span| {
            let age = now.duration_since(state.updated);
            // A run from the future, by a clock that was set back, has no age yet.
            u128::try_from(age.as_millis()).is_ok_and(|age| age > u128::from(span.millis()))
        });
        if beyond && aged {
            old.push(Old {
                run: row.run,
                events: state.next_seq,
                ended: state.updated,
            });
        }
    }
    let kept = all - old.len();
    Ok((old, kept))
}

/// Whether nothing of a run is left to be done or put back.
fn is_over(state: &RunState) -> bool {
    matches!(state.phase, Phase::Finished { .. }) && pending_undos(state).next().is_none()
}
