//! `flowctl cancel`: asks the process that works on a run to stop it. A run whose process died is taken up here, only to
//! be stopped: what it left changed is put back.

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::fence;
use super::output;
use super::reach::Reach;
use super::resume;
use super::runtime::block_on;
use crate::config;

/// Arguments of `flowctl cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the running one]
    run: Option<String>,
    /// Where the target's file is now, if its name no longer leads there
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// End a flowctl that holds the state and is stopped or hung, and put back here what its run changed
    #[arg(long)]
    take_over: bool,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let by = format!("{} with `flowctl cancel`", config::user());
    let (run, asked) = block_on(async {
        if args.take_over {
            fence::end_holder(cx).await?;
        }
        let reach = Reach::open(cx, "flowctl cancel").await?;
        let run = choose::run(&reach, args.run.as_deref()).await?;
        let asked = match &reach {
            Reach::Holder(client) => {
                client.cancel(&run, by.clone()).await?;
                true
            }
            Reach::Own(_) | Reach::Nothing => false,
        };
        Ok((run, asked))
    })?;
    if !asked {
        return resume::stop(cx, &run, args.target.as_deref(), by);
    }
    output::note(&format!(
        "{run} is being cancelled: what runs is stopped, undos and `finally:` follow; `flowctl watch` shows it"
    ));
    Ok(ExitCode::Success)
}
