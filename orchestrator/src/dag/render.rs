//! The graph for people and for Graphviz and Mermaid. Pure.

use std::fmt::Write as _;

use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use flowctl_workflows::result::Outcome;

/// An indented list in topological order: each step with its kind and what it needs.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for (finally, title) in [(false, None), (true, Some("finally:"))] {
        let mut title = title;
        for step in plan.steps.iter().filter(|step| step.teardown == finally) {
            if let Some(title) = title.take() {
                let _ = writeln!(out, "{title}");
            }
            let _ = write!(out, "{} ({})", step.id, role(step));
            let mut arrow = " ← ";
            for need in &step.needs {
                let _ = write!(
                    out,
                    "{arrow}{}{}",
                    plan.steps[need.step as usize].id,
                    condition(need)
                );
                arrow = ", ";
            }
            out.push('\n');
        }
    }
    out
}

/// Graphviz.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n",
        quoted(plan.workflow.as_str())
    );
    for step in &plan.steps {
        let style = if step.teardown { ", style=dashed" } else { "" };
        let label = quoted(&format!("{}\n{}", step.id, role(step)));
        let _ = writeln!(
            out,
            "  {} [label={label}{style}];",
            quoted(step.id.as_str())
        );
    }
    for (from, step, need) in edges(plan) {
        let label = match condition(need) {
            text if text.is_empty() => String::new(),
            text => format!(" [label={}]", quoted(text.trim())),
        };
        let _ = writeln!(
            out,
            "  {} -> {}{label};",
            quoted(from.id.as_str()),
            quoted(step.id.as_str())
        );
    }
    out.push_str("}\n");
    out
}

/// Mermaid, for Markdown.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    for (place, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(out, "  n{place}[\"{}<br/>{}\"]", step.id, role(step));
    }
    for (place, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            let label = match condition(need) {
                text if text.is_empty() => String::new(),
                text => format!("|{}|", text.trim()),
            };
            let _ = writeln!(out, "  n{} -->{label} n{place}", need.step);
        }
    }
    out
}

fn edges(plan: &Plan) -> impl Iterator<Item = (&PlanStep, &PlanStep, &PlanNeed)> {
    plan.steps.iter().flat_map(move |step| {
        step.needs
            .iter()
            .map(move |need| (&plan.steps[need.step as usize], step, need))
    })
}

fn role(step: &PlanStep) -> &str {
    match &step.role {
        Role::Kind(kind) => kind,
        Role::FanIn => "foreach",
        Role::Approval { .. } => "approval",
    }
}

/// ` (failed or skipped)` for a need that asks for other outcomes than success; a fan-in's need of any outcome is not shown.
fn condition(need: &PlanNeed) -> String {
    if need.is.is_empty() || need.is.len() == 4 {
        return String::new();
    }
    let words: Vec<&str> = need
        .is
        .iter()
        .map(|outcome| match outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Cancelled => "cancelled",
        })
        .collect();
    format!(" ({})", words.join(" or "))
}

fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}
