//! A document that consists of one file: read, and held against its schema.

use std::sync::Arc;

use serde_json::Value;

use super::files::Files;
use super::shape::{Shape, Subject};
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::place::SourceText;
use crate::source::Source;
use crate::yaml::{self, Budget, Node};

/// What was read, whether or not it fits.
pub(super) struct Alone {
    pub(super) text: Arc<SourceText>,
    pub(super) node: Arc<Node>,
    pub(super) value: Value,
}

/// Reads it. `None` when it is no document at all.
pub(super) fn read(
    source: &dyn Source,
    path: &str,
    schema: &Value,
    problems: &mut Vec<Diagnostic>,
) -> Option<Alone> {
    let mut files = Files::new(source);
    let text = match files.read(path, None) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    };
    let (node, found) = yaml::read(&text, Budget::default());
    problems.extend(found);
    let node = node?;
    let value = node.to_json();
    match Shape::document(Arc::new(schema.clone())) {
        Ok(shape) => {
            let flaws = shape.check(Subject {
                value: &value,
                node: &node,
                source: &text,
            });
            problems.extend(flaws.into_iter().map(|flaw| flaw.diagnostic));
        }
        Err(reason) => problems.push(Diagnostic::new(
            code::BAD_VALUE,
            format!("the schema cannot be used: {reason}"),
        )),
    }
    Some(Alone { text, node, value })
}
