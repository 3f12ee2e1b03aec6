//! `flowctl approve`: a person's consent, given to the process that works on the run.

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output;
use super::reach::Reach;
use super::runtime::block_on;
use crate::config;

/// Arguments of `flowctl approve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest`
    run: String,
    /// The step that waits, or its approval step
    step: String,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let (run, step) = block_on(async {
        let reach = Reach::open(cx, "flowctl approve").await?;
        let run = choose::run(&reach, Some(&args.run)).await?;
        let Reach::Holder(client) = &reach else {
            return Err(Error::usage_with_help(
                format!("run {run} is not under way: no process holds this state"),
                format!("`flowctl resume {run}` takes it up; it will wait for the approval again"),
            ));
        };
        let view = client.status(&run).await?;
        let ids = view.steps.iter().map(|step| step.id.as_str());
        let place = choose::step(ids, &args.step)?;
        // `approval:` stands on a step, and makes one before it.
        let before = format!("{}.approval", args.step);
        let step = view
            .steps
            .iter()
            .find(|step| step.id == before)
            .unwrap_or(&view.steps[place])
            .id
            .clone();
        client.approve(&run, step.clone(), config::user()).await?;
        Ok((run, step))
    })?;
    output::note(&format!("{step} of {run} is approved"));
    Ok(ExitCode::Success)
}
