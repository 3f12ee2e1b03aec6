//! Secrets: named in workflows and targets, resolved at the last moment, never shown.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::StepError;

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
        Self {
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

    /// The same text with every secret's value replaced by `***`. Values shorter than four characters are
    /// left, since they would blot out half of every text.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut values: Vec<&str> = self
            .values
            .values()
            .map(Secret::reveal)
            .filter(|value| value.len() >= 4)
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for value in values {
            if text.contains(value) {
                text = text.replace(value, "***");
            }
        }
        text
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
}
