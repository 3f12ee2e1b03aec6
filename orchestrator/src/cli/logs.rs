//! `flowctl logs`: what a step's program printed: the last lines while it runs, the kept output after.

use flowctl_state::directory::StateDirectory;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::run_state::{RunState, StepRecord, StepState};
use flowctl_workflows::RunId;
use flowctl_workflows::result::Evidence;
use serde_json::json;

use super::Cx;
use super::choose;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::Reach;
use super::runtime::block_on;
use crate::server::{Client, Item};

/// Arguments of `flowctl logs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its id, or `latest`
    run: String,
    /// The step
    step: String,
    /// Which attempt [default: the last]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Go on showing lines as they are printed, until the step ends
    #[arg(long, short)]
    follow: bool,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    block_on(async {
        let reach = Reach::open(cx, "flowctl logs").await?;
        let run = choose::run(&reach, Some(&args.run)).await?;
        let state = reach.state(&run).await?;
        let ids = state.plan.steps.iter().map(|step| step.id.as_str());
        let place = choose::step(ids, &args.step)?;
        let record = state.step(u32::try_from(place).unwrap_or(u32::MAX));
        let running = matches!(record.state, StepState::Running { attempt, .. } if args.attempt.is_none_or(|n| n == attempt));
        match &reach {
            Reach::Holder(client) if running && client.hello.run == run.as_str() => {
                live(client, &run, &args).await
            }
            _ => kept(cx, &state, record, &args),
        }
    })?;
    Ok(ExitCode::Success)
}

/// The lines of a step that runs in another process.
async fn live(client: &Client, run: &RunId, args: &Args) -> Result<(), Error> {
    // Watched before asked for, so that no line falls between; the last ones may come twice.
    let watch = if args.follow {
        Some(client.watch(run).await?)
    } else {
        None
    };
    let lines = client.lines(run, &args.step).await?;
    if args.output == Format::Json && !args.follow {
        return output::json(
            &json!({"run": run, "step": args.step, "running": true, "lines": lines}),
        );
    }
    let print = |line: &str| match args.output {
        Format::Text => output::data(&format!("{line}\n")),
        Format::Json => output::json_line(&json!({ "line": line })),
    };
    lines.iter().try_for_each(|line| print(line))?;
    let Some(mut watch) = watch else {
        return Ok(());
    };
    let mut past = true;
    while let Some(item) = watch.next().await? {
        match item {
            Item::Line { step, line } if step == args.step => print(&line)?,
            Item::Line { .. } => {}
            // Only what is stored after the past was shown can end the step that runs now.
            Item::Doing(_) => past = false,
            Item::Event(envelope) => {
                let of_step = envelope
                    .event
                    .step()
                    .is_some_and(|step| step.as_str() == args.step);
                if of_step && !past {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The kept output of an attempt that is over.
fn kept(cx: &Cx, state: &RunState, record: &StepRecord, args: &Args) -> Result<(), Error> {
    let attempt = args.attempt.unwrap_or_else(|| last_attempt(record));
    let Some(evidence) = evidence(record, attempt) else {
        let message = match (record.attempts, args.attempt) {
            (0, _) => format!("step {} of {} has not started", args.step, state.run),
            (count, Some(attempt)) if attempt == 0 || attempt > count => {
                format!(
                    "step {} of {} had {count} attempts, no attempt {attempt}",
                    args.step, state.run
                )
            }
            _ => format!(
                "nothing is kept of attempt {attempt} of step {}: it did not end",
                args.step
            ),
        };
        return Err(Error::usage(message));
    };
    let directory = StateDirectory::create(&cx.state_directory()?)?;
    let store = EvidenceStore::open(&directory.evidence())?;
    let texts: Vec<(&Evidence, String)> = evidence
        .iter()
        .filter(|evidence| evidence.media_type.starts_with("text/"))
        .map(|evidence| {
            Ok((
                evidence,
                String::from_utf8_lossy(&store.get(&evidence.sha256)?).into_owned(),
            ))
        })
        .collect::<Result<_, Error>>()?;
    if args.output == Format::Json {
        let texts = texts.iter().map(|(evidence, text)| json!({"name": evidence.name, "sha256": evidence.sha256, "text": text}));
        return output::json(&json!({
            "run": state.run, "step": args.step, "running": false, "attempt": attempt, "texts": texts.collect::<Vec<_>>(),
        }));
    }
    let spoken: Vec<_> = texts.iter().filter(|(_, text)| !text.is_empty()).collect();
    for (evidence, text) in &spoken {
        if spoken.len() > 1 {
            output::data(&format!("==> {} <==\n", evidence.name))?;
        }
        output::data(text)?;
        if !text.ends_with('\n') {
            output::data("\n")?;
        }
    }
    if spoken.is_empty() {
        let names: Vec<&str> = evidence
            .iter()
            .map(|evidence| evidence.name.as_str())
            .collect();
        let other = if names.is_empty() {
            String::new()
        } else {
            format!("; it kept {}", names.join(", "))
        };
        output::note(&format!(
            "attempt {attempt} of step {} printed nothing{other}",
            args.step
        ));
    }
    Ok(())
}

/// The newest attempt that is over.
fn last_attempt(record: &StepRecord) -> u32 {
    match record.state {
        StepState::Running { .. } => record
            .failures
            .last()
            .map_or(record.attempts, |failed| failed.attempt),
        _ => record.attempts,
    }
}

/// What an attempt kept; `None` when nothing is known of its end.
fn evidence(record: &StepRecord, attempt: u32) -> Option<&[Evidence]> {
    if let Some(failed) = record
        .failures
        .iter()
        .find(|failed| failed.attempt == attempt)
    {
        return Some(&failed.evidence);
    }
    let succeeded =
        record.state == StepState::Succeeded && attempt == record.attempts && attempt > 0;
    succeeded.then(|| {
        record
            .result
            .as_ref()
            .map_or(&[][..], |result| &result.evidence)
    })
}
