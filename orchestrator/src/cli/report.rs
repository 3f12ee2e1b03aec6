//! `flowctl report`: renders the report of a run again, from the state alone.

use std::sync::Arc;

use flowctl_state::directory::StateDirectory;
use flowctl_state::evidence::EvidenceStore;

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output;
use super::reach::Reach;
use super::runtime::block_on;
use crate::executor::Renderer;
use crate::report::{self, FileRenderer};
use crate::server;

/// Arguments of `flowctl report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest` [default: the newest one]
    run: Option<String>,
    /// Print one document in place of writing them all below the state directory
    #[arg(long, short, alias = "output", value_enum)]
    format: Option<Document>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Document {
    /// report.html
    Html,
    /// report.md
    Md,
    /// report.json
    Json,
    /// junit.xml
    Junit,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let (log, state) = block_on(async {
        let reach = Reach::open(cx, "flowctl report").await?;
        let run = choose::run(&reach, args.run.as_deref()).await?;
        // One look: a run that is under way has more events by the second.
        let log = reach.log(&run).await?;
        let state = server::replay(log.as_ref(), &run)?;
        Ok::<_, Error>((log, state))
    })?;
    let Some(document) = args.format else {
        let directory = StateDirectory::create(&cx.state_directory()?)?;
        let evidence = Arc::new(EvidenceStore::open(&directory.evidence())?);
        let renderer = FileRenderer {
            directory: Box::new(move |run| directory.reports(run)),
            evidence,
            log,
        };
        let path = renderer
            .render(&state)
            .map_err(|reason| Error::system("write the report", std::io::Error::other(reason)))?;
        output::data(&format!("{path}\n"))?;
        return Ok(ExitCode::Success);
    };
    let events = report::write_events(log.as_ref(), &state, &mut std::io::sink())
        .map_err(|error| Error::system("read the events of the run", error))?;
    let built = report::build(&state, events);
    match document {
        Document::Html => {
            let directory = StateDirectory::create(&cx.state_directory()?)?;
            let evidence = EvidenceStore::open(&directory.evidence())?;
            let page = report::html(&state, &built, &|hash| evidence.get(hash).ok());
            output::data(&page)?;
        }
        Document::Md => output::data(&report::markdown(&built))?,
        Document::Json => output::json(&built)?,
        Document::Junit => {
            let mut xml = Vec::new();
            report::junit(&built, &mut xml).map_err(Error::bug)?;
            output::bytes(&xml)?;
        }
    }
    Ok(ExitCode::Success)
}
