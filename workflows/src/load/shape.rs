//! A value against its JSON schema: every mistake as a diagnostic at its place. Knows schemas, not workflows.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::code;
use crate::diagnostic::{Diagnostic, nearest, suggest};
use crate::document::{ID_PATTERN, NAME_PATTERN};
use crate::place::SourceText;
use crate::yaml::Node;

mod leaf;

use leaf::{Instead, Leaf, leaves, plain, types};

use super::words::{article, found, one_of};

/// A schema, ready to be held against values.
pub(crate) struct Shape {
    schema: Arc<Value>,
    validator: Validator,
    kind: Option<String>,
}

/// A mistake, and the part of the value that cannot be used because of it.
pub(crate) struct Flaw {
    /// The path of the value that is wrong.
    pub(crate) path: Vec<String>,
    /// The key of it that must be left out; `None`: all of it.
    pub(crate) unexpected: Option<String>,
    /// Says it to the author.
    pub(crate) diagnostic: Diagnostic,
}

/// A value and the text that it was read from.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The value.
    pub(crate) value: &'a Value,
    /// The same value with its places.
    pub(crate) node: &'a Node,
    /// The file.
    pub(crate) source: &'a Arc<SourceText>,
}

impl Shape {
    /// A document's schema.
    ///
    /// # Errors
    /// In words, when it is no schema.
    pub(crate) fn document(schema: Arc<Value>) -> Result<Self, String> {
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        Ok(Self {
            schema,
            validator,
            kind: None,
        })
    }

    /// The schema of a step kind's parameters: templates may stand for any value, and the codes are its own.
    ///
    /// # Errors
    /// In words, when it is no schema.
    pub(crate) fn parameters(kind: &str, schema: Arc<Value>) -> Result<Self, String> {
        Ok(Self {
            kind: Some(kind.to_owned()),
            ..Self::document(schema)?
        })
    }

