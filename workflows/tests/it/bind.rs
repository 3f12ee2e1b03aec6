//! Parameters of a run, from defaults, target and command line.

use flowctl_workflows::{Workflow, bind_params, code};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::support::load_body;

fn workflow() -> Workflow {
    load_body(
        "params:\n  rows: {type: integer, default: 5}\n  name: {type: string}\n  tables: {type: list, default: [a]}\n  state: {type: string, default: up, choices: [up, down]}\n  wait: {type: duration, default: 5s}\nsteps: [{id: a, uses: noop}]\n",
    )
    .unwrap()
}

fn bind(
    target: &[(&str, Value)],
    overrides: &[(&str, &str)],
) -> Result<Value, Vec<(&'static str, String)>> {
    let target: IndexMap<String, Value> = target
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let overrides: Vec<(String, String)> = overrides
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let bound = bind_params(&workflow(), &target, &overrides).map(Value::Object);
    bound.map_err(|problems| {
        problems
            .into_iter()
            .map(|problem| (problem.code, problem.message))
            .collect()
    })
}

#[test]
fn the_command_line_wins_over_the_target_and_that_over_defaults() {
    let target = [
        ("rows", json!(7)),
        ("name", json!("t")),
        ("of_another_workflow", json!(1)),
    ];
    assert_eq!(
        bind(&target, &[("rows", "8"), ("rows", "9"), ("tables", "x,y")]),
        Ok(json!({"rows": 9, "name": "t", "tables": ["x", "y"], "state": "up", "wait": "5s"}))
    );
}

#[test]
fn every_value_that_does_not_fit_is_named() {
    let target = [("wait", json!("soon")), ("state", json!("sideways"))];
    let overrides = [("row", "1"), ("rows", "many")];
    let expected = [
        (code::UNKNOWN_PARAMETER, "`w` has no parameter `row`"),
        (
            code::BAD_PARAMETER_VALUE,
            "`many` from --param is not an integer, the type of `rows`",
        ),
        (code::MISSING_PARAMETER, "the parameter `name` has no value"),
        (
            code::BAD_PARAMETER_VALUE,
            "\"sideways\" from the target is none of the choices of `state`",
        ),
        (
            code::BAD_PARAMETER_VALUE,
            "`\"soon\"` from the target is not a duration, the type of `wait`",
        ),
    ];
    assert_eq!(
        bind(&target, &overrides),
        Err(expected
            .map(|(code, message)| (code, message.to_owned()))
            .to_vec())
    );
    assert_eq!(
        bind(&[], &[("name", "n"), ("state", "middle")]).unwrap_err()[0].0,
        code::BAD_PARAMETER_VALUE
    );
}
