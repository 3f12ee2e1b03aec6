//! `flowctl cancel`: asks the process that works on a run to stop it.

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output;
use super::reach::Reach;
use super::runtime::block_on;
use crate::config;

/// Arguments of `flowctl cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the running one]
    run: Option<String>,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let run = block_on(async {
        let reach = Reach::open(cx, "flowctl cancel").await?;
        let run = choose::run(&reach, args.run.as_deref()).await?;
        match &reach {
            Reach::Holder(client) => {
                client
                    .cancel(&run, format!("{} with `flowctl cancel`", config::user()))
                    .await?
            }
            Reach::Own(_) | Reach::Nothing => {
                return Err(Error::usage_with_help(
                    format!("run {run} is not under way: no process holds this state"),
                    "an interrupted run has stopped already; `flowctl status` shows where it stands",
                ));
            }
        }
        Ok(run)
    })?;
    output::note(&format!(
        "{run} is being cancelled: what runs is stopped, undos and `finally:` follow; `flowctl watch` shows it"
    ));
    Ok(ExitCode::Success)
}
