//! JSON into CEL and errors back into words.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context as CelContext, Env, ExecutionError, Value as CelValue};
use serde_json::Value;

use crate::context::Context;
use crate::reference::Reference;

/// Only what is mentioned is converted: an output may hold thousands of rows.
pub(super) fn scope(
    context: &Context,
    references: &[Reference],
    environment: &Arc<Env>,
) -> CelContext<'static, 'static> {
    let mut wanted: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for reference in references {
        wanted.entry(reference.root()).or_default().push(reference);
    }
    let mut scope = CelContext::with_env(Arc::clone(environment));
    for (root, references) in wanted {
        if root == "steps" {
            let all = references.iter().any(|reference| reference.path.len() < 2);
            let is_wanted = |id: &str| {
                all || references
                    .iter()
                    .any(|reference| reference.path.get(1).is_some_and(|part| part == id))
            };
            let steps = context
                .outputs()
                .filter(|(id, _)| is_wanted(id))
                .map(|(id, output)| {
                    let step = HashMap::from([(Key::from("output"), to_cel(output))]);
                    (
                        Key::from(id),
                        CelValue::Map(Map {
                            map: Arc::new(step),
                        }),
                    )
                });
            let steps = CelValue::Map(Map {
                map: Arc::new(steps.collect()),
            });
            scope.add_variable_from_value("steps", steps);
        } else if let Some(value) = context.root(root) {
            scope.add_variable_from_value(root, to_cel(value));
        }
    }
    scope
}

fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => CelValue::Int(number),
            (None, Some(number)) => CelValue::UInt(number),
            (None, None) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (Key::from(key.as_str()), to_cel(value)));
            CelValue::Map(Map {
                map: Arc::new(fields.collect()),
            })
        }
    }
}

pub(super) fn is_missing_name(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::NoSuchKey(_)
            | ExecutionError::UndeclaredReference(_)
            | ExecutionError::IndexOutOfBounds(_)
    )
}

/// CEL's own words, without the values that some of its messages print whole.
pub(super) fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::ValuesNotComparable(left, right) => {
            format!(
                "{} can not be compared with {}",
                describe(left),
                describe(right)
            )
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let help = "convert with int(), double() or string()";
            format!(
                "`{operator}` does not work between {} and {}; {help}",
                describe(left),
                describe(right)
            )
        }
        ExecutionError::UnsupportedIndex(index, value) => {
            format!(
                "{} can not be an index of {}",
                describe(index),
                describe(value)
            )
        }
        ExecutionError::UnsupportedTargetType { target } => {
            format!("{} is not allowed here", describe(target))
        }
        ExecutionError::NotSupportedAsMethod { method, target } => {
            format!("{} has no method `{method}`", describe(target))
        }
        ExecutionError::IndexOutOfBounds(index) => format!("{} is out of bounds", describe(index)),
        ExecutionError::NoSuchKey(key) => format!("`{key}` does not exist"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` does not exist"),
        ExecutionError::DivisionByZero(_) => "a division by zero".to_owned(),
        ExecutionError::Overflow(operator, ..) => {
            format!("`{operator}` gives a number that is too large")
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(" and ");
            let operator = overload.function().trim_matches('_').replace("_", "");
            format!(
                "`{operator}` does not work with {types}; convert with int(), double() or string()"
            )
        }
        other => other.to_string(),
    }
}

/// A value in a few words.
pub(super) fn describe(value: &CelValue) -> String {
    match value {
        CelValue::Null => "null".to_owned(),
        CelValue::Bool(value) => value.to_string(),
        CelValue::Int(value) => value.to_string(),
        CelValue::UInt(value) => value.to_string(),
        CelValue::Float(value) => format!("{value:?}"),
        CelValue::String(text) if text.chars().count() <= 40 => format!("the text {text:?}"),
        CelValue::String(_) => "a text".to_owned(),
        CelValue::List(items) => format!("a list of {}", items.len()),
        CelValue::Map(map) => format!("an object with {} keys", map.map.len()),
        other => format!("a {}", other.type_of()),
    }
}

pub(super) fn kind_of_json(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
