//! A template that is one name keeps its value's type: right for a count, wrong where a kind wants text, as
//! in `argv: [sleep, "{{ params.seconds }}"]`. Here numbers and truth values become text where the kind's
//! schema takes nothing else. Pure.

use serde_json::Value;

/// Turns scalars into text where `schema` wants text.
pub(crate) fn fit(schema: &Value, value: &mut Value) {
    fit_at(schema, schema, value);
}

fn fit_at(root: &Value, schema: &Value, value: &mut Value) {
    let schema = resolve(root, schema);
    match value {
        Value::Number(_) | Value::Bool(_) => {
            if takes(root, schema, "string")
                && !["integer", "number", "boolean"]
                    .iter()
                    .any(|ty| takes(root, schema, ty))
            {
                *value = Value::String(value.to_string());
            }
        }
        Value::Array(items) => {
            for alternative in alternatives(root, schema) {
                if let Some(schema) = alternative.get("items") {
                    items.iter_mut().for_each(|item| fit_at(root, schema, item));
                }
            }
        }
        Value::Object(fields) => {
            for alternative in alternatives(root, schema) {
                for (name, field) in fields.iter_mut() {
                    let own = alternative
                        .get("properties")
                        .and_then(|properties| properties.get(name));
                    let other = alternative
                        .get("additionalProperties")
                        .filter(|schema| schema.is_object());
                    if let Some(schema) = own.or(other) {
                        fit_at(root, schema, field);
                    }
                }
            }
        }
        Value::Null | Value::String(_) => {}
    }
}

/// The schema behind a `$ref`.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| root.pointer(path.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// The schema itself and the members of its `anyOf` and `oneOf`.
fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let members = ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|name| schema.get(name)?.as_array())
        .flatten();
    std::iter::once(schema)
        .chain(members.map(|member| resolve(root, member)))
        .collect()
}

fn takes(root: &Value, schema: &Value, ty: &str) -> bool {
    alternatives(root, schema)
        .into_iter()
        .any(|schema| match schema.get("type") {
            Some(Value::String(only)) => only == ty,
            Some(Value::Array(several)) => several.iter().any(|one| one == ty),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_become_text_only_where_nothing_else_is_taken() {
        let schema = json!({
            "properties": {
                "argv": {"type": ["array", "null"], "items": {"type": "string"}},
                "env": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Text"}},
                "runs": {"type": "integer"},
                "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            },
            "$defs": {
                "Text": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"secret": {"type": "string"}}}]},
                "Part": {"type": "object", "properties": {"sql": {"type": ["string", "null"]}, "n": {"type": "number"}}},
            },
        });
        let mut value = json!({
            "argv": ["sleep", 7, true], "env": {"A": 1.5, "B": {"secret": "X"}}, "runs": 3, "either": 4,
            "parts": [{"sql": 1, "n": 2}], "unknown": 9,
        });
        fit(&schema, &mut value);
        assert_eq!(
            value,
            json!({
                "argv": ["sleep", "7", "true"], "env": {"A": "1.5", "B": {"secret": "X"}}, "runs": 3, "either": 4,
                "parts": [{"sql": "1", "n": 2}], "unknown": 9,
            })
        );
    }
}
