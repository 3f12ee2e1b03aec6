//! Handlebars templates in strings and files. Compiles, lists the names that are mentioned, and renders against
//! a [`Context`]; strict (a name that does not exist is an error) and without escaping.
//!
//! A string that is exactly one `{{ path }}` becomes the value itself, with its JSON type; in any other text a
//! list, an object or `null` is an error, since its printed form is never what was meant. A key may be a template as
//! well, `{"{{ params.catalog }}.properties": …}`, and is always a text. An element of a list is
//! `{{ steps.a.output.rows.[0].[1] }}`. The helpers are `if`, `unless`, `each`, `with`, `lookup`, `eq`, `ne`, `gt`,
//! `gte`, `lt`, `lte`, `and`, `or`, `not` and `len`; logic belongs into CEL. `\{{` writes two braces, and
//! `{{{{raw}}}} … {{{{/raw}}}}` leaves a whole text alone.

use std::fmt;
use std::sync::OnceLock;

use handlebars::{Handlebars, Renderable};
use serde_json::Value;

use crate::context::{Context, MissingName};
use crate::expr::SyntaxError;
use crate::reference::Reference;

mod budget;
mod names;

/// A compiled template.
pub struct Template {
    text: String,
    /// `None` when the text has no braces to look at.
    compiled: Option<handlebars::Template>,
    names: names::Names,
}

/// A template that cannot be rendered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read at all.
    #[error("the template {text:?} cannot be read: {reason}")]
    Syntax {
        /// Its beginning.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// It mentions a name that does not exist.
    #[error("in a template: {0}")]
    Missing(MissingName),
    /// A list, an object or `null` in the middle of a text.
    #[error("`{name}` is {kind} and cannot stand inside a text")]
    NotText {
        /// The name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// Two keys of one object are the same when they are rendered.
    #[error("the key {key:?} becomes `{name}`, which stands beside it already")]
    SameKey {
        /// As it is written.
        key: String,
        /// As it is rendered.
        name: String,
    },
    /// Anything else that handlebars refuses.
    #[error("the template {text:?} cannot be rendered: {reason}")]
    Refused {
        /// Its beginning.
        text: String,
        /// Why.
        reason: String,
    },
}

/// Whether a text has anything to render. A cheap test that is never wrong in saying no.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Renders every string in a value, the keys of its objects as well. Objects of the form `{secret: NAME}` are left as they are.
///
/// # Errors
/// [`TemplateError`] of the first string that cannot be rendered, or of a key that becomes the same as another one.
pub fn render(value: &Value, context: &Context) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) if is_template(text) => compile(text)?.render(context)?,
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| render(item, context))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) if !is_secret(fields) => Value::Object(fields_of(fields, context)?),
        other => other.clone(),
    })
}

fn fields_of(
    fields: &serde_json::Map<String, Value>,
    context: &Context,
) -> Result<serde_json::Map<String, Value>, TemplateError> {
    let mut rendered = serde_json::Map::with_capacity(fields.len());
    for (key, value) in fields {
        let name = render_text(key, context)?;
        if rendered.contains_key(&name) {
            return Err(TemplateError::SameKey {
                key: key.clone(),
                name,
            });
        }
        rendered.insert(name, render(value, context)?);
    }
    Ok(rendered)
}

/// Renders a text to a text.
///
/// # Errors
/// [`TemplateError`].
pub fn render_text(text: &str, context: &Context) -> Result<String, TemplateError> {
    if is_template(text) {
        compile(text)?.render_text(context)
    } else {
        Ok(text.to_owned())
    }
}

/// Whether an object is `{secret: NAME}`.
pub(crate) fn is_secret(fields: &serde_json::Map<String, Value>) -> bool {
    fields.len() == 1 && fields.get("secret").is_some_and(Value::is_string)
}

fn compile(text: &str) -> Result<Template, TemplateError> {
    Template::compile(text).map_err(|error| TemplateError::Syntax {
        text: beginning(text),
        reason: error.message,
    })
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`SyntaxError`] with the place in the text.
    pub fn compile(text: &str) -> Result<Self, SyntaxError> {
        if !is_template(text) {
            return Ok(Self {
                text: text.to_owned(),
                compiled: None,
                names: names::Names::default(),
            });
        }
        budget::check(text)?;
        let compiled = handlebars::Template::compile(text).map_err(|error| {
            let offset = error
                .pos()
                .map_or(0, |(line, column)| offset_of(text, line, column));
            SyntaxError {
                message: names::short_reason(&error),
                offset,
            }
        })?;
        let names = names::Names::of(&compiled, text)?;
        Ok(Self {
            text: text.to_owned(),
            compiled: Some(compiled),
            names,
        })
    }

    /// The text that it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it mentions, but for those inside `each` and `with`, which mean something else there.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.names.references
    }

    /// The name that the template is, if it is exactly one, as CEL would write it.
    #[must_use]
    pub fn whole_name(&self) -> Option<String> {
        self.names
            .whole
            .as_deref()
            .map(crate::context::display_path)
    }

    /// Its value: of whatever type if it is exactly one name, else a text.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render(&self, context: &Context) -> Result<Value, TemplateError> {
        match &self.names.whole {
            Some(path) => context
                .lookup(path)
                .cloned()
                .map_err(TemplateError::Missing),
            None => self.render_text(context).map(Value::String),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render_text(&self, context: &Context) -> Result<String, TemplateError> {
        let Some(compiled) = &self.compiled else {
            return Ok(self.text.clone());
        };
        for path in &self.names.printed {
            let value = context.lookup(path).map_err(TemplateError::Missing)?;
            let kind = match value {
                Value::Null => "null",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
                Value::Bool(_) | Value::Number(_) | Value::String(_) => continue,
            };
            return Err(TemplateError::NotText {
                name: crate::context::display_path(path),
                kind,
            });
        }
        let roots: Option<Vec<&str>> =
            (!self.names.scoped).then(|| self.references().iter().map(Reference::root).collect());
        let data = handlebars::Context::from(context.to_json(roots.as_deref()));
        let mut scope = handlebars::RenderContext::new(None);
        compiled
            .renders(registry(), &data, &mut scope)
            .map_err(|error| TemplateError::Refused {
                text: beginning(&self.text),
                reason: names::short_render_reason(&error),
            })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.text)
    }
}

fn beginning(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or("");
    if line.chars().count() > 60 {
        format!("{}…", line.chars().take(60).collect::<String>())
    } else {
        line.to_owned()
    }
}

/// Byte offset of a line and a column in characters, both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = text.get(before..).unwrap_or("");
    before
        + rest
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(rest.len(), |(at, _)| at)
}

/// Strict, without escaping, and without the helper that writes to a log.
fn registry() -> &'static Handlebars<'static> {
    static REGISTRY: OnceLock<Handlebars<'static>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        registry.unregister_helper("log");
        registry
    })
}

#[cfg(test)]
mod tests;
