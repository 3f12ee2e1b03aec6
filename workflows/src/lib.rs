//! The language of flowctl: what an author asks for. It knows nothing of running.
//!
//! Owns the model of a workflow and a target, their parser with source positions, diagnostics,
//! expressions, templates and the JSON schema; and the words that every other crate shares
//! (outcome, verdict, failure, finding, plan). It never touches the network, a clock or the
//! environment, and reads only the files that it is given.

pub mod code;
pub mod context;
pub mod diagnostic;
pub mod expr;
pub mod ids;
pub mod model;
pub mod place;
pub mod plan;
pub mod policy;
pub mod reference;
pub mod result;
pub mod source;
pub mod target;
pub mod template;
mod yaml;

pub use context::Context;
pub use diagnostic::Diagnostic;
pub use ids::{CriterionId, InvalidId, RunId, StepId, WorkflowName};
pub use model::Workflow;
