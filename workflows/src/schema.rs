//! The JSON schemas of the files that authors write. Generated from the types, so they cannot say anything else
//! than what is read.

use std::sync::OnceLock;

use serde_json::Value;

use crate::document::{PartDocument, WorkflowDocument};
use crate::inject::Inject;
use crate::target::Target;

/// The schema of a workflow.
#[must_use]
pub fn workflow() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(WorkflowDocument).to_value())
}

/// The schema of a file that a workflow includes.
#[must_use]
pub fn part() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(PartDocument).to_value())
}

/// The schema of a target.
#[must_use]
pub fn target() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Target).to_value())
}

/// The schema of a file of faults for a rehearsal.
#[must_use]
pub fn inject() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Inject).to_value())
}
