//! Values of parameters: whether they have the declared type, and text from a command line made into it.

use serde_json::Value;

use crate::code;
use crate::diagnostic::Diagnostic;
use crate::load::Draft;
use crate::model::{ParamSpec, ParamType};
use crate::place::SourceText;
use crate::policy::Span;
use crate::yaml;

/// Every default and choice has its parameter's type.
pub(super) fn check_defaults(draft: &Draft, problems: &mut Vec<Diagnostic>) {
    for (name, param) in &draft.params {
        let ty = param.ty.with_article();
        for value in param
            .default
            .iter()
            .chain(&param.choices)
            .filter(|value| !has_type(value, param.ty))
        {
            let mut problem = Diagnostic::new(
                code::BAD_DEFAULT,
                format!("{value} is not {ty}, the type of `{name}`"),
            )
            .at(param.place.clone(), "declared here");
            if param.ty == ParamType::String && !(value.is_array() || value.is_object()) {
                problem = problem.help(format!("write it in quotes: \"{value}\""));
            }
            problems.push(problem);
        }
        if let Some(default) = param
            .default
            .as_ref()
            .filter(|default| !is_choice(default, param))
        {
            let message = format!("the default {default} is none of the choices of `{name}`");
            problems.push(
                Diagnostic::new(code::BAD_DEFAULT, message)
                    .at(param.place.clone(), "declared here"),
            );
        }
    }
}

/// Whether a value may stand for a parameter of this type.
pub(crate) fn has_type(value: &Value, ty: ParamType) -> bool {
    match ty {
        ParamType::String => value.is_string(),
        ParamType::Integer => value.is_i64() || value.is_u64(),
        ParamType::Number => value.is_number(),
        ParamType::Boolean => value.is_boolean(),
        ParamType::List => value.is_array(),
        ParamType::Object => value.is_object(),
        ParamType::Duration => value
            .as_str()
            .is_some_and(|text| text.parse::<Span>().is_ok()),
    }
}

/// Whether a value is among the choices, if there are any.
pub(crate) fn is_choice(value: &Value, param: &ParamSpec) -> bool {
    param.choices.is_empty() || param.choices.contains(value)
}

/// The value that a text on the command line stands for; `None` if it is none of the type. Lists and objects
/// are written as YAML or JSON, a list of texts also as `a,b,c`.
pub(crate) fn convert(text: &str, ty: ParamType) -> Option<Value> {
    let value = match ty {
        ParamType::String | ParamType::Duration => Value::String(text.to_owned()),
        ParamType::List if !text.trim_start().starts_with(['[', '-']) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => {
            let (node, problems) = yaml::read(&SourceText::new("", text), yaml::Budget::default());
            node.filter(|_| problems.is_empty())?.to_json()
        }
    };
    has_type(&value, ty).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_becomes_the_declared_type_or_nothing() {
        assert_eq!(convert("5", ParamType::Integer), Some(json!(5)));
        assert_eq!(convert("5", ParamType::String), Some(json!("5")));
        assert_eq!(convert("5.5", ParamType::Integer), None);
        assert_eq!(convert("5.5", ParamType::Number), Some(json!(5.5)));
        assert_eq!(convert("yes", ParamType::Boolean), None);
        assert_eq!(convert("true", ParamType::Boolean), Some(json!(true)));
        assert_eq!(convert("a, b", ParamType::List), Some(json!(["a", "b"])));
        assert_eq!(
            convert("[1, {a: b}]", ParamType::List),
            Some(json!([1, {"a": "b"}]))
        );
        assert_eq!(
            convert("{\"a\": 1}", ParamType::Object),
            Some(json!({"a": 1}))
        );
        assert_eq!(convert("[", ParamType::List), None);
        assert_eq!(convert("90s", ParamType::Duration), Some(json!("90s")));
        assert_eq!(convert("90", ParamType::Duration), None);
    }
}
