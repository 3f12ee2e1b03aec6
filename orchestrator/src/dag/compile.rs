//! From a workflow to a plan: approvals and `foreach` unrolled, steps in topological order. Pure.

use std::collections::{BTreeMap, HashMap};

use flowctl_workflows::context::Context;
use flowctl_workflows::diagnostic::Diagnostic;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::model::{Foreach, Items, ProbeSpec, StepSpec, UndoSpec};
use flowctl_workflows::plan::{
    Plan, PlanFile, PlanNeed, PlanStep, Probe, Role, TargetIdentity, UndoPlan,
};
use flowctl_workflows::result::Outcome;
use flowctl_workflows::{CriterionId, StepId, Workflow, template};
use serde_json::{Map, Value};

const ANY: [Outcome; 4] = [
    Outcome::Succeeded,
    Outcome::Failed,
    Outcome::Skipped,
    Outcome::Cancelled,
];

/// Compiles a workflow that was loaded without mistakes.
///
/// # Errors
/// What only shows once parameters and target are known: a `foreach` over something that is no list, two of its
/// items with the same key.
pub fn compile(
    workflow: &Workflow,
    params: Map<String, Value>,
    target: Option<TargetIdentity>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut context = Context::new(params.clone());
    if let Some(target) = &target {
        context = context.with("target", target.view.clone());
    }
    let mut unrolled = Unrolled {
        context,
        nodes: Vec::new(),
        locks: Vec::new(),
        mistakes: Vec::new(),
    };
    for (specs, teardown) in [(&workflow.steps, false), (&workflow.finally, true)] {
        for spec in specs {
            unrolled.add(spec, teardown);
        }
    }
    let mut locks: Vec<(String, u32)> = workflow
        .locks
        .iter()
        .map(|(name, size)| (name.clone(), *size))
        .collect();
    locks.extend(unrolled.locks);
    if !unrolled.mistakes.is_empty() {
        return Err(unrolled.mistakes);
    }
    Ok(Plan {
        workflow: workflow.name.clone(),
        title: workflow.title.clone(),
        directory: workflow.directory.clone(),
        params,
        target,
        objectives: workflow.objectives.clone(),
        criteria: workflow.criteria.clone(),
        locks,
        timeout: workflow.timeout,
        teardown_timeout: workflow.teardown_timeout,
        steps: in_order(unrolled.nodes),
        files: workflow
            .files
            .iter()
            .map(|file| PlanFile {
                path: file.path.clone(),
                sha256: file.sha256.clone(),
            })
            .collect(),
    })
}

/// A step of the plan whose needs are still names.
struct Node {
    step: PlanStep,
    needs: Vec<(StepId, Vec<Outcome>)>,
}

struct Unrolled {
    context: Context,
    nodes: Vec<Node>,
    locks: Vec<(String, u32)>,
    mistakes: Vec<Diagnostic>,
}

impl Unrolled {
    fn add(&mut self, spec: &StepSpec, teardown: bool) {
        let mut needs: Vec<(StepId, Vec<Outcome>)> = spec
            .needs
            .iter()
            .map(|need| (need.step.clone(), need.is.clone()))
            .collect();
        if let Some(approval) = &spec.approval
            && let Some(id) = self.derived(spec, format!("{}.approval", spec.id))
        {
            let message = template::render_text(&approval.message, &self.context)
                .unwrap_or(approval.message.clone());
            let mut step = plain(spec, id.clone(), Role::Approval { message }, teardown);
            step.when.clone_from(&spec.when);
            self.nodes.push(Node {
                step,
                needs: std::mem::take(&mut needs),
            });
            needs.push((id, Vec::new()));
        }
        match &spec.foreach {
            None => {
                let step = full(spec, spec.id.clone(), teardown);
                self.nodes.push(Node { step, needs });
            }
            Some(foreach) => self.unroll(spec, foreach, &needs, teardown),
        }
    }

    fn unroll(
        &mut self,
        spec: &StepSpec,
        foreach: &Foreach,
        needs: &[(StepId, Vec<Outcome>)],
        teardown: bool,
    ) {
        let items = match self.items(foreach) {
            Ok(items) => items,
            Err(reason) => {
                self.mistake(spec, reason);
                return;
            }
        };
        let lock = foreach
            .max_parallel
            .map(|size| (format!("foreach:{}", spec.id), size));
        self.locks.extend(lock.clone());
        let mut keys: BTreeMap<String, usize> = BTreeMap::new();
        let mut instances = Vec::new();
        for (place, item) in items.into_iter().enumerate() {
            let key = match key(foreach, place, &item, &self.context) {
                Ok(key) => key,
                Err(reason) => {
                    self.mistake(spec, format!("item {place}: {reason}"));
                    continue;
                }
            };
            if let Some(other) = keys.insert(key.clone(), place) {
                self.mistake(
                    spec,
                    format!("items {other} and {place} have the same key `{key}`"),
                );
                continue;
            }
            let Some(id) = self.derived(spec, format!("{}[{key}]", spec.id)) else {
                continue;
            };
            let mut step = full(spec, id.clone(), teardown);
            step.item = Some(Box::new((foreach.name.clone(), item)));
            step.locks
                .extend(lock.iter().map(|(name, _)| (name.clone(), 1)));
            self.nodes.push(Node {
                step,
                needs: needs.to_vec(),
            });
            instances.push((id, ANY.to_vec()));
        }
        let mut step = plain(spec, spec.id.clone(), Role::FanIn, teardown);
        step.on_failure = spec.on_failure;
        // With no items, the fan-in stands for the step itself and waits for what it needs.
        let needs = if instances.is_empty() {
            needs.to_vec()
        } else {
            instances
        };
        self.nodes.push(Node { step, needs });
    }

