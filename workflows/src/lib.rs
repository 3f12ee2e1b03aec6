//! The language of flowctl: what an author asks for. It knows nothing of running.
//!
//! Owns the model of a workflow and a target, their parser with source positions, diagnostics,
//! expressions, templates and the JSON schema; and the words that every other crate shares
//! (outcome, verdict, failure, finding, plan). It never touches the network, a clock or the
//! environment, and reads only the files that it is given.

mod bind;
mod check;
pub mod code;
pub mod context;
pub mod diagnostic;
mod document;
pub mod expr;
pub mod find;
pub mod ids;
pub mod inject;
pub mod kinds;
mod load;
pub mod model;
pub mod place;
pub mod plan;
pub mod policy;
pub mod reference;
pub mod result;
pub mod schema;
pub mod source;
pub mod target;
pub mod template;
mod yaml;

pub use bind::bind_params;
pub use context::Context;
pub use diagnostic::Diagnostic;
pub use find::find;
pub use ids::{CriterionId, InvalidId, RunId, StepId, WorkflowName};
pub use kinds::KindCatalog;
pub use load::{Lookup, TargetFile, load, load_inject, load_target};
pub use model::Workflow;
