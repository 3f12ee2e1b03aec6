//! `flowctl verify`: holds a report against the records that it rests on.

use std::path::PathBuf;

use flowctl_workflows::RunId;

use super::Cx;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::reach::Reach;
use super::runtime::block_on;
use super::table;
use crate::report::EventsEnd;
use crate::verify::{self, Disagreement, NotAReport, Numbers, Verdict, Verification};

/// Arguments of `flowctl verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// The report's folder, with report.json and evidence/
    directory: PathBuf,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

const AFTER: &str = "\
It needs nothing but the folder. With --state DIR the report is held against the state of its run as well.

Exit codes of verify:
  0  all that was checked agrees
  1  something does not agree
  2  wrong usage, or no report
  3  nothing disagrees, but what would have to be checked is not there";

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let mut found =
        verify::verify(&args.directory, &crate::kinds::registry()).map_err(|error| {
            let help = match error {
                NotAReport::Nothing { .. } => {
                    "name the folder that `flowctl run` and `flowctl report` print"
                }
                NotAReport::Newer { .. } => "use the flowctl that wrote it, or a later one",
            };
            Error::usage_with_help(error.to_string(), help)
        })?;
    if cx.state.is_some() {
        compare(cx, &mut found)?;
    }
    match args.output {
        Format::Json => output::json(&found)?,
        Format::Text => output::data(&shown(&found))?,
    }
    Ok(match found.verdict {
        Verdict::Agrees => ExitCode::Success,
        Verdict::Disagrees => ExitCode::Failed,
        Verdict::Incomplete => ExitCode::Inconclusive,
    })
}

/// Holds the report against the state that was named.
fn compare(cx: &Cx, found: &mut Verification) -> Result<(), Error> {
    let run = RunId::new(found.run.clone())
        .map_err(|_| Error::usage(format!("`{}` is the name of no run", found.run)))?;
    let log = block_on(async {
        let reach = Reach::open(cx, "flowctl verify").await?;
        reach.log(&run).await
    })?;
    let end = found.events.clone().unwrap_or_else(EventsEnd::default);
    verify::compare_with_state(log.as_ref(), &run, &end, found);
    Ok(())
}

/// A table of what was checked, and each disagreement with what it means.
fn shown(found: &Verification) -> String {
    let mut text = format!("Report of run {} in {}\n\n", found.run, found.directory);
    let rows: Vec<Vec<String>> = found
        .checks
        .iter()
        .map(|check| {
            vec![
                check.what.to_owned(),
                check.checked.to_string(),
                check.disagree.to_string(),
            ]
        })
        .collect();
    text.push_str(&table::render(&["what", "checked", "disagree"], &rows));
    if let Some(numbers) = &found.numbers {
        text.push_str(&counted(numbers));
    }
    for disagreement in &found.disagreements {
        text.push('\n');
        text.push_str(&told(disagreement));
    }
    if !found.not_checked.is_empty() {
        text.push_str("\nNot checked:\n");
        for what in &found.not_checked {
            text.push_str(&format!("- {what}\n"));
        }
    }
    if let Some(events) = &found.events {
        text.push_str(&format!(
            "\nThe last of {} events has the SHA-256 {}\n",
            events.count, events.sha256
        ));
    }
    if let Some(what) = found.cannot_exclude {
        text.push_str(&format!("This cannot exclude {what}.\n"));
    }
    let verdict = match found.verdict {
        Verdict::Agrees => "All that was checked agrees.".to_owned(),
        Verdict::Disagrees => format!("DISAGREES in {} places.", found.disagreements.len()),
        Verdict::Incomplete => {
            "Nothing disagrees, but NOT ALL could be checked: see above.".to_owned()
        }
    };
    text.push_str(&format!("\n{verdict}\n"));
    table::harmless(&text)
}

/// How far the numbers were worked out again; what was not is never passed over.
fn counted(numbers: &Numbers) -> String {
    let mut text = format!(
        "\nNumbers worked out again from raw records: {} (findings: {})\nNumbers checked by hash only: {} (findings: {})\n",
        numbers.judged_again,
        numbers.findings_judged_again,
        numbers.by_hash_only,
        numbers.findings_by_hash_only
    );
    for of in &numbers.kinds {
        text.push_str(&format!(
            "- {} (numbers: {}, findings: {}, steps: {}): {}\n",
            of.kind,
            of.numbers,
            of.findings,
            of.steps.join(", "),
            of.why
        ));
    }
    text
}

fn told(disagreement: &Disagreement) -> String {
    let Disagreement {
        file,
        place,
        expected,
        found,
        means,
        rests,
    } = disagreement;
    let place = if place.is_empty() {
        String::new()
    } else {
        format!(", {place}")
    };
    let mut text = format!(
        "{file}{place}\n  expected  {expected}\n  found     {found}\n  means     {means}\n"
    );
    if !rests.is_empty() {
        text.push_str(&format!("  rest on it: {}\n", rests.join(", ")));
    }
    text
}
