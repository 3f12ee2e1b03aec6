//! An expression in CEL, out of a workflow.

use flowctl_workflows::Context;
use flowctl_workflows::expr::Expression;
use serde_json::json;

/// What expressions and templates see here: each type that JSON has.
pub(crate) fn context() -> Context {
    Context::default()
        .with("params", json!({"a": 1, "b": [1, "x", null, true], "c": {"d": 2.5}, "text": "2026-11-23T10:00:00Z"}))
        .with("run", json!({"id": "r-1"}))
        .with("item", json!({"name": "x", "list": [1, 2, 3]}))
        .with_step("s", json!({"rows": [[1, "two"], [3, null]], "big": 9_223_372_036_854_775_807_i64}))
        .with_output(json!({"rows": [], "count": 0}))
}

/// Compiles and evaluates.
pub fn read(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Expression::compile(text) {
        Ok(expression) => {
            for reference in expression.references() {
                assert!(
                    text.get(reference.offset..reference.offset + reference.length)
                        .is_some()
                );
            }
            let context = context();
            drop((
                expression.evaluate(&context),
                expression.evaluate_bool(&context),
                expression.evaluate_list(&context),
            ));
        }
        Err(error) => assert!(text.is_char_boundary(error.offset) && !error.message.is_empty()),
    }
}
