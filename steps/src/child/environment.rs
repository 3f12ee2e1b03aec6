//! The environment of a child: flowctl's own less its secrets, then what the step says, then the marks
//! by which the child is found again.

use std::ffi::OsString;

use indexmap::IndexMap;
use tokio::process::Command;

use super::proc::{PROCESS_MARK, STEP_MARK};
use crate::context::StepContext;
use crate::error::StepError;
use crate::secret::{Secrets, Text};

/// Variables as a step gives them: plain text or a secret.
pub type Variables = IndexMap<String, Text>;

/// A secret shorter than this is looked for as a whole value only: `/root` is no reason to drop `HOME`.
const WITHIN: usize = 8;

/// Gives `command` its environment. `mark` is the variable and value by which it is found again.
///
/// # Errors
/// `secret.unknown`, when a variable wants a secret that the run does not have.
pub fn apply(
    command: &mut Command,
    cx: &StepContext,
    variables: &Variables,
    mark: Option<(&str, &str)>,
) -> Result<(), StepError> {
    // To look at all variables copies them.
    if cx.secrets.names().next().is_some() {
        for name in hidden(std::env::vars_os(), &cx.secrets) {
            command.env_remove(name);
        }
    }
    command.env_remove(STEP_MARK).env_remove(PROCESS_MARK);
    for (name, value) in cx.child_env.iter() {
        command.env(name, value);
    }
    for (name, value) in variables {
        command.env(name, value.resolve(&cx.secrets)?.reveal());
    }
    if let Some((name, value)) = mark {
        command.env(name, value);
    }
    Ok(())
}

/// Says why variables cannot be given to any program.
///
/// # Errors
/// In words: a name that is empty or holds `=` or a null byte, or a value with a null byte.
pub fn check(variables: &Variables) -> Result<(), String> {
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("`{name}` cannot be the name of a variable"));
        }
        if name == STEP_MARK || name == PROCESS_MARK {
            return Err(format!("`{name}` is set by flowctl itself"));
        }
        if matches!(value, Text::Plain(text) if text.contains('\0')) {
            return Err(format!("the value of `{name}` holds a null byte"));
        }
    }
    Ok(())
}

/// The variables that carry a secret, by their name or by what they hold.
fn hidden(
    variables: impl Iterator<Item = (OsString, OsString)>,
    secrets: &Secrets,
) -> Vec<OsString> {
    let values: Vec<_> = secrets
        .names()
        .filter_map(|name| secrets.get(name).ok())
        .collect();
    variables
        .filter(|(name, value)| {
            let value = value.to_string_lossy();
            secrets.names().any(|secret| name == secret)
                || values.iter().map(|secret| secret.reveal()).any(|secret| {
                    !secret.is_empty()
                        && (value == secret || (secret.len() >= WITHIN && value.contains(secret)))
                })
        })
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_variable_with_a_secret_is_taken_out_by_name_and_by_value() {
        let secrets = Secrets::new(HashMap::from([
            ("KEY".to_owned(), Secret::new("hunter2-and-more")),
            ("SHORT".to_owned(), Secret::new("/root")),
        ]));
        let variables = [
            ("KEY", "something else"),
            ("COPY", "hunter2-and-more"),
            ("URL", "https://user:hunter2-and-more@host"),
            ("SAME", "/root"),
            ("PATH", "/root/bin:/bin"),
            ("EMPTY", ""),
        ];
        let names = hidden(
            variables.iter().map(|(n, v)| ((*n).into(), (*v).into())),
            &secrets,
        );
        assert_eq!(names, ["KEY", "COPY", "URL", "SAME"].map(OsString::from));
    }

    #[test]
    fn names_that_no_environment_can_hold_are_refused() {
        let with = |name: &str, value: &str| {
            check(&Variables::from([(
                name.to_owned(),
                Text::Plain(value.to_owned()),
            )]))
        };
        assert!(with("GOOD", "a=b").is_ok());
        for (name, value) in [
            ("", "x"),
            ("A=B", "x"),
            ("A", "x\0y"),
            (STEP_MARK, "x"),
            (PROCESS_MARK, "x"),
        ] {
            assert!(with(name, value).is_err(), "{name:?} {value:?}");
        }
    }
}
