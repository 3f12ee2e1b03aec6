//! Secrets: named in workflows and targets, resolved at the last moment, never shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StepError;

mod blotter;
mod forms;
mod seal;
mod view;

pub(crate) use blotter::{Blotter, blotted, merged};

/// A secret's value. It prints as `***` and does not serialize.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value that must not be shown.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `{secret: NAME}` in a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// The name under which the target (or the environment) has it.
    pub secret: String,
}

/// A parameter that is either plain text or a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// `{secret: NAME}`.
    Secret(SecretRef),
}

impl Text {
    /// The text, with a secret looked up.
    ///
    /// # Errors
    /// Permanent, `secret.unknown`, when no secret has that name.
    pub fn resolve(&self, secrets: &Secrets) -> Result<Secret, StepError> {
        match self {
            Text::Plain(text) => Ok(Secret::new(text.as_str())),
            Text::Secret(reference) => secrets.get(&reference.secret),
        }
    }
}

/// The secrets of a run, by name, and the means to blot them out of any text.
#[derive(Clone, Default)]
pub struct Secrets {
    values: Arc<HashMap<String, Secret>>,
    blotter: Arc<Blotter>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Secrets {
    /// The secrets of a run.
    #[must_use]
    pub fn new(values: HashMap<String, Secret>) -> Self {
        Self::with_nameless(values, &[])
    }

    /// The secrets of a run, and more that are only blotted out: no step can ask for them.
    #[must_use]
    pub fn with_nameless(values: HashMap<String, Secret>, nameless: &[Secret]) -> Self {
        let all = values.values().chain(nameless).map(Secret::reveal);
        Self {
            blotter: Arc::new(Blotter::new(all)),
            values: Arc::new(values),
        }
    }

    /// The secret of this name.
    ///
    /// # Errors
    /// Permanent, `secret.unknown`.
    pub fn get(&self, name: &str) -> Result<Secret, StepError> {
        self.values.get(name).cloned().ok_or_else(|| {
            StepError::permanent("secret.unknown", format!("no secret is called `{name}`"))
                .help("define it under `secrets:` in the target, from an environment variable, a file or a Kubernetes Secret")
        })
    }

    /// The names, for instance to remove these variables from a child's environment.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The same text with `***` in the place of every secret, plain, encoded or cut. Values shorter than four
    /// characters are left, since they would blot out half of every text.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact_bytes(text.as_bytes())).into_owned()
    }

    /// The same for what need not be text.
    #[must_use]
    pub fn redact_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.blotter.blot(bytes)
    }

    /// The same for what was cut off at its end: the beginning of a secret there goes too.
    #[must_use]
    pub fn redact_cut(&self, bytes: &[u8]) -> Vec<u8> {
        let mut found = self.blotter.find(bytes);
        found.extend(self.blotter.beginning_at_end(bytes));
        blotted(bytes, &merged(bytes, found), 0..bytes.len())
    }

    /// The same for every text in a value: names of fields too, and numbers that read like a secret.
    pub fn redact_value(&self, value: &mut Value) {
        if self.blotter.is_empty() {
            return;
        }
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Number(number) => {
                let text = number.to_string();
                if self.redact(&text) != text {
                    *value = Value::from("***");
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(fields) => {
                fields
                    .values_mut()
                    .for_each(|field| self.redact_value(field));
                if fields.keys().any(|name| self.redact(name) != *name) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(name, field)| (self.redact(&name), field))
                        .collect();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(crate) fn blotter(&self) -> &Arc<Blotter> {
        &self.blotter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(HashMap::from([
            ("KEY".to_owned(), Secret::new("hunter2")),
            ("LONGER".to_owned(), Secret::new("hunter2-and-more")),
        ]))
    }

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
        assert!(!format!("{:?}", secrets()).contains("hunter2"));
    }

    #[test]
    fn redaction_takes_the_longest_value_first() {
        assert_eq!(
            secrets().redact("a hunter2-and-more b hunter2"),
            "a *** b ***"
        );
    }

    #[test]
    fn an_unknown_secret_is_named() {
        assert!(secrets().get("NOPE").unwrap_err().message.contains("NOPE"));
    }

    #[test]
    fn names_and_numbers_of_an_output_are_redacted_too() {
        let secrets = Secrets::new(HashMap::from([
            ("PIN".to_owned(), Secret::new("48151623")),
            ("KEY".to_owned(), Secret::new("hunter2")),
        ]));
        let mut value = serde_json::json!({"hunter2": 1, "pin": 48_151_623, "list": ["a hunter2", 4815, true, null]});
        secrets.redact_value(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"***": 1, "pin": "***", "list": ["a ***", 4815, true, null]})
        );
    }
}
