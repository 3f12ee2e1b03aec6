//! Which of a schema's complaints to report: of alternatives, only the one that was probably meant counts.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::load::words::of_type;
use crate::template::is_template;

/// An error that is reported, perhaps in other words than its own.
pub(super) struct Leaf<'e> {
    pub(super) error: &'e ValidationError<'e>,
    pub(super) instead: Option<Instead>,
}

/// Better words.
pub(super) enum Instead {
    /// It must be one of these types.
    Types(Vec<String>),
    /// It must be one of these values.
    Choices(Vec<String>),
}

impl Leaf<'_> {
    /// The types that would have been right, if the type is what is wrong.
    fn expected_types(&self) -> Option<Vec<String>> {
        match (&self.instead, self.error.kind()) {
            (Some(Instead::Types(types)), _) => Some(types.clone()),
            (None, ValidationErrorKind::Type { kind }) => Some(types(kind)),
            _ => None,
        }
    }

    /// The values that would have been right, if that is what is wrong at `path`.
    fn choices(&self, path: &str) -> Option<Vec<String>> {
        if self.error.instance_path().as_str() != path {
            return None;
        }
        match (&self.instead, self.error.kind()) {
            (Some(Instead::Choices(choices)), _) => Some(choices.clone()),
            (None, ValidationErrorKind::Constant { expected_value }) => {
                Some(vec![plain(expected_value)])
            }
            (None, ValidationErrorKind::Enum { options }) => {
                Some(options.as_array()?.iter().map(plain).collect())
            }
            _ => None,
        }
    }
}

/// The errors that matter: of alternatives, those of the one that was probably meant; none, if a template
/// stands where its value will.
pub(super) fn leaves<'e>(error: &'e ValidationError<'e>, templates: bool) -> Vec<Leaf<'e>> {
    if templates && error.instance().as_str().is_some_and(is_template) {
        return Vec::new();
    }
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return vec![Leaf {
            error,
            instead: None,
        }];
    };
    let here = error.instance_path().as_str();
    let mut branches: Vec<Vec<Leaf<'e>>> = Vec::new();
    for branch in context {
        let leaves: Vec<Leaf<'e>> = branch
            .iter()
            .flat_map(|error| leaves(error, templates))
            .collect();
        if leaves.is_empty() {
            return Vec::new();
        }
        branches.push(leaves);
    }
    // Alternatives that are of another type altogether were not meant.
    let is_other_type = |leaf: &Leaf<'_>| {
        leaf.error.instance_path().as_str() == here && leaf.expected_types().is_some()
    };
    let (other, meant): (Vec<_>, Vec<_>) = branches
        .into_iter()
        .partition(|leaves| leaves.iter().any(is_other_type));
    if meant.is_empty() {
        let expected = other
            .iter()
            .flatten()
            .filter(|leaf| is_other_type(leaf))
            .filter_map(Leaf::expected_types);
        return vec![Leaf {
            error,
            instead: Some(Instead::Types(dedup(expected.flatten()))),
        }];
    }
    let choices = meant
        .iter()
        .map(|leaves| leaves.iter().find_map(|leaf| leaf.choices(here)));
    if let Some(choices) = choices.collect::<Option<Vec<Vec<String>>>>() {
        return vec![Leaf {
            error,
            instead: Some(Instead::Choices(choices.concat())),
        }];
    }
    // The closest alternative is the one with the fewest mistakes, then the one that is followed the deepest.
    let depth = |leaves: &[Leaf<'_>]| {
        leaves
            .iter()
            .map(|leaf| leaf.error.instance_path().as_str().matches('/').count())
            .max()
    };
    meant
        .into_iter()
        .min_by_key(|leaves| (leaves.len(), std::cmp::Reverse(depth(leaves))))
        .unwrap_or_default()
}

/// Nothing is not mentioned: whoever wants nothing leaves the key out.
pub(super) fn types(kind: &TypeKind) -> Vec<String> {
    let types: Vec<JsonType> = match kind {
        TypeKind::Single(ty) => vec![*ty],
        TypeKind::Multiple(types) => types.iter().collect(),
    };
    types
        .into_iter()
        .filter(|ty| *ty != JsonType::Null)
        .map(|ty| of_type(ty).to_owned())
        .collect()
}

fn dedup(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for word in words {
        if !seen.contains(&word) {
            seen.push(word);
        }
    }
    seen
}

/// A value without the quotes of JSON.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
