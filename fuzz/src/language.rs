//! A workflow, and a target: YAML from a file that somebody wrote.

use std::sync::{Arc, OnceLock};

use flowctl_steps::Registry;
use flowctl_workflows::source::Memory;
use flowctl_workflows::{KindCatalog, Lookup, diagnostic, load, load_target};
use serde_json::Value;

/// The step kinds with their schemas made once: they are the same for every input.
struct Kinds {
    registry: Registry,
    schemas: Vec<(&'static str, Arc<Value>, Arc<Value>)>,
}

impl Kinds {
    fn get() -> &'static Self {
        static KINDS: OnceLock<Kinds> = OnceLock::new();
        KINDS.get_or_init(|| {
            let registry = Registry::standard();
            let schemas = registry.iter().map(|entry| {
                let (params, output) = ((entry.params_schema)(), (entry.output_schema)());
                (entry.info.name, Arc::new(params), Arc::new(output))
            });
            Kinds {
                schemas: schemas.collect(),
                registry,
            }
        })
    }

    fn schemas(&self, kind: &str) -> Option<&(&'static str, Arc<Value>, Arc<Value>)> {
        self.schemas.iter().find(|(name, ..)| *name == kind)
    }
}

impl KindCatalog for &Kinds {
    fn names(&self) -> Vec<&str> {
        self.schemas.iter().map(|(name, ..)| *name).collect()
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.schemas(kind).map(|(_, params, _)| Arc::clone(params))
    }

    fn measures(&self, kind: &str) -> bool {
        self.registry
            .get(kind)
            .is_some_and(|entry| entry.info.measures)
    }

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.schemas(kind).map(|(.., output)| Arc::clone(output))
    }
}

/// Reads a workflow with its checks and builds its steps, then reads the same bytes as a target.
pub fn read(bytes: &[u8]) {
    // A workflow may name itself as a file to include, or one that holds something else.
    let files = [
        ("w.yaml", bytes),
        ("other.yaml", b"steps: []\n"),
        ("q.sql", b"SELECT {{ params.a }}\n"),
    ];
    let source = Memory::new("", files);
    match load(&source, "w.yaml", &Kinds::get()) {
        Ok(workflow) => {
            for step in &workflow.steps {
                if let Some(entry) = Kinds::get().registry.get(&step.uses) {
                    // A refusal is an answer.
                    let _ = entry.build(&step.with);
                }
            }
        }
        Err(problems) => drop(diagnostic::render(&problems, false, 80)),
    }
    let lookup = Lookup {
        lab: Some("/lab".to_owned()),
        home: Some("/home/me".to_owned()),
        env: &|name| (name == "SET").then(|| "value".to_owned()),
    };
    if let Err(problems) = load_target(&source, "w.yaml", &lookup) {
        drop(diagnostic::render(&problems, false, 80));
    }
}
