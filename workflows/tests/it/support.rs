//! A small catalog of step kinds, and ways to load texts.

use std::sync::Arc;

use flowctl_workflows::source::Memory;
use flowctl_workflows::{Diagnostic, KindCatalog, Workflow, diagnostic, load};
use serde_json::{Value, json};

/// Kinds that have one of everything that a kind's parameters may be.
pub(crate) struct Kinds;

impl KindCatalog for Kinds {
    fn names(&self) -> Vec<&str> {
        vec!["noop", "shell", "query", "apply", "check"]
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        let text = json!({"anyOf": [
            {"type": "string"},
            {"type": "object", "properties": {"secret": {"type": "string"}}, "required": ["secret"], "additionalProperties": false}
        ]});
        let schema = match kind {
            "noop" => json!({"type": "object", "additionalProperties": false}),
            "shell" => json!({
                "type": "object",
                "properties": {
                    "run": {"type": "string"},
                    "argv": {"type": "array", "items": text},
                    "env": {"type": "object", "additionalProperties": text}
                },
                "additionalProperties": false
            }),
            "query" => json!({
                "type": "object",
                "properties": {
                    "sql": {"type": "string", "description": "The statement."},
                    "file": {"type": ["string", "null"], "format": "flowctl-file"},
                    "rows": {"$ref": "#/$defs/Rows"},
                    "timeout": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"},
                    "mode": {"oneOf": [{"const": "fast"}, {"const": "safe", "description": "slower"}]},
                    "count": {"type": "integer"},
                    "queries": {"type": "array", "items": {"type": "object", "properties": {
                        "name": {"type": "string"}, "file": {"type": "string", "format": "flowctl-file"},
                        "proves": {"type": "string"}
                    }, "required": ["name"], "additionalProperties": false}}
                },
                "$defs": {"Rows": {"type": "object", "properties": {"min": {"type": "integer"}}, "required": ["min"], "additionalProperties": false}},
                "additionalProperties": false
            }),
            "apply" => json!({
                "type": "object",
                "properties": {"folder": {"type": "string", "format": "flowctl-folder"}},
                "required": ["folder"],
                "additionalProperties": false
            }),
            "check" => {
                json!({"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": false})
            }
            _ => return None,
        };
        Some(Arc::new(schema))
    }

    fn measures(&self, kind: &str) -> bool {
        kind == "check"
    }

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        (kind == "query").then(|| Arc::new(json!({"type": "object", "properties": {"rows": {"type": "array"}, "columns": {"type": "array"}}})))
    }
}

/// Loads `w.yaml` among files.
pub(crate) fn load_files(files: &[(&str, &str)]) -> Result<Workflow, Vec<Diagnostic>> {
    let files = files.iter().map(|(path, text)| (*path, text.as_bytes()));
    load(&Memory::new("", files), "w.yaml", &Kinds)
}

/// Loads a workflow of which only the part after `metadata:` is given.
pub(crate) fn load_body(body: &str) -> Result<Workflow, Vec<Diagnostic>> {
    load_files(&[("w.yaml", &format!("{HEAD}{body}"))])
}

/// The first three lines of every test workflow.
pub(crate) const HEAD: &str = "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: w}\n";

/// The diagnostics as people see them.
pub(crate) fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostic::render(diagnostics, false, 110)
}

/// Code and line of each.
pub(crate) fn summary(diagnostics: &[Diagnostic]) -> Vec<(String, usize)> {
    let line = |d: &Diagnostic| d.place().map_or(0, flowctl_workflows::place::Place::line);
    diagnostics
        .iter()
        .map(|d| {
            (
                d.code.trim_start_matches("flowctl::lang::").to_owned(),
                line(d),
            )
        })
        .collect()
}
