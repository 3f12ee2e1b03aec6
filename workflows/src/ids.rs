//! Names that validate on the way in. Holding one is the proof that it is well formed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that does not have the form of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: expected {expected}")]
pub struct InvalidId {
    /// What the name was meant to be, for example `step id`.
    pub what: &'static str,
    /// The text that was given.
    pub given: String,
    /// The form that is accepted, in words.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts `text` if it has the right form.
            ///
            /// # Errors
            /// [`InvalidId`], which says what form is expected.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { what: $what, given: text.to_string(), expected: $expected })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// `[a-z][a-z0-9_]*`, so that CEL and templates read it as one identifier.
#[must_use]
pub fn is_snake_case(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A step id: snake_case, for an instance of a `foreach` followed by its key in brackets, and for
/// the gate before a step with `approval:` followed by `.approval`.
fn is_step_id(text: &str) -> bool {
    let text = text.strip_suffix(".approval").unwrap_or(text);
    match text.split_once('[') {
        None => is_snake_case(text),
        Some((id, key)) => {
            is_snake_case(id)
                && key.strip_suffix(']').is_some_and(|key| {
                    !key.is_empty() && !key.chars().any(|c| c == '[' || c == ']' || c.is_control())
                })
        }
    }
}

fn is_workflow_name(text: &str) -> bool {
    is_snake_case(&text.replace('-', "_"))
}

fn is_run_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

name!(
    /// The id of a step in its workflow: `deploy_trino`, or `seed[orders]` inside a `foreach`.
    StepId, "step id", "[a-z][a-z0-9_]*", is_step_id
);
name!(
    /// The id of a criterion: one checkbox of the phase document.
    CriterionId, "criterion id", "[a-z][a-z0-9_]*", is_snake_case
);
name!(
    /// The name of a workflow, by which `flowctl run` finds it.
    WorkflowName, "workflow name", "[a-z][a-z0-9_-]*", is_workflow_name
);
name!(
    /// The id of one run of a workflow, for example `phase3-20261123-093012-4f2a`.
    RunId, "run id", "[a-z0-9_-]+ of at most 100 characters", is_run_id
);

impl StepId {
    /// Whether `name` on a command line means this step: itself, or the `foreach` that it is an instance of.
    #[must_use]
    pub fn is_meant_by(&self, name: &Self) -> bool {
        let id = self.as_str();
        let base = id.split_once('[').map_or(id, |(base, _)| base);
        name.as_str() == id || name.as_str() == base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_ids_are_snake_case_with_an_optional_key() {
        for good in [
            "a",
            "deploy_trino",
            "seed[orders]",
            "q[2026-01-01]",
            "deploy.approval",
        ] {
            assert!(StepId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "A", "1a", "a-b", "a b", "seed[]", "seed[a", "seed[a]]", "a.b",
        ] {
            assert!(StepId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invalid_id_says_what_is_expected() {
        let error = CriterionId::new("SLA simple").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`SLA simple` is not a valid criterion id: expected [a-z][a-z0-9_]*"
        );
    }
}
