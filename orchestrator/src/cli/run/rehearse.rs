//! `flowctl run --dry-run`: what would run, in which order and with what, without a word to any
//! platform and without a mark in the state.

use flowctl_steps::Registry;
use flowctl_workflows::plan::{Plan, PlanStep, Role};
use flowctl_workflows::{Context, StepId, template};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Cx;
use crate::cli::error::Error;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::{self, StreamFormat};
use crate::cli::prepare::Prepared;
use crate::progress::{Mood, Paint};
use crate::view::role_word;

/// A step as it would run.
#[derive(Debug, Serialize)]
struct Planned<'a> {
    id: &'a str,
    kind: &'a str,
    /// Whether it changes something on the platform.
    writes: bool,
    /// Whether `--only` leaves it out.
    selected: bool,
    finally: bool,
    needs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'a str>,
    /// Parameters, rendered as far as they are known before the run.
    with: Value,
    proves: Vec<&'a str>,
}

pub(super) fn show(
    cx: &Cx,
    prepared: &Prepared,
    only: &[StepId],
    format: StreamFormat,
) -> Result<ExitCode, Error> {
    let plan = &prepared.plan;
    let registry = crate::kinds::registry();
    let context = known_before(cx, plan);
    let steps: Vec<Planned<'_>> = plan
        .steps
        .iter()
        .map(|step| planned(plan, step, only, &registry, &context))
        .collect();
    match format {
        StreamFormat::Text => output::data(&text(plan, &steps, cx.paint_data()))?,
        StreamFormat::Json | StreamFormat::Jsonl => output::json(&json!({
            "workflow": plan.workflow,
            "target": plan.target.as_ref().map(|target| &target.name),
            "params": plan.params,
            "steps": steps,
        }))?,
    }
    output::note("dry run: nothing was sent to any platform, and nothing was written");
    Ok(ExitCode::Success)
}

/// What templates can see before anything ran.
fn known_before(cx: &Cx, plan: &Plan) -> Context {
    let lab = cx
        .config
        .lab_directory()
        .map(|lab| lab.display().to_string());
    let mut context = Context::new(plan.params.clone())
        .with(
            "workflow",
            json!({"name": plan.workflow.as_str(), "dir": plan.directory}),
        )
        .with("flowctl", json!({ "lab": lab }));
    if let Some(target) = &plan.target {
        context = context.with("target", target.view.clone());
    }
    context
}

fn planned<'a>(
    plan: &'a Plan,
    step: &'a PlanStep,
    only: &[StepId],
    registry: &Registry,
    context: &Context,
) -> Planned<'a> {
    let writes = |kind: &str| registry.get(kind).is_some_and(|entry| entry.info.writes);
    let context = match step.item.as_deref() {
        Some((name, item)) => context.clone().with(name.clone(), item.clone()),
        None => context.clone(),
    };
    Planned {
        id: step.id.as_str(),
        kind: role_word(&step.role),
        writes: matches!(&step.role, Role::Kind(kind) if writes(kind)),
        selected: only.is_empty() || only.iter().any(|name| step.id.is_meant_by(name)),
        finally: step.teardown,
        needs: step
            .needs
            .iter()
            .map(|need| plan.steps[need.step as usize].id.as_str())
            .collect(),
        when: step.when.as_deref(),
        with: rendered(&step.with, &context),
        proves: step
            .proves
            .iter()
            .chain(&step.part_proves)
            .map(|criterion| criterion.as_str())
            .collect(),
    }
}

/// A value with every template rendered that can be; what later steps will say stays a template.
fn rendered(value: &Value, context: &Context) -> Value {
    match value {
        Value::String(_) => template::render(value, context).unwrap_or_else(|_| value.clone()),
        Value::Array(items) => items.iter().map(|item| rendered(item, context)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), rendered(field, context)))
            .collect::<Value>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn text(plan: &Plan, steps: &[Planned<'_>], paint: Paint) -> String {
    let on = plan.target.as_ref().map_or_else(
        || "no target".to_owned(),
        |target| format!("target {}", target.name),
    );
    let mut text = format!(
        "{} on {on}: {} steps\n",
        paint.bold(plan.workflow.as_str()),
        steps.len()
    );
    for (name, value) in &plan.params {
        text.push_str(&format!("  {name} = {value}\n"));
    }
    for (number, step) in (1..).zip(steps) {
        let writes = if step.writes {
            paint.mood(Mood::Doubt, " writes")
        } else {
            String::new()
        };
        let finally = if step.finally { " in finally" } else { "" };
        let left_out = if step.selected {
            ""
        } else {
            " (left out by --only)"
        };
        text.push_str(&format!(
            "\n{number:>3}. {} ({}){writes}{finally}{left_out}\n",
            paint.bold(step.id),
            step.kind
        ));
        if !step.needs.is_empty() {
            text.push_str(&format!("     needs {}\n", step.needs.join(", ")));
        }
        if let Some(when) = step.when {
            text.push_str(&format!("     when {when}\n"));
        }
        if !step.proves.is_empty() {
            text.push_str(&format!("     proves {}\n", step.proves.join(", ")));
        }
        if let Value::Object(fields) = &step.with {
            for (name, value) in fields {
                let shown = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let indented = shown.trim_end().replace('\n', "\n       ");
                text.push_str(&format!("     {name}: {indented}\n"));
            }
        }
    }
    text
}
