//! The step kinds of this program as the language wants to see them.

use std::sync::Arc;

use flowctl_steps::Registry;
use flowctl_workflows::KindCatalog;
use flowctl_workflows::policy::UndoWhen;
use serde_json::Value;

/// The registry, as a catalog.
pub(super) struct Catalog(pub(super) Registry);

impl KindCatalog for Catalog {
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|entry| entry.info.name).collect()
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.0
            .get(kind)
            .map(|entry| Arc::new((entry.params_schema)()))
    }

    fn measures(&self, kind: &str) -> bool {
        self.0.get(kind).is_some_and(|entry| entry.info.measures)
    }

    fn undone(&self, kind: &str) -> UndoWhen {
        self.0
            .get(kind)
            .map_or(UndoWhen::Never, |entry| entry.undone)
    }

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.0
            .get(kind)
            .map(|entry| Arc::new((entry.output_schema)()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::registry;

    #[test]
    fn the_example_of_the_experiment_can_be_built() {
        let kinds = registry();
        let entry = kinds.get("experiment").unwrap();
        let example = format!(
            "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {{name: w}}\ncriteria: [{{id: bytes_halved, text: t}}]\nsteps:\n{}",
            entry.info.example
        );
        let catalog = Catalog(registry());
        let source = flowctl_workflows::source::Memory::new("", [("w.yaml", example.as_bytes())]);
        let workflow = flowctl_workflows::load(&source, "w.yaml", &catalog).unwrap();
        entry.build(&workflow.steps[0].with).map(drop).unwrap();
        // It is undone without being asked to.
        assert!(workflow.steps[0].undo.is_some());
        assert_eq!(
            (entry.params_schema)()["additionalProperties"],
            json!(false)
        );
        let unknown = entry.build(&json!({"no_such": Value::Null})).map(drop);
        assert!(unknown.is_err_and(|error| error.reason.contains("no_such")));
    }
}
