//! What the language must know of step kinds. The kinds themselves are another crate's.

use std::sync::Arc;

use serde_json::Value;

use crate::policy::UndoWhen;

/// `"format"` of a string in a kind's schema that is the path of a file of the workflow.
pub const FILE_FORMAT: &str = "flowctl-file";
/// `"format"` of a string in a kind's schema that is the path of a folder of the workflow, taken whole.
pub const FOLDER_FORMAT: &str = "flowctl-folder";

/// `"format"` of an object in a kind's schema that is itself a use of a step kind: `uses:` and `with:`.
pub const STEP_FORMAT: &str = "flowctl-step";
/// The same where some of the parameters stand elsewhere.
pub const STEP_PART_FORMAT: &str = "flowctl-step-part";

/// `"format"` of a string, or of a list of them, in a kind's schema that is a CEL expression over the output of a step of
/// its own. [`OUTPUT_OF`] says of which kind, [`OTHER_NAMES`] what else it sees.
pub const EXPRESSION_FORMAT: &str = "flowctl-expression";
/// Beside [`EXPRESSION_FORMAT`]: where in the parameters the kind is named, as JSON pointers; the first that is there counts.
pub const OUTPUT_OF: &str = "flowctl-output-of";
/// Beside [`EXPRESSION_FORMAT`]: the names that are there besides the output and its fields.
pub const OTHER_NAMES: &str = "flowctl-other-names";

/// The step kinds that a workflow may use, asked by more than one thread.
pub trait KindCatalog: Sync {
    /// The names of all kinds.
    fn names(&self) -> Vec<&str>;

    /// The JSON schema of a kind's `with:`, `None` when there is no such kind.
    fn params_schema(&self, kind: &str) -> Option<Arc<Value>>;

    /// Whether the kind reports findings by itself, so that `proves:` needs no `expect:`.
    fn measures(&self, kind: &str) -> bool;

    /// When a step of this kind is undone if it does not say so itself.
    fn undone(&self, kind: &str) -> UndoWhen {
        let _ = kind;
        UndoWhen::Never
    }

    /// The JSON schema of a kind's output, `None` when it is not known.
    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        let _ = kind;
        None
    }
}
