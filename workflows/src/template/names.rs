//! The names that a compiled template mentions, by a walk over its elements.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, PathSeg, RenderError, Template, TemplateError};

use crate::diagnostic::suggest;
use crate::expr::SyntaxError;
use crate::reference::Reference;

/// Handlebars' own helpers, without `log`.
const HELPERS: &[&str] = &[
    "if", "unless", "each", "with", "lookup", "raw", "eq", "ne", "gt", "gte", "lt", "lte", "and",
    "or", "not", "len",
];

/// What a template mentions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Names {
    /// Every name that is looked up in the context itself.
    pub(super) references: Vec<Reference>,
    /// The one name that the template is, if it is nothing else.
    pub(super) whole: Option<Vec<String>>,
    /// The names that are certainly printed.
    pub(super) printed: Vec<Vec<String>>,
    /// Whether there is an `each` or `with`, inside which any name may be meant.
    pub(super) scoped: bool,
}

impl Names {
    pub(super) fn of(template: &Template, text: &str) -> Result<Self, SyntaxError> {
        let mut walk = Walk {
            text,
            cursor: 0,
            names: Names::default(),
        };
        walk.template(template, true, true)?;
        let mut names = walk.names;
        if let [TemplateElement::Expression(only) | TemplateElement::HtmlExpression(only)] =
            &template.elements[..]
            && only.params.is_empty()
            && only.hash.is_empty()
        {
            names.whole = names.printed.first().cloned();
        }
        Ok(names)
    }
}

struct Walk<'a> {
    text: &'a str,
    cursor: usize,
    names: Names,
}

