//! Parameters of a run: defaults, then the target's values, then those of the command line.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::check::{convert_param, has_type, is_choice};
use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::model::{ParamSpec, Workflow};

/// Gives every parameter its value. `target` may have values for other workflows' parameters, which are left
/// out; `overrides` are `name` and text of `--param name=text`, the last of a name counts.
///
/// # Errors
/// Every name that does not exist, value that does not fit and parameter that has none.
pub fn bind_params(
    workflow: &Workflow,
    target: &IndexMap<String, Value>,
    overrides: &[(String, String)],
) -> Result<Map<String, Value>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut given: IndexMap<&str, Value> = IndexMap::new();
    for (name, text) in overrides {
        let Some(param) = workflow.params.get(name) else {
            let message = format!("`{}` has no parameter `{name}`", workflow.name);
            let known = workflow.params.keys().map(String::as_str);
            problems.push(
                Diagnostic::new(code::UNKNOWN_PARAMETER, message).maybe_help(suggest(name, known)),
            );
            continue;
        };
        match convert_param(text, param.ty) {
            Some(value) if is_choice(&value, param) => {
                given.insert(name, value);
            }
            Some(value) => problems.push(not_a_choice(name, &value, param, "--param")),
            None => problems.push(wrong_type(name, text, param, "--param")),
        }
    }
    let mut bound = Map::new();
    for (name, param) in &workflow.params {
        let value = match (given.shift_remove(name.as_str()), target.get(name)) {
            (Some(value), _) => Some(value),
            (None, Some(value)) if !has_type(value, param.ty) => {
                problems.push(wrong_type(name, &value.to_string(), param, "the target"));
                continue;
            }
            (None, Some(value)) if !is_choice(value, param) => {
                problems.push(not_a_choice(name, value, param, "the target"));
                continue;
            }
            (None, Some(value)) => Some(value.clone()),
            (None, None) => param.default.clone(),
        };
        match value {
            Some(value) => {
                bound.insert(name.clone(), value);
            }
            // A value that was given but does not fit was reported already.
            None if overrides.iter().any(|(given, _)| given == name) => {}
            None => {
                let problem = Diagnostic::new(
                    code::MISSING_PARAMETER,
                    format!("the parameter `{name}` has no value"),
                )
                .at(param.place.clone(), "declared without default")
                .help(format!(
                    "give `--param {name}=…`, or `params:` in the target"
                ));
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() {
        Ok(bound)
    } else {
        Err(problems)
    }
}

fn wrong_type(name: &str, text: &str, param: &ParamSpec, from: &str) -> Diagnostic {
    let ty = param.ty.with_article();
    Diagnostic::new(
        code::BAD_PARAMETER_VALUE,
        format!("`{text}` from {from} is not {ty}, the type of `{name}`"),
    )
    .at(param.place.clone(), "declared here")
}

fn not_a_choice(name: &str, value: &Value, param: &ParamSpec, from: &str) -> Diagnostic {
    let choices: Vec<String> = param.choices.iter().map(ToString::to_string).collect();
    Diagnostic::new(
        code::BAD_PARAMETER_VALUE,
        format!("{value} from {from} is none of the choices of `{name}`"),
    )
    .at(param.place.clone(), "declared here")
    .help(format!("choose from {}", choices.join(", ")))
}
