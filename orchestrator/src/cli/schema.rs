//! `flowctl schema`: the JSON schemas of the files that authors write, and of the report that flowctl writes.

use flowctl_workflows::schema;

use super::error::Error;
use super::exit_code::ExitCode;
use super::output;

/// Arguments of `flowctl schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of which file
    #[arg(value_enum, default_value_t)]
    of: Of,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Of {
    /// A workflow
    #[default]
    Workflow,
    /// A file that a workflow includes
    Part,
    /// A target
    Target,
    /// The faults of a rehearsal, for `run --inject`
    Inject,
    /// `report.json`
    Report,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let report = crate::report::schema();
    output::json(match args.of {
        Of::Workflow => schema::workflow(),
        Of::Part => schema::part(),
        Of::Target => schema::target(),
        Of::Inject => schema::inject(),
        Of::Report => &report,
    })?;
    Ok(ExitCode::Success)
}
