//! What a kind's schema says of the values in its parameters: which are paths, uses of step kinds, expressions.

use serde_json::Value;

use crate::kinds::{FILE_FORMAT, FOLDER_FORMAT, STEP_FORMAT, STEP_PART_FORMAT};

/// What stands at a place of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    File,
    Folder,
    Step,
    StepPart,
}

/// The strings in `value` that the schema calls paths, and the objects that it calls uses of step kinds.
pub(super) fn find_paths(schema: &Value, value: &Value) -> Vec<(Vec<String>, Format)> {
    let mut found: Vec<(Vec<String>, Format)> = Vec::new();
    visit(schema, value, &mut |schema, value, path| {
        let format = match (value, schema.get("format").and_then(Value::as_str)) {
            (Value::String(_), Some(FILE_FORMAT)) => Format::File,
            (Value::String(_), Some(FOLDER_FORMAT)) => Format::Folder,
            (Value::Object(_), Some(STEP_FORMAT)) => Format::Step,
            (Value::Object(_), Some(STEP_PART_FORMAT)) => Format::StepPart,
            _ => return,
        };
        match found.iter_mut().find(|(known, _)| known == path) {
            // The place says more than what it refers to.
            Some((_, known)) if format == Format::StepPart => *known = format,
            Some(_) => {}
            None => found.push((path.to_vec(), format)),
        }
    });
    found
}

/// Shows every value in `value` with each schema that speaks of it and with the keys that lead to it.
pub(super) fn visit(
    schema: &Value,
    value: &Value,
    seen: &mut dyn FnMut(&Value, &Value, &[String]),
) {
    visit_below(schema, schema, value, &mut Vec::new(), seen);
}

fn visit_below(
    root: &Value,
    schema: &Value,
    value: &Value,
    path: &mut Vec<String>,
    seen: &mut dyn FnMut(&Value, &Value, &[String]),
) {
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(|target| root.pointer(target.trim_start_matches('#')));
    let branches = ["anyOf", "oneOf", "allOf"].into_iter();
    let branches = branches.filter_map(|keyword| schema.get(keyword)?.as_array());
    for other in target.into_iter().chain(branches.flatten()) {
        visit_below(root, other, value, path, seen);
    }
    seen(schema, value, path);
    match value {
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                visit_below(root, schema, item, path, seen);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let schema = schema
                    .get("properties")
                    .and_then(|properties| properties.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                let Some(schema) = schema else { continue };
                path.push(key.clone());
                visit_below(root, schema, field, path, seen);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