    /// Every mistake.
    pub(crate) fn check(&self, subject: Subject<'_>) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for error in self.validator.iter_errors(subject.value) {
            for leaf in leaves(&error, self.kind.is_some()) {
                self.flaws(&leaf, subject, &mut flaws);
            }
        }
        flaws
    }

    fn flaws(&self, leaf: &Leaf<'_>, subject: Subject<'_>, flaws: &mut Vec<Flaw>) {
        let error = leaf.error;
        let path = segments(error.instance_path().as_str());
        let parts = || path.iter().map(String::as_str);
        let node = subject.node.follow(parts());
        let name = path.last().map(String::as_str);
        let at = |diagnostic: Diagnostic| diagnostic.at(node.spot.place(subject.source), "here");
        let (unknown, missing, wrong_type, bad_value) = match self.kind {
            None => (
                code::UNKNOWN_KEY,
                code::MISSING_KEY,
                code::WRONG_TYPE,
                code::BAD_VALUE,
            ),
            Some(_) => (
                code::UNKNOWN_KIND_PARAMETER,
                code::MISSING_KIND_PARAMETER,
                code::BAD_KIND_PARAMETER,
                code::BAD_KIND_PARAMETER,
            ),
        };
        // The number of an item says nothing to the reader; the place does.
        let named = name.filter(|name| name.parse::<usize>().is_err());
        let subject_name =
            |what: &str| named.map_or_else(|| what.to_owned(), |name| format!("`{name}`"));
        let diagnostic = match (&leaf.instead, error.kind()) {
            (Some(Instead::Types(expected)), _) => at(Diagnostic::new(
                wrong_type,
                format!(
                    "{} must be {}, not {}",
                    subject_name("this"),
                    one_of(expected),
                    found(error.instance())
                ),
            )),
            (Some(Instead::Choices(choices)), _) => {
                at(self.bad_choice(&path, error.instance(), choices, bad_value))
            }
            (
                None,
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected },
            ) => {
                let flaw =
                    |key: &String| self.unknown_key(error, key, unknown, node, &path, subject);
                return flaws.extend(unexpected.iter().map(flaw));
            }
            (None, ValidationErrorKind::Required { property }) => {
                let property = property.as_str().unwrap_or("");
                let owner = match (&self.kind, name) {
                    (Some(kind), None) => format!("`{kind}`"),
                    _ => subject_name("this"),
                };
                let noun = if self.kind.is_some() && name.is_none() {
                    "parameter"
                } else {
                    "key"
                };
                at(Diagnostic::new(
                    missing,
                    format!("{owner} needs the {noun} `{property}`"),
                ))
                .maybe_help(
                    self.description(error, property)
                        .map(|text| format!("`{property}`: {text}")),
                )
            }
            (None, ValidationErrorKind::Type { kind }) => {
                let expected = types(kind);
                at(Diagnostic::new(
                    wrong_type,
                    format!(
                        "{} must be {}, not {}",
                        subject_name("this"),
                        one_of(&expected),
                        found(error.instance())
                    ),
                ))
            }
            (None, ValidationErrorKind::Pattern { pattern }) => {
                at(self.bad_pattern(pattern, error.instance(), bad_value))
            }
            (None, ValidationErrorKind::Enum { options }) => {
                let choices: Vec<String> = options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(plain)
                    .collect();
                at(self.bad_choice(&path, error.instance(), &choices, bad_value))
            }
            (None, ValidationErrorKind::Constant { expected_value }) => {
                at(self.bad_choice(&path, error.instance(), &[plain(expected_value)], bad_value))
            }
            (None, _) => at(Diagnostic::new(
                bad_value,
                format!("{}: {error}", subject_name("this value")),
            )),
        };
        flaws.push(Flaw {
            path,
            unexpected: None,
            diagnostic,
        });
    }

    fn unknown_key(
        &self,
        error: &ValidationError<'_>,
        key: &str,
        code: &'static str,
        node: &Node,
        path: &[String],
        subject: Subject<'_>,
    ) -> Flaw {
        let known = self.sibling_properties(error);
        let names = || known.iter().map(String::as_str);
        let free = names().filter(|name| node.entry(name).is_none());
        let help = match nearest(key, names()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => suggest(key, free),
        };
        let message = match &self.kind {
            Some(kind) => format!("unknown parameter `{key}` of `{kind}`"),
            None => format!("unknown key `{key}`"),
        };
        let spot = node.entry(key).map_or(node.spot, |entry| entry.spot);
        let diagnostic = Diagnostic::new(code, message)
            .at(spot.place(subject.source), "not known here")
            .maybe_help(help);
        Flaw {
            path: path.to_vec(),
            unexpected: Some(key.to_owned()),
            diagnostic,
        }
    }

    fn bad_choice(
        &self,
        path: &[String],
        instance: &Value,
        choices: &[String],
        code: &'static str,
    ) -> Diagnostic {
        let given = plain(instance);
        let root = match path {
            [only] if self.kind.is_none() => only.as_str(),
            _ => "",
        };
        let listed: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        let (code, message) = match root {
            "apiVersion" => (
                code::UNKNOWN_API_VERSION,
                format!("this flowctl does not know the version `{given}`"),
            ),
            "kind" => (
                code::UNKNOWN_DOCUMENT_KIND,
                format!("`{given}` is not the kind of document that is wanted here"),
            ),
            _ => (code, format!("{} is not allowed here", article(instance))),
        };
        let near = suggest(&given, choices.iter().map(String::as_str))
            .filter(|help| help.starts_with("did you mean"));
        Diagnostic::new(code, message)
            .help(near.unwrap_or_else(|| format!("expected {}", one_of(&listed))))
    }

    fn bad_pattern(&self, pattern: &str, instance: &Value, bad_value: &'static str) -> Diagnostic {
        let given = plain(instance);
        match pattern {
            ID_PATTERN | NAME_PATTERN if self.kind.is_none() => {
                let help = if pattern == ID_PATTERN {
                    "use lower-case letters, digits and `_`, beginning with a letter"
                } else {
                    "use lower-case letters, digits, `_` and `-`, beginning with a letter"
                };
                Diagnostic::new(code::BAD_ID, format!("`{given}` is not a valid name")).help(help)
            }
            pattern if pattern.contains("(ms|s|m|h|d)") => {
                let code = if self.kind.is_some() {
                    bad_value
                } else {
                    code::BAD_DURATION
                };
                Diagnostic::new(code, format!("`{given}` is not a duration")).help(
                    "write a number with a unit (ms, s, m, h, d), for example `90s` or `1m30s`",
                )
            }
            pattern => {
                Diagnostic::new(bad_value, format!("`{given}` does not have the right form"))
                    .help(format!("it must match {pattern}"))
            }
        }
    }

    /// The schema object that a keyword belongs to.
    fn owner(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let (owner, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(owner)
    }

    fn sibling_properties(&self, error: &ValidationError<'_>) -> Vec<String> {
        let properties = self
            .owner(error)
            .and_then(|owner| owner.get("properties"))
            .and_then(Value::as_object);
        properties
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn description(&self, error: &ValidationError<'_>, property: &str) -> Option<String> {
        let schema = self.owner(error)?.get("properties")?.get(property)?;
        schema
            .get("description")
            .and_then(Value::as_str)
            .map(|text| text.lines().next().unwrap_or("").to_owned())
    }
}

/// The parts of a JSON pointer.
fn segments(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}