    fn items(&self, foreach: &Foreach) -> Result<Vec<Value>, String> {
        match &foreach.items {
            Items::List(items) => items
                .iter()
                .map(|item| {
                    template::render(item, &self.context).map_err(|error| error.to_string())
                })
                .collect(),
            Items::Expression(text) => {
                let value = Expression::compile(text)
                    .map_err(|error| error.to_string())?
                    .evaluate(&self.context)
                    .map_err(|error| error.to_string())?;
                match value {
                    Value::Array(items) => Ok(items),
                    other => Err(format!("`{text}` gives {other}, expected a list")),
                }
            }
        }
    }

    fn derived(&mut self, spec: &StepSpec, id: String) -> Option<StepId> {
        StepId::new(id)
            .map_err(|error| self.mistake(spec, error.to_string()))
            .ok()
    }

    fn mistake(&mut self, spec: &StepSpec, reason: impl std::fmt::Display) {
        let message = format!(
            "the `foreach` of step `{}` cannot be unrolled: {reason}",
            spec.id
        );
        self.mistakes.push(
            Diagnostic::new("flowctl::dag::foreach", message).at(spec.place.clone(), "this step"),
        );
    }
}

fn key(foreach: &Foreach, place: usize, item: &Value, context: &Context) -> Result<String, String> {
    let value = match &foreach.key {
        Some(text) => Expression::compile(text)
            .map_err(|error| error.to_string())?
            .evaluate(&context.clone().with(foreach.name.clone(), item.clone()))
            .map_err(|error| error.to_string())?,
        None => item.clone(),
    };
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) if foreach.key.is_none() => {
            Ok(place.to_string())
        }
        other => Err(format!("the key is {other}, expected a text or a number")),
    }
}

/// A step that the engine completes: it has a name and a place, and nothing of the kind's.
fn plain(spec: &StepSpec, id: StepId, role: Role, teardown: bool) -> PlanStep {
    PlanStep {
        title: spec.title.clone(),
        objective: spec.objective.clone(),
        teardown,
        ..PlanStep::new(id, role)
    }
}

fn full(spec: &StepSpec, id: StepId, teardown: bool) -> PlanStep {
    let mut part_proves = Vec::new();
    named_in_parts(&spec.with, &mut part_proves);
    PlanStep {
        with: spec.with.clone(),
        when: spec.when.clone(),
        expect: spec.expect.clone(),
        inapplicable: spec.inapplicable.clone(),
        retry: spec.retry.clone(),
        timeout: spec.timeout,
        on_failure: spec.on_failure,
        gate: spec.gate,
        proves: spec.proves.clone(),
        part_proves,
        locks: spec.locks.clone(),
        verify: spec.verify.as_deref().map(|spec| Box::new(probe(spec))),
        undo: spec.undo.as_deref().map(|spec| Box::new(undo(spec))),
        ..plain(spec, id, role(spec), teardown)
    }
}

/// The `approval` kind is a person's to complete, whether it stands as a step or before one.
fn role(spec: &StepSpec) -> Role {
    if spec.uses == "approval" {
        let message = spec
            .with
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("go on?");
        Role::Approval {
            message: message.to_owned(),
        }
    } else {
        Role::Kind(spec.uses.clone())
    }
}

fn probe(spec: &ProbeSpec) -> Probe {
    Probe {
        kind: spec.uses.clone(),
        with: spec.with.clone(),
        expect: spec.expect.clone(),
    }
}

fn undo(spec: &UndoSpec) -> UndoPlan {
    UndoPlan {
        on: spec.on,
        by: spec.by.as_ref().map(probe),
    }
}

/// The criteria named by `proves` anywhere inside a step's parameters.
fn named_in_parts(value: &Value, found: &mut Vec<CriterionId>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "proves" {
                    let names = match field {
                        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                        other => other.as_str().into_iter().collect::<Vec<_>>(),
                    };
                    found.extend(
                        names
                            .into_iter()
                            .filter_map(|name| CriterionId::new(name).ok()),
                    );
                } else {
                    named_in_parts(field, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named_in_parts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Steps in topological order, otherwise in the order of the file. Names that no step has were refused when
/// the workflow was loaded, as were cycles.
fn in_order(nodes: Vec<Node>) -> Vec<PlanStep> {
    let places: HashMap<StepId, usize> = nodes
        .iter()
        .enumerate()
        .map(|(place, node)| (node.step.id.clone(), place))
        .collect();
    let needs: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            node.needs
                .iter()
                .filter_map(|(id, _)| places.get(id).copied())
                .collect()
        })
        .collect();
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); nodes.len()];
    for (place, needs) in needs.iter().enumerate() {
        for &need in needs {
            dependents[need].push(place);
        }
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..nodes.len()).filter(|place| open[*place] == 0).collect();
    let mut new_place: Vec<u32> = vec![0; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(place) = ready.pop_first() {
        new_place[place] = u32::try_from(order.len()).unwrap_or(u32::MAX);
        order.push(place);
        for &dependent in &dependents[place] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                ready.insert(dependent);
            }
        }
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    // Sized before: steps are large, and a vector that grows is up to twice too large.
    let mut steps = Vec::with_capacity(order.len());
    for place in order {
        let Some(node) = nodes[place].take() else {
            continue;
        };
        let needs = node.needs.iter().filter_map(|(id, is)| {
            let step = new_place[*places.get(id)?];
            Some(PlanNeed {
                step,
                is: is.clone(),
            })
        });
        steps.push(PlanStep {
            needs: needs.collect(),
            ..node.step
        });
    }
    steps
}
