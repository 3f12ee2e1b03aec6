//! Uses of step kinds inside the parameters of another kind, and what a kind's undo is by default.

use std::sync::Arc;

use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::source::Memory;
use flowctl_workflows::{Diagnostic, KindCatalog, Workflow, load};
use serde_json::{Value, json};

use crate::support::{HEAD, Kinds, summary};

/// The kinds of the other tests, and one that runs others.
struct WithCompare;

impl KindCatalog for WithCompare {
    fn names(&self) -> Vec<&str> {
        Kinds.names()
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        if kind != "compare" {
            return Kinds.params_schema(kind);
        }
        Some(Arc::new(json!({
            "type": "object",
            "properties": {
                "sample": {"$ref": "#/$defs/Use", "format": "flowctl-step-part"},
                "change": {"anyOf": [{"$ref": "#/$defs/Use"}, {"type": "null"}]},
                "settle": {"type": "array", "items": {"$ref": "#/$defs/Use"}},
                "equal": {"type": "string", "format": "flowctl-expression", "flowctl-output-of": ["/sample/uses"]},
                "expect": {
                    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                    "format": "flowctl-expression", "flowctl-output-of": ["/change/uses", "/sample/uses"],
                    "flowctl-other-names": ["before"],
                },
            },
            "$defs": {"Use": {
                "type": "object", "format": "flowctl-step", "required": ["uses"], "additionalProperties": false,
                "properties": {"uses": {"type": "string"}, "with": true},
            }},
            "additionalProperties": false,
        })))
    }

    fn measures(&self, _: &str) -> bool {
        true
    }

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        Kinds.output_schema(kind)
    }

    fn undone(&self, kind: &str) -> UndoWhen {
        match kind {
            "compare" => UndoWhen::Always,
            _ => UndoWhen::Never,
        }
    }
}

fn load_with(steps: &str) -> Result<Workflow, Vec<Diagnostic>> {
    let part = format!("steps:\n{steps}");
    let main = format!("{HEAD}include: [sub/p.yaml]\nsteps: []\n");
    let files = [
        ("w.yaml", main.as_bytes()),
        ("sub/p.yaml", part.as_bytes()),
        ("sub/q.sql", b"SELECT 1"),
    ];
    load(&Memory::new("", files), "w.yaml", &WithCompare)
}

#[test]
fn files_of_inner_steps_belong_to_the_workflow() {
    let workflow = load_with(
        "  - {id: a, uses: compare, with: {sample: {uses: query, with: {file: q.sql}}, settle: [{uses: query, with: {file: q.sql}}]}}\n",
    )
    .unwrap();
    let with = &workflow.steps[0].with;
    assert_eq!(with["sample"]["with"]["file"], "sub/q.sql");
    assert_eq!(with["settle"][0]["with"]["file"], "sub/q.sql");
    assert!(workflow.file("sub/q.sql").is_some());
}

#[test]
fn mistakes_in_inner_steps_are_shown_at_their_place() {
    let steps = "  - id: a\n    uses: compare\n    with:\n      sample:\n        uses: query\n        with:\n          sqll: x\n      change:\n        uses: nothing_such\n      settle:\n        - uses: check\n        - {uses: query, with: {file: no.sql}}\n";
    let found = summary(&load_with(steps).unwrap_err());
    let codes: Vec<(&str, usize)> = found
        .iter()
        .map(|(code, line)| (code.as_str(), *line))
        .collect();
    for expected in [
        ("unknown_kind_parameter", 8),
        ("unknown_kind", 10),
        ("missing_kind_parameter", 12),
        ("missing_file", 13),
    ] {
        assert!(codes.contains(&expected), "{expected:?} not in {codes:?}");
    }
    assert_eq!(codes.len(), 4, "{codes:?}");
}

#[test]
fn expressions_over_the_output_of_an_inner_step_are_checked() {
    let step = |rest: &str| {
        format!(
            "  - {{id: a, uses: compare, with: {{sample: {{uses: query, with: {{sql: x}}}}, {rest}}}}}\n"
        )
    };
    for good in [
        "equal: 'rows[0]'",
        "equal: output.columns",
        "equal: '{{ params.not_known_here }}'",
        "expect: [before.rows == rows, 'size(columns) > 1']",
        "change: {uses: check, with: {url: x}}, expect: what_it_gives == 1",
    ] {
        let step = step(good).replace("params.not_known_here", "run.id");
        let loaded = load_with(&step);
        assert!(
            loaded.is_ok(),
            "{good}: {:?}",
            summary(&loaded.unwrap_err())
        );
    }
    for (bad, code) in [
        ("equal: 'rows[0'", "bad_expression"),
        ("equal: rowz", "unknown_name"),
        ("equal: output.rowz", "unknown_name"),
        ("equal: before.rows", "unknown_name"),
        ("equal: run.id", "unknown_name"),
        ("expect: 'rows ==='", "bad_expression"),
        ("expect: [before == rows, rowz]", "unknown_name"),
    ] {
        let found = summary(&load_with(&step(bad)).unwrap_err());
        assert_eq!(found, [(code.to_owned(), 2)], "{bad}");
    }
}

#[test]
fn what_a_part_lacks_stands_elsewhere() {
    assert!(load_with("  - {id: a, uses: compare, with: {sample: {uses: check}}}\n").is_ok());
    assert!(load_with("  - {id: a, uses: compare, with: {change: {uses: check}}}\n").is_err());
}

#[test]
fn a_kind_may_be_undone_without_being_asked_to() {
    let steps = "  - {id: a, uses: compare}\n  - {id: b, uses: compare, undo: {on: never}}\n  - {id: c, uses: noop}\n";
    let workflow = load_with(steps).unwrap();
    let on = |at: usize| workflow.steps[at].undo.as_ref().map(|undo| undo.on);
    assert_eq!(
        [on(0), on(1), on(2)],
        [Some(UndoWhen::Always), Some(UndoWhen::Never), None]
    );
}
