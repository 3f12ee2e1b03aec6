//! What a workflow that was edited means for the steps of a run: which are no longer what they ran as. Pure.
//!
//! What only decides how often, how long and beside whom a step runs (`retry`, `timeout`, `locks`, `on_failure`, its
//! title, its undo) makes no step run again: what it did, it did.

use std::collections::BTreeMap;

use flowctl_workflows::StepId;
use flowctl_workflows::plan::{Plan, PlanStep};
use serde_json::Value;

/// For each step of both plans that differs, what does: parts of its definition, and what they refer to.
#[must_use]
pub fn differences(former: &Plan, plan: &Plan) -> BTreeMap<StepId, Vec<String>> {
    let before: BTreeMap<&StepId, &PlanStep> =
        former.steps.iter().map(|step| (&step.id, step)).collect();
    let pairs = plan
        .steps
        .iter()
        .filter_map(|step| Some((*before.get(&step.id)?, step)));
    let differing = pairs.filter_map(|(old, new)| {
        let mut what = definition(former, old, plan, new);
        what.extend(inputs(former, old, plan, new));
        (!what.is_empty()).then(|| (new.id.clone(), what))
    });
    differing.collect()
}

fn definition(former: &Plan, old: &PlanStep, plan: &Plan, new: &PlanStep) -> Vec<String> {
    let parts = [
        ("uses", old.role != new.role),
        ("with", old.with != new.with),
        ("when", old.when != new.when),
        ("expect", old.expect != new.expect),
        ("inapplicable", old.inapplicable != new.inapplicable),
        ("verify", old.verify != new.verify),
        ("gate", old.gate != new.gate),
        (
            "proves",
            old.proves != new.proves || old.part_proves != new.part_proves,
        ),
        ("foreach item", old.item != new.item),
        ("needs", needs(former, old) != needs(plan, new)),
        ("finally", old.teardown != new.teardown),
    ];
    parts
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Needs by name: a place in the plan says nothing across two plans.
fn needs(plan: &Plan, step: &PlanStep) -> Vec<(StepId, Value)> {
    let mut named: Vec<(StepId, Value)> = step
        .needs
        .iter()
        .map(|need| {
            let id = plan.steps[need.step as usize].id.clone();
            (id, serde_json::json!(need.is))
        })
        .collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    named
}

/// What the texts of a step refer to: parameters, the target, files.
fn inputs(former: &Plan, old: &PlanStep, plan: &Plan, new: &PlanStep) -> Vec<String> {
    let texts: Vec<String> = texts(old).into_iter().chain(texts(new)).collect();
    let mut what = Vec::new();
    let files_before = files(former, &texts);
    let files_now = files(plan, &texts);
    // The text of a file may refer to any parameter, and only its hash is known here.
    let any = !files_now.is_empty();
    let mut names: Vec<&String> = former.params.keys().chain(plan.params.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let mentioned = any || texts.iter().any(|text| mentions(text, name));
        if mentioned && former.params.get(name) != plan.params.get(name) {
            what.push(format!("params.{name}"));
        }
    }
    let view = |plan: &Plan| plan.target.as_ref().map(|target| target.view.clone());
    if (any || texts.iter().any(|text| text.contains("target."))) && view(former) != view(plan) {
        what.push("target".to_owned());
    }
    let mut paths: Vec<&&str> = files_before.keys().chain(files_now.keys()).collect();
    paths.sort();
    paths.dedup();
    what.extend(
        paths
            .into_iter()
            .filter(|path| files_before.get(**path) != files_now.get(**path))
            .map(|path| (*path).to_owned()),
    );
    what
}

/// Whether a text names this parameter, and not one whose name only begins so.
fn mentions(text: &str, param: &str) -> bool {
    let name = format!("params.{param}");
    text.match_indices(&name).any(|(at, _)| {
        let next = text[at + name.len()..].chars().next();
        next.is_none_or(|next| !(next.is_ascii_alphanumeric() || next == '_'))
    })
}

fn texts(step: &PlanStep) -> Vec<String> {
    let mut texts = Vec::new();
    strings(&step.with, &mut texts);
    let undo = step.undo.as_ref().and_then(|undo| undo.by.as_ref());
    for probe in step.verify.as_deref().into_iter().chain(undo) {
        strings(&probe.with, &mut texts);
        texts.extend(probe.expect.iter().cloned());
    }
    texts.extend(
        step.expect
            .iter()
            .chain(&step.inapplicable)
            .chain(&step.when)
            .cloned(),
    );
    texts
}

fn strings(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The files of a plan that these texts name, themselves or by their folder, with their hashes.
fn files<'a>(plan: &'a Plan, texts: &[String]) -> BTreeMap<&'a str, &'a str> {
    let named = |path: &str| {
        texts.iter().any(|text| {
            let folder = text.trim_end_matches('/');
            text.contains(path)
                || (!folder.is_empty()
                    && path
                        .strip_prefix(folder)
                        .is_some_and(|rest| rest.starts_with('/')))
        })
    };
    plan.files
        .iter()
        .filter(|file| named(&file.path))
        .map(|file| (file.path.as_str(), file.sha256.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use flowctl_workflows::WorkflowName;
    use flowctl_workflows::plan::{PlanFile, PlanNeed, Role};
    use flowctl_workflows::policy::Span;
    use serde_json::json;

    use super::*;

    fn step(id: &str, with: Value, needs: &[u32]) -> PlanStep {
        PlanStep {
            with,
            needs: needs
                .iter()
                .map(|step| PlanNeed {
                    step: *step,
                    is: vec![],
                })
                .collect(),
            ..PlanStep::new(StepId::new(id).unwrap(), Role::Kind("shell".to_owned()))
        }
    }

    fn plan(params: Value, files: &[(&str, &str)], steps: Vec<PlanStep>) -> Plan {
        Plan {
            workflow: WorkflowName::new("w").unwrap(),
            title: String::new(),
            directory: None,
            params: params.as_object().unwrap().clone(),
            target: None,
            objectives: vec![],
            criteria: vec![],
            locks: vec![],
            timeout: None,
            teardown_timeout: Span::from_secs(60),
            steps,
            files: files
                .iter()
                .map(|(path, sha256)| PlanFile {
                    path: (*path).to_owned(),
                    sha256: (*sha256).to_owned(),
                })
                .collect(),
        }
    }

    fn seen(former: &Plan, plan: &Plan) -> Vec<String> {
        differences(former, plan)
            .into_iter()
            .map(|(step, what)| format!("{step}: {}", what.join(" ")))
            .collect()
    }

    #[test]
    fn only_what_a_step_is_made_of_makes_it_differ() {
        let steps = || {
            vec![
                step("a", json!({"run": "echo {{ params.rows }}"}), &[]),
                step("b", json!({"run": "echo {{ params.rows_max }}"}), &[0]),
                step("c", json!({"file": "sql/c.sql"}), &[0]),
                step("d", json!({"folder": "manifests"}), &[]),
            ]
        };
        let files = [
            ("sql/c.sql", "1"),
            ("manifests/x.yaml", "2"),
            ("w.yaml", "3"),
        ];
        let params = json!({"rows": 1, "rows_max": 2});
        let former = plan(params.clone(), &files, steps());
        assert_eq!(seen(&former, &former.clone()), [""; 0]);

        let params = json!({"rows": 5, "rows_max": 2});
        let now = plan(
            params,
            &[
                ("sql/c.sql", "1"),
                ("manifests/x.yaml", "9"),
                ("w.yaml", "4"),
            ],
            steps(),
        );
        assert_eq!(
            seen(&former, &now),
            [
                "a: params.rows",
                "c: params.rows",
                "d: params.rows manifests/x.yaml"
            ],
            "`rows_max` is another parameter; a file's text may refer to any"
        );

        // The same need at another place is the same; another need is not. How often it is tried is no matter.
        let mut edited = steps();
        edited.insert(0, step("new", json!({}), &[]));
        for (place, needs) in [(2, vec![1]), (3, vec![0])] {
            edited[place] = step(
                edited[place].id.as_str(),
                edited[place].with.clone(),
                &needs,
            );
        }
        edited[1].timeout = Some(Span::from_secs(1));
        edited[4].when = Some("true".to_owned());
        let now = plan(json!({"rows": 1, "rows_max": 2}), &files, edited);
        assert_eq!(seen(&former, &now), ["c: needs", "d: when"]);
    }
}
