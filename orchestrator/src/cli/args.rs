//! The verbs. Their arguments stand in the file of each verb.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    approve, cancel, completions, diagnose, explain, graph, init, kinds, logs, report, resume, run,
    runs, schema, state, status, undo, validate, verify, watch,
};

/// Runs phase checkpoints of a data platform, proves them, and writes the report.
#[derive(Debug, Parser)]
#[command(name = "flowctl", version, max_term_width = 100, after_help = AFTER)]
pub(super) struct Cli {
    /// Directory of the state [env: FLOWCTL_STATE] [default: flowctl in the XDG state home]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const AFTER: &str = "\
Exit codes:
  0  all criteria PASS or INAPPLICABLE, or done
  1  a step failed or a criterion FAILs
  2  wrong usage, or an invalid workflow or target
  3  a criterion is INCONCLUSIVE or NOT RUN
  4  cancelled
  5  the state, or the workflow on its target, is held by another process; or the state is damaged or
     cannot be written
  70 a bug in flowctl";

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run a workflow
    Run(run::Args),
    /// Take up a run that was interrupted, failed or was cancelled
    Resume(resume::Args),
    /// Show where a run stands
    Status(status::Args),
    /// List the runs
    Runs(runs::Args),
    /// Follow a run as it happens, or replay a finished one
    Watch(watch::Args),
    /// Ask a run to stop
    Cancel(cancel::Args),
    /// Put back what a run changed and did not put back itself
    Undo(undo::Args),
    /// Show what a step's program printed
    Logs(logs::Args),
    /// Say why steps ran, were tried again, reused, skipped, put back or failed
    Explain(explain::Args),
    /// Check workflows and show all mistakes at once
    Validate(validate::Args),
    /// Show the graph of a workflow
    Graph(graph::Args),
    /// Render the report of a run again
    Report(report::Args),
    /// Hold a report against the records that it rests on, offline
    Verify(verify::Args),
    /// Look for what is wrong with a platform; changes nothing
    Diagnose(diagnose::Args),
    /// Print the JSON schema of workflow or target files
    Schema(schema::Args),
    /// Document the step kinds
    Kinds(kinds::Args),
    /// Give the consent that a step waits for
    Approve(approve::Args),
    /// Export, import or check the state
    State(state::Args),
    /// Write a commented example workflow and target
    Init(init::Args),
    /// Print shell completions
    Completions(completions::Args),
}
