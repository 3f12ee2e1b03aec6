//! A JSON schema as a list of fields for people: name, type, default, description, nested ones below.

use serde_json::Value;

/// Nesting deeper than this is left to `--output json`.
const DEPTH: usize = 4;

/// The fields of an object's schema.
pub(super) fn list(schema: &Value) -> String {
    let mut text = String::new();
    object(schema, schema, 1, &mut text);
    if text.is_empty() {
        text.push_str("  none\n");
    }
    text
}

fn object(root: &Value, schema: &Value, depth: usize, text: &mut String) {
    let schema = resolve(root, schema);
    if depth > DEPTH {
        return;
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let required = |name: &str| {
            schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|known| known == name))
        };
        for (name, field) in properties {
            let resolved = resolve(root, field);
            let indent = "  ".repeat(depth);
            let default = match field.get("default").or_else(|| resolved.get("default")) {
                Some(Value::Null) | None if required(name) => ", required".to_owned(),
                Some(Value::Null) | None => String::new(),
                Some(default) => format!(", default {default}"),
            };
            text.push_str(&format!(
                "{indent}{name}: {}{default}\n",
                type_of(root, field)
            ));
            if let Some(description) = description(field).or_else(|| description(resolved)) {
                text.push_str(&format!("{indent}    {description}\n"));
            }
            nested(root, field, depth + 1, text);
        }
    }
    for alternative in alternatives(schema) {
        object(root, alternative, depth, text);
    }
}

/// The fields inside a field: of an object, of the items of a list, of the values of a map.
fn nested(root: &Value, field: &Value, depth: usize, text: &mut String) {
    let field = resolve(root, field);
    object(root, field, depth, text);
    for key in ["items", "additionalProperties"] {
        if let Some(inner @ Value::Object(_)) = field.get(key) {
            object(root, inner, depth, text);
        }
    }
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten()
}

fn type_of(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values
            .iter()
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("flowctl-file") => return "file of the workflow".to_owned(),
        Some("flowctl-folder") => return "folder of the workflow".to_owned(),
        _ => {}
    }
    let named: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => Vec::new(),
    };
    let words: Vec<String> = named
        .into_iter()
        .map(|name| match name {
            "array" => schema.get("items").map_or_else(
                || "list".to_owned(),
                |items| format!("list of {}", type_of(root, items)),
            ),
            "object" => match schema.get("additionalProperties") {
                Some(inner @ Value::Object(_)) => format!("map of {}", type_of(root, inner)),
                _ => "object".to_owned(),
            },
            other => other.to_owned(),
        })
        .collect();
    if !words.is_empty() {
        return words.join(" or ");
    }
    let mut words: Vec<String> = alternatives(schema)
        .filter(|alternative| alternative.get("type") != Some(&Value::from("null")))
        .map(|alternative| type_of(root, alternative))
        .collect();
    words.dedup();
    if words.is_empty() {
        "anything".to_owned()
    } else {
        words.join(" or ")
    }
}

fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What a `$ref` leads to.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(path) = schema.get("$ref").and_then(Value::as_str) else {
        return schema;
    };
    path.strip_prefix('#')
        .and_then(|path| root.pointer(path))
        .unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_type_default_and_description_and_nested_ones_follow() {
        let schema = json!({
            "type": "object",
            "required": ["run"],
            "properties": {
                "run": {"type": "string", "description": "A command,\nthrough the shell."},
                "env": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Text"}},
                "stop": {"anyOf": [{"$ref": "#/$defs/Stop"}, {"type": "null"}]},
                "success": {"type": "array", "items": {"type": "integer"}, "default": [0]}
            },
            "$defs": {
                "Text": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "Stop": {"type": "object", "properties": {"signal": {"enum": ["TERM", "KILL"]}}}
            }
        });
        let expected = "  run: string, required\n      A command, through the shell.\n  env: map of string or integer\n  \
                        stop: object\n    signal: TERM | KILL\n  success: list of integer, default [0]\n";
        assert_eq!(list(&schema), expected);
        assert_eq!(list(&json!({"type": "object"})), "  none\n");
    }
}
