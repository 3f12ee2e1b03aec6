//! `flowctl graph`: the steps of a workflow and what they need, for people and for drawing programs.

use serde_json::json;

use super::Cx;
use super::error::Error;
use super::exit_code::ExitCode;
use super::output;
use super::prepare::{self, What};
use crate::dag::render;
use crate::view::role_word;

/// Arguments of `flowctl graph`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// Form of the drawing
    #[arg(long, short, alias = "output", value_enum, default_value_t)]
    format: GraphFormat,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum GraphFormat {
    /// A list in an order in which the steps can run
    #[default]
    Text,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
    /// Nodes and edges
    Json,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let plan = prepare::prepare(cx, &args.what)?.plan;
    match args.format {
        GraphFormat::Text => output::data(&render::text(&plan))?,
        GraphFormat::Dot => output::data(&render::dot(&plan))?,
        GraphFormat::Mermaid => output::data(&render::mermaid(&plan))?,
        GraphFormat::Json => {
            let steps = plan.steps.iter().map(|step| {
                let needs = step
                    .needs
                    .iter()
                    .map(|need| json!({"step": plan.steps[need.step as usize].id, "is": need.is}));
                json!({
                    "id": step.id, "kind": role_word(&step.role), "finally": step.teardown,
                    "needs": needs.collect::<Vec<_>>(),
                })
            });
            output::json(&json!({"workflow": plan.workflow, "steps": steps.collect::<Vec<_>>()}))?;
        }
    }
    Ok(ExitCode::Success)
}
