use std::sync::Arc;

use flowctl_workflows::kinds::KindCatalog;
use flowctl_workflows::plan::{Plan, Role};
use flowctl_workflows::result::Outcome;
use flowctl_workflows::source::Memory;
use flowctl_workflows::{bind_params, load};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Dag, compile, render};

/// One kind that takes anything.
struct Anything;

impl KindCatalog for Anything {
    fn names(&self) -> Vec<&str> {
        vec!["noop", "approval"]
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.names()
            .contains(&kind)
            .then(|| Arc::new(json!({"type": "object"})))
    }

    fn measures(&self, _: &str) -> bool {
        true
    }
}

fn plan(text: &str) -> Result<Plan, String> {
    let text = format!("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {{name: w}}\n{text}");
    let source = Memory::new("", [("w.yaml", text)]);
    let show = |problems: Vec<flowctl_workflows::Diagnostic>| {
        problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let workflow = load(&source, "w.yaml", &Anything).map_err(show)?;
    let params = bind_params(&workflow, &IndexMap::new(), &[]).map_err(show)?;
    compile(&workflow, params, None).map_err(show)
}

#[test]
fn steps_stand_after_what_they_need_and_else_in_the_order_of_the_file() {
    let plan = plan(
        "steps:
  - {id: c, uses: noop, needs: [a, b]}
  - {id: b, uses: noop}
  - {id: a, uses: noop}
  - {id: d, uses: noop, needs: [{step: c, is: [failed, skipped]}]}
finally:
  - {id: cleanup, uses: noop}
",
    )
    .unwrap();
    assert_eq!(
        render::text(&plan),
        "b (noop)\na (noop)\nc (noop) ← a, b\nd (noop) ← c (failed or skipped)\nfinally:\ncleanup (noop)\n"
    );
    let dag = Dag::new(Arc::new(plan));
    assert_eq!(dag.dependents(0), [2]);
    assert!(dag.satisfied(&dag.step(3).needs[0], Outcome::Skipped));
    assert!(!dag.satisfied(&dag.step(3).needs[0], Outcome::Succeeded));
}

#[test]
fn a_foreach_becomes_one_step_an_item_and_a_fan_in() {
    let plan = plan(
        "params: {tables: {type: list, default: [orders, lines]}}
steps:
  - {id: first, uses: noop}
  - id: seed
    uses: noop
    needs: [first]
    foreach: {items: params.tables, as: table, max_parallel: 1}
  - {id: after, uses: noop, needs: [seed]}
",
    )
    .unwrap();
    assert_eq!(
        render::text(&plan),
        "first (noop)\nseed[orders] (noop) ← first\nseed[lines] (noop) ← first\n\
         seed (foreach) ← seed[orders], seed[lines]\nafter (noop) ← seed\n"
    );
    assert_eq!(
        plan.steps[1].item,
        Some(Box::new(("table".to_owned(), json!("orders"))))
    );
    assert_eq!(plan.steps[2].locks, [("foreach:seed".to_owned(), 1)]);
    assert_eq!(plan.locks, [("foreach:seed".to_owned(), 1)]);
}

#[test]
fn items_of_one_key_are_refused() {
    let error = plan("steps:\n  - {id: seed, uses: noop, foreach: {items: [x, x]}}\n").unwrap_err();
    assert!(
        error.contains("items 0 and 1 have the same key `x`"),
        "{error}"
    );
}

#[test]
fn a_step_with_an_approval_waits_behind_a_person() {
    let plan = plan(
        "steps:
  - {id: a, uses: noop}
  - {id: deploy, uses: noop, needs: [a], approval: {message: \"go on?\"}}
",
    )
    .unwrap();
    assert_eq!(
        render::text(&plan),
        "a (noop)\ndeploy.approval (approval) ← a\ndeploy (noop) ← deploy.approval\n"
    );
    assert_eq!(
        plan.steps[1].role,
        Role::Approval {
            message: "go on?".to_owned()
        }
    );
}

#[test]
fn criteria_named_by_parts_are_known_before_the_run() {
    let plan = plan(
        "criteria:
  - {id: fast, text: Fast}
  - {id: right, text: Right}
steps:
  - {id: bench, uses: noop, proves: [right], with: {queries: [{name: q, proves: fast}]}}
",
    )
    .unwrap();
    let names = |ids: &[flowctl_workflows::CriterionId]| {
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&plan.steps[0].proves), ["right"]);
    assert_eq!(names(&plan.steps[0].part_proves), ["fast"]);
}

#[test]
fn graphviz_and_mermaid_escape_what_they_must() {
    let plan = plan("steps:\n  - {id: a, uses: noop}\n  - {id: b, uses: noop, needs: [{step: a, is: [failed]}]}\n").unwrap();
    assert_eq!(
        render::dot(&plan),
        "digraph \"w\" {\n  rankdir=LR;\n  node [shape=box];\n  \"a\" [label=\"a\\nnoop\"];\n  \"b\" [label=\"b\\nnoop\"];\n  \"a\" -> \"b\" [label=\"(failed)\"];\n}\n"
    );
    assert_eq!(
        render::mermaid(&plan),
        "flowchart LR\n  n0[\"a<br/>noop\"]\n  n1[\"b<br/>noop\"]\n  n0 -->|(failed)| n1\n"
    );
}
