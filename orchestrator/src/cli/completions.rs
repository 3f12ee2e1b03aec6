//! `flowctl completions`: what a shell needs to complete the command line.

use clap::CommandFactory as _;

use super::args::Cli;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output;

/// Arguments of `flowctl completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "flowctl", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Success)
}
