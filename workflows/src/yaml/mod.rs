//! YAML into a tree that knows where each value stands. Knows nothing of workflows.

mod node;
mod read;
mod scalar;

pub(crate) use node::{Content, Node, Spot};
pub(crate) use read::{Budget, read};
