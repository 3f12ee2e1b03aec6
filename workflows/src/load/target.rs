//! A target file: read, expanded, checked. What it takes from outside (environment, home, the lab's directory)
//! comes through a [`Lookup`]; nothing is looked up here by itself.

mod meaning;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::alone::{self, Alone};
use super::files::sha256;
use crate::code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, sort};
use crate::place::SourceText;
use crate::plan::TargetIdentity;
use crate::schema;
use crate::source::Source;
use crate::target::Target;
use crate::template::{Template, is_template};
use crate::yaml::Node;

/// What a target file may take from outside.
pub struct Lookup<'a> {
    /// `{{ flowctl.lab }}`: the lab's directory.
    pub lab: Option<String>,
    /// What a leading `~/` stands for.
    pub home: Option<String>,
    /// `{{ env.NAME }}`, where a variable may stand.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A target, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetFile {
    /// The target.
    pub target: Target,
    /// What tells it from others, for the run's first event.
    pub identity: TargetIdentity,
}

/// Reads a target. `path` is relative to the root of `source`.
///
/// # Errors
/// Every mistake in it.
pub fn load_target(
    source: &dyn Source,
    path: &str,
    lookup: &Lookup<'_>,
) -> Result<TargetFile, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let file = read(source, path, lookup, &mut problems);
    match file {
        Some(file) if problems.is_empty() => Ok(file),
        _ => {
            sort(&mut problems);
            Err(problems)
        }
    }
}

fn read(
    source: &dyn Source,
    path: &str,
    lookup: &Lookup<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<TargetFile> {
    let Alone { text, node, .. } = alone::read(source, path, schema::target(), problems)?;
    let mut reader = Reader {
        text: &text,
        lookup,
        problems,
    };
    let value = reader.expand(&node, &mut Vec::new());
    // What cannot be read was reported by the schema.
    let target: Target = serde_json::from_value(value.clone()).ok()?;
    reader.check(&target, &node);
    let identity = TargetIdentity {
        name: target.metadata.name.clone(),
        sha256: sha256(text.text().as_bytes()),
        rehearsal: target.rehearsal,
        view: view(value),
    };
    Some(TargetFile { target, identity })
}

/// What expressions see: everything but where secrets come from, and what they see by another name.
fn view(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        for key in ["apiVersion", "kind", "secrets", "params"] {
            fields.shift_remove(key);
        }
    }
    value
}

/// Whether what stands at this place is stored with the plan of every run, so that a variable of the environment, which
/// may well be a secret, has no place in it. A path, and where a secret comes from, is no secret itself.
fn is_stored(at: &[&str]) -> bool {
    match at {
        ["params", ..] => true,
        ["secrets", ..] | ["kubernetes", "kubeconfig"] | [_, "ca_file"] => false,
        _ => true,
    }
}

struct Reader<'a> {
    text: &'a Arc<SourceText>,
    lookup: &'a Lookup<'a>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// `at`: the keys that lead here.
    fn expand<'n>(&mut self, node: &'n Node, at: &mut Vec<&'n str>) -> Value {
        use crate::yaml::Content;
        match &node.content {
            Content::String(text) => self.expand_text(text, node, is_stored(at)),
            Content::List(items) => {
                Value::Array(items.iter().map(|item| self.expand(item, at)).collect())
            }
            Content::Map(entries) => {
                let fields = entries.iter().map(|entry| {
                    at.push(&entry.key);
                    let value = self.expand(&entry.value, at);
                    at.pop();
                    (entry.key.to_string(), value)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Content::Null | Content::Bool(_) | Content::Number(_) => node.to_json(),
        }
    }

    fn expand_text(&mut self, text: &str, node: &Node, stored: bool) -> Value {
        let place = node.spot.place(self.text);
        let rendered = if is_template(text) {
            let template = match Template::compile(text) {
                Ok(template) => template,
                Err(error) => {
                    let problem = Diagnostic::new(
                        code::BAD_TEMPLATE,
                        format!("this is no template: {}", error.message),
                    );
                    self.problems
                        .push(problem.at(place.within(text, error.offset, 0), "here"));
                    return Value::String(text.to_owned());
                }
            };
            let mut known = true;
            let mut env = Map::new();
            for reference in template.references() {
                let name = reference.path.get(1).map_or("", String::as_str);
                let problem = match (reference.root(), &self.lookup.lab) {
                    ("flowctl", Some(_)) if name == "lab" => continue,
                    ("flowctl", None) if name == "lab" => {
                        Diagnostic::new(code::UNSET_VARIABLE, "the lab's directory is not known")
                            .help("set FLOWCTL_LAB")
                    }
                    ("env", _) if stored => Diagnostic::new(
                        code::STORED_VARIABLE,
                        format!(
                            "`{reference}` may be a secret, and this is stored with the plan of every run"
                        ),
                    )
                    .help(
                        "for a secret write `NAME: {env: VARIABLE}` under `secrets:`, and `{secret: NAME}` where it is \
                         needed; write anything else into the target",
                    ),
                    ("env", _) if !name.is_empty() => match (self.lookup.env)(name) {
                        Some(value) => {
                            env.insert(name.to_owned(), Value::String(value));
                            continue;
                        }
                        None => Diagnostic::new(
                            code::UNSET_VARIABLE,
                            format!("the environment variable {name} is not set"),
                        )
                        .help(format!("set {name}, or write the value into the target")),
                    },
                    _ => Diagnostic::new(
                        code::UNKNOWN_NAME,
                        format!("`{reference}` does not exist in a target"),
                    )
                    .help("known here: flowctl.lab, env.NAME"),
                };
                known = false;
                self.problems.push(problem.at(
                    place.within(text, reference.offset, reference.length),
                    "here",
                ));
            }
            let context = Context::default()
                .with("env", Value::Object(env))
                .with("flowctl", json!({ "lab": self.lookup.lab }));
            match template.render_text(&context) {
                Ok(rendered) => rendered,
                Err(_) if !known => text.to_owned(),
                Err(error) => {
                    self.problems.push(
                        Diagnostic::new(code::BAD_TEMPLATE, error.to_string())
                            .at(place.clone(), "here"),
                    );
                    text.to_owned()
                }
            }
        } else {
            text.to_owned()
        };
        let Some(rest) = rendered.strip_prefix("~/") else {
            return Value::String(rendered);
        };
        match &self.lookup.home {
            Some(home) => Value::String(format!("{}/{rest}", home.trim_end_matches('/'))),
            None => {
                let problem =
                    Diagnostic::new(code::UNSET_VARIABLE, "the home directory is not known")
                        .help("set HOME, or write the whole path");
                self.problems.push(problem.at(place, "here"));
                Value::String(rendered)
            }
        }
    }
}
