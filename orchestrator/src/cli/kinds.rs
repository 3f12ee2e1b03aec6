//! `flowctl kinds`: what step kinds there are, and what each takes, does and gives.

use std::fmt::Write as _;

use flowctl_steps::registry::KindEntry;
use flowctl_steps::step::OnResume;
use flowctl_workflows::diagnostic::suggest;
use flowctl_workflows::policy::UndoWhen;
use serde_json::{Value, json};

use super::error::Error;
use super::exit_code::ExitCode;
use super::output::{self, Format};
use super::table;

mod fields;

/// Arguments of `flowctl kinds`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind to document [default: list all]
    kind: Option<String>,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let registry = crate::kinds::registry();
    let Some(name) = args.kind else {
        match args.output {
            Format::Json => output::json(
                &registry
                    .iter()
                    .map(|entry| json!(entry.info))
                    .collect::<Vec<_>>(),
            )?,
            Format::Text => {
                let rows: Vec<Vec<String>> = registry
                    .iter()
                    .map(|entry| vec![entry.info.name.to_owned(), entry.info.summary.to_owned()])
                    .collect();
                output::data(&table::render(&["KIND", "WHAT IT DOES"], &rows))?;
            }
        }
        return Ok(ExitCode::Success);
    };
    let entry = registry.get(&name).ok_or_else(|| {
        let known: Vec<&str> = registry.iter().map(|entry| entry.info.name).collect();
        let help = suggest(&name, known).unwrap_or_else(|| "`flowctl kinds` lists them".to_owned());
        Error::usage_with_help(format!("there is no step kind `{name}`"), help)
    })?;
    let (params, result) = ((entry.params_schema)(), (entry.output_schema)());
    match args.output {
        Format::Json => {
            let mut value = json!(entry.info);
            value["params"] = params;
            value["output"] = result;
            output::json(&value)?;
        }
        Format::Text => output::data(&text(entry, &params, &result))?,
    }
    Ok(ExitCode::Success)
}

fn text(entry: &KindEntry, params: &Value, result: &Value) -> String {
    let info = &entry.info;
    let on_resume = match info.on_resume {
        OnResume::Repeats => "it is simply done again",
        OnResume::Attaches => {
            "what is in flight is found by the attempt's name and followed to its end"
        }
        OnResume::EndsAndRestarts => {
            "what is in flight is found by the attempt's name, ended, and begun again"
        }
    };
    let measures = if info.measures {
        "yes: `proves:` needs no `expect:`"
    } else {
        "no: `proves:` needs an `expect:`"
    };
    let mut text = format!("{}: {}\n\n", info.name, info.summary);
    for (title, words) in [
        ("effect", info.effect),
        ("permissions", info.permissions),
        (
            "target",
            if info.needs_target {
                "needed"
            } else {
                "not needed"
            },
        ),
        ("writes", if info.writes { "yes" } else { "no" }),
        ("measures", measures),
        ("after a crash", on_resume),
    ] {
        let _ = writeln!(text, "{title:<14}{words}");
    }
    let undone = match entry.undone {
        UndoWhen::Never => None,
        UndoWhen::Failure => Some("when the run fails or is cancelled"),
        UndoWhen::Always => Some("at the end of every run"),
    };
    if let Some(when) = undone {
        let _ = writeln!(
            text,
            "{:<14}{when}, unless its `undo:` says otherwise",
            "undone"
        );
    }
    text.push_str("\nPARAMETERS (`with:`)\n");
    text.push_str(&fields::list(params));
    text.push_str("\nOUTPUT (`steps.ID.output`)\n");
    text.push_str(&fields::list(result));
    let _ = write!(text, "\nEXAMPLE\n{}\n", indented(info.example));
    text
}

fn indented(example: &str) -> String {
    example
        .trim_matches('\n')
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
