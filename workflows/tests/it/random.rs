//! Whatever the input is, the answer is a value or diagnostics, never a panic.

use flowctl_workflows::expr::Expression;
use flowctl_workflows::template::{Template, render};
use flowctl_workflows::{Context, diagnostic};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{HEAD, Kinds, load_files, rendered};

fn context() -> Context {
    Context::default()
        .with(
            "params",
            json!({"a": 1, "b": [1, "x", null], "c": {"d": 2.5}}),
        )
        .with_step("s", json!({"rows": [[1]]}))
        .with_output(json!({"rows": []}))
}

/// Bits of the languages, so that more than the first character of most inputs is looked at.
fn soup(bits: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(bits), 0..25).prop_map(|bits| bits.concat())
}

const YAML: &[&str] = &[
    "steps",
    "id",
    "uses",
    "noop",
    "with",
    "needs",
    "foreach",
    "items",
    "a",
    "b",
    ":",
    ": ",
    "\n",
    "\n  ",
    "\n- ",
    "\n  - ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "#",
    "!x ",
    "? ",
    "<<",
    "~",
    "1",
    "-",
    "\t",
    "é",
    "\u{feff}",
    "---\n",
    "{{ params.a }}",
    "params.a == 1",
];
const CEL: &[&str] = &[
    "params",
    ".a",
    ".b",
    "[0]",
    "['d']",
    "steps.s.output.rows",
    "rows",
    "size(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    " == ",
    " && ",
    " + ",
    "!",
    "-",
    "1",
    "2.5",
    "'x'",
    "\"",
    "has(",
    ".all(x, ",
    ".map(x, ",
    "? ",
    ": ",
    ",",
    "é",
    "matches(",
    "in ",
    "null",
    "true",
    "b'\\xff'",
    "0u",
    "9223372036854775807",
    " % 0",
    " / 0",
    "timestamp(",
    "duration('1s')",
    "\n",
];
const TEMPLATE: &[&str] = &[
    "{{",
    "}}",
    "{{{",
    "}}}",
    "{{{{raw}}}}",
    "{{{{/raw}}}}",
    "{{#if ",
    "{{/if}}",
    "{{#each ",
    "{{/each}}",
    "{{else}}",
    "params",
    ".a",
    ".b.[0]",
    ".[7]",
    " ",
    "this",
    "@index",
    "../",
    "@root",
    "(",
    ")",
    "len ",
    "eq ",
    "lookup ",
    "'x'",
    "1",
    "\\",
    "\n",
    "é",
    "x",
    "as |y|",
    "~",
    "!-- ",
    "--",
    ">",
    "&",
    "*",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_workflow_or_has_diagnostics(text in prop_oneof![any::<String>(), soup(YAML)]) {
        for text in [text.clone(), format!("{HEAD}{text}"), format!("{HEAD}steps:\n  - id: a\n    uses: shell\n    {text}\n")] {
            if let Err(problems) = load_files(&[("w.yaml", &text), ("a", "{{ x }}")]) {
                prop_assert!(!problems.is_empty());
                prop_assert!(!rendered(&problems).is_empty());
                prop_assert!(serde_json::to_string(&problems).is_ok());
            }
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = flowctl_workflows::source::Memory::new("", [("w.yaml", bytes)]);
        let problems = flowctl_workflows::load(&files, "w.yaml", &Kinds).unwrap_err();
        prop_assert!(!diagnostic::render(&problems, true, 80).is_empty());
    }

    #[test]
    fn any_expression_has_a_value_or_an_error(text in prop_oneof![any::<String>(), soup(CEL)]) {
        match Expression::compile(&text) {
            Ok(expression) => {
                for reference in expression.references() {
                    prop_assert!(text.get(reference.offset..reference.offset + reference.length).is_some());
                }
                let _ = expression.evaluate(&context());
                let _ = expression.evaluate_bool(&context());
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.offset) && !error.message.is_empty()),
        }
    }

    #[test]
    fn any_template_renders_or_has_an_error(text in prop_oneof![any::<String>(), soup(TEMPLATE)]) {
        match Template::compile(&text) {
            Ok(template) => {
                for reference in template.references() {
                    prop_assert!(text.get(reference.offset..reference.offset + reference.length).is_some());
                }
                let _ = template.render(&context());
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.offset) && !error.message.is_empty()),
        }
        let _ = render(&json!([text]), &context());
    }
}
