//! The step kinds of this program as the language wants to see them.

use std::sync::Arc;

use flowctl_steps::Registry;
use flowctl_workflows::KindCatalog;
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

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.0
            .get(kind)
            .map(|entry| Arc::new((entry.output_schema)()))
    }
}
