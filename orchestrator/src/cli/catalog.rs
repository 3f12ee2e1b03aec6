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
        self.0.params_schema(kind)
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

    /// The steps as a workflow, checked, and its first step built.
    fn built(steps: &str, criteria: &str) -> flowctl_workflows::Workflow {
        let text = format!(
            "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {{name: w}}\ncriteria:\n{criteria}\nsteps:\n{steps}"
        );
        let files = [
            ("w.yaml", text.as_bytes()),
            ("sql/filtered.sql", b"SELECT 1"),
        ];
        let source = flowctl_workflows::source::Memory::new("", files);
        let workflow = flowctl_workflows::load(&source, "w.yaml", &Catalog(registry()));
        let workflow = workflow.unwrap_or_else(|problems| panic!("{problems:?}"));
        let step = &workflow.steps[0];
        let entry = registry();
        let entry = entry.get(&step.uses).unwrap();
        entry.build(&step.with).map(drop).unwrap();
        workflow
    }

    #[test]
    fn the_example_of_the_experiment_can_be_built() {
        let kinds = registry();
        let entry = kinds.get("experiment").unwrap();
        let workflow = built(entry.info.example, "  - {id: bytes_halved, text: t}");
        // It is undone without being asked to.
        assert!(workflow.steps[0].undo.is_some());
        assert_eq!(
            (entry.params_schema)()["additionalProperties"],
            json!(false)
        );
        let unknown = entry.build(&json!({"no_such": Value::Null})).map(drop);
        assert!(unknown.is_err_and(|error| error.reason.contains("no_such")));
    }

    #[test]
    fn the_experiment_of_the_guide_can_be_built() {
        let guide = include_str!("../../../workflows/README.md");
        let (_, after) = guide.split_once("## Experiments").unwrap();
        let (_, block) = after.split_once("```yaml\n").unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let workflow = built(
            block,
            "  - {id: s3_speedup, text: t}\n  - {id: s3_bytes, text: t}",
        );
        assert!(workflow.file("sql/filtered.sql").is_some());
    }
}
