//! What the language must know of step kinds. The kinds themselves are another crate's.

use std::sync::Arc;

use serde_json::Value;

/// `"format"` of a string in a kind's schema that is the path of a file of the workflow.
pub const FILE_FORMAT: &str = "flowctl-file";
/// `"format"` of a string in a kind's schema that is the path of a folder of the workflow, taken whole.
pub const FOLDER_FORMAT: &str = "flowctl-folder";

/// The step kinds that a workflow may use.
pub trait KindCatalog {
    /// The names of all kinds.
    fn names(&self) -> Vec<&str>;

    /// The JSON schema of a kind's `with:`, `None` when there is no such kind.
    fn params_schema(&self, kind: &str) -> Option<Arc<Value>>;

    /// Whether the kind reports findings by itself, so that `proves:` needs no `expect:`.
    fn measures(&self, kind: &str) -> bool;

    /// The JSON schema of a kind's output, `None` when it is not known.
    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        let _ = kind;
        None
    }
}
