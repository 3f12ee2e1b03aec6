//! A template in Handlebars, out of a workflow or a file of SQL.

use flowctl_workflows::template::{Template, render};
use serde_json::json;

use crate::expression::context;

/// Compiles and renders.
pub fn read(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let context = context();
    match Template::compile(text) {
        Ok(template) => {
            for reference in template.references() {
                assert!(
                    text.get(reference.offset..reference.offset + reference.length)
                        .is_some()
                );
            }
            drop((template.render(&context), template.render_text(&context)));
        }
        Err(error) => assert!(text.is_char_boundary(error.offset) && !error.message.is_empty()),
    }
    drop(render(&json!({"a": [text]}), &context));
}