impl Walk<'_> {
    /// `outer`: names mean those of the context. `certain`: it is rendered whatever the values are.
    fn template(
        &mut self,
        template: &Template,
        outer: bool,
        certain: bool,
    ) -> Result<(), SyntaxError> {
        for element in &template.elements {
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
                    self.open();
                    if helper.params.is_empty() && helper.hash.is_empty() {
                        let before = self.names.references.len();
                        self.parameter(&helper.name, outer)?;
                        if certain && matches!(helper.name, Parameter::Name(_) | Parameter::Path(_))
                        {
                            let found = self
                                .names
                                .references
                                .get(before)
                                .map(|reference| reference.path.clone());
                            self.names.printed.extend(found);
                        }
                    } else {
                        self.helper(helper, outer)?;
                    }
                }
                TemplateElement::HelperBlock(helper) => {
                    self.open();
                    let block = self.helper(helper, outer)?;
                    let same_scope = matches!(block.as_str(), "if" | "unless" | "raw");
                    self.names.scoped |= !same_scope;
                    if let Some(inside) = &helper.template {
                        self.template(inside, outer && same_scope, false)?;
                    }
                    if let Some(inverse) = &helper.inverse {
                        self.template(inverse, outer, false)?;
                    }
                }
                // Partials and decorators; and whatever handlebars may add, which is no part of the language either.
                _ => {
                    self.open();
                    let message = "partials and decorators are not part of the language".to_owned();
                    return Err(SyntaxError {
                        message,
                        offset: self.cursor,
                    });
                }
            }
        }
        Ok(())
    }

    fn helper(&mut self, helper: &HelperTemplate, outer: bool) -> Result<String, SyntaxError> {
        let name = helper.name.as_name().unwrap_or("").to_owned();
        if !HELPERS.contains(&name.as_str()) {
            let mut message = format!("there is no helper `{name}`");
            if let Some(help) = suggest(&name, HELPERS.iter().copied()) {
                message.push_str(&format!("; {help}"));
            }
            return Err(SyntaxError {
                message,
                offset: self.cursor,
            });
        }
        for parameter in helper.params.iter().chain(helper.hash.values()) {
            self.parameter(parameter, outer)?;
        }
        Ok(name)
    }

    fn parameter(&mut self, parameter: &Parameter, outer: bool) -> Result<(), SyntaxError> {
        match parameter {
            Parameter::Literal(_) => {}
            Parameter::Name(raw) => match Path::parse(raw) {
                Ok(path) => self.path(&path, outer),
                Err(_) => {
                    return Err(SyntaxError {
                        message: format!("`{raw}` is not a name"),
                        offset: self.cursor,
                    });
                }
            },
            Parameter::Path(path) => self.path(path, outer),
            Parameter::Subexpression(inner) => {
                if let TemplateElement::Expression(helper) = &*inner.element {
                    if helper.params.is_empty() && helper.hash.is_empty() {
                        self.parameter(&helper.name, outer)?;
                    } else {
                        self.helper(helper, outer)?;
                    }
                }
            }
            // The enum may grow; what it would hold cannot be looked into.
            _ => {}
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, outer: bool) {
        let Path::Relative((segments, raw)) = path else {
            return;
        };
        if !(outer || raw.starts_with("@root")) || raw.contains("../") {
            return;
        }
        let named = segments.iter().filter_map(|segment| match segment {
            PathSeg::Named(name) => Some(name.clone()),
            _ => None,
        });
        let path: Vec<String> = named.collect();
        if path.is_empty() {
            return;
        }
        let at = self
            .text
            .get(self.cursor..)
            .and_then(|tail| tail.find(raw.as_str()));
        let (offset, length) = at.map_or((self.cursor, 0), |at| (self.cursor + at, raw.len()));
        self.names.references.push(Reference {
            path,
            offset,
            length,
            optional: false,
        });
    }

    /// Moves on to the next braces that are not escaped.
    fn open(&mut self) {
        let mut from = self.cursor;
        while let Some(at) = self.text.get(from..).and_then(|tail| tail.find("{{")) {
            let start = from + at;
            from = start + 2;
            while self.text.as_bytes().get(from) == Some(&b'{') {
                from += 1;
            }
            if start > 0 && self.text.as_bytes().get(start - 1) == Some(&b'\\') {
                continue;
            }
            let closing = self.text.get(from..).unwrap_or("").trim_start_matches('~');
            if closing.starts_with(['/', '!', '^']) || closing.trim_start().starts_with("else}") {
                continue;
            }
            self.cursor = from;
            return;
        }
    }
}

/// What handlebars did not like, without its drawing of the text and in words that are not its grammar's.
pub(super) fn short_reason(error: &TemplateError) -> String {
    let reason = error.reason().to_string();
    let line = reason
        .lines()
        .map(str::trim)
        .find_map(|line| line.strip_prefix("= "));
    let line = line
        .or_else(|| reason.lines().next())
        .unwrap_or("")
        .trim_start_matches("invalid handlebars syntax: ");
    let Some(expected) = line.strip_prefix("expected ") else {
        return line.to_owned();
    };
    let mut words: Vec<&str> = Vec::new();
    for rule in expected
        .split([',', ' '])
        .filter(|rule| !rule.is_empty() && *rule != "or")
    {
        let word = match rule {
            "trailing_tilde_to_omit_whitespace" => "`}}`",
            "identifier" | "path_inline" | "path_id" | "reference" | "name" | "path_raw_id" => {
                "a name"
            }
            "subexpression" => "`(`",
            "leading_tilde_to_omit_whitespace" => continue,
            rule if rule.contains("block_end") || rule.contains("template") => {
                "the end of the block"
            }
            rule if rule.contains("literal") => "a value",
            _ => continue,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() {
        line.to_owned()
    } else {
        format!("expected {}", words.join(" or "))
    }
}

/// The same for an error of rendering.
pub(super) fn short_render_reason(error: &RenderError) -> String {
    match error.reason() {
        handlebars::RenderErrorReason::MissingVariable(Some(name)) => {
            format!("`{name}` does not exist")
        }
        reason => reason.to_string(),
    }
}
