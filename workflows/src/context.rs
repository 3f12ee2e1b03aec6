//! What expressions and templates see. Plain JSON under a few names; cheap to clone and to extend.
//!
//! | name | what it is |
//! |---|---|
//! | `params.X` | a parameter of the workflow |
//! | `steps.ID.output.X` | the output of a step upstream |
//! | `target.X` | the target file without its secrets |
//! | `run.id` | the run |
//! | `workflow.name`, `workflow.dir` | the workflow and the directory of its file |
//! | `flowctl.lab` | the lab's directory |
//! | `item`, or the name in `as:` | the item of a `foreach` |
//! | `output`, and each field of it | in `expect:`, what the step put out |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::diagnostic::nearest;

/// The names that every context may have, whatever the step.
pub const ROOTS: &[&str] = &["params", "steps", "target", "run", "workflow", "flowctl"];

/// The names that expressions and templates see, with their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    roots: BTreeMap<String, Arc<Value>>,
    outputs: BTreeMap<String, Arc<Value>>,
}

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe(.path, *.known, .available))]
pub struct MissingName {
    /// The whole name.
    pub path: Vec<String>,
    /// How many of its parts exist.
    pub known: usize,
    /// What exists in place of the first part that does not.
    pub available: Vec<String>,
}

fn describe(path: &[String], known: usize, available: &[String]) -> String {
    let mut text = format!(
        "`{}` does not exist",
        display_path(path.get(..=known).unwrap_or(path))
    );
    if let Some(given) = path.get(known) {
        let names = available.iter().map(String::as_str);
        if let Some(near) = nearest(given, names) {
            text.push_str(&format!("; did you mean `{near}`?"));
        } else if !available.is_empty() {
            let shown: Vec<&str> = available.iter().take(12).map(String::as_str).collect();
            let more = if available.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            text.push_str(&format!("; there is: {}{more}", shown.join(", ")));
        }
    }
    text
}

/// A path as people write it: `steps.a.output.rows[0]`.
#[must_use]
pub fn display_path(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            text.push_str(&format!("[{part}]"));
        } else if text.is_empty() {
            text.push_str(part);
        } else {
            text.push_str(&format!(".{part}"));
        }
    }
    text
}

impl Context {
    /// Nothing but the parameters.
    #[must_use]
    pub fn new(params: Map<String, Value>) -> Self {
        Self::default().with("params", Value::Object(params))
    }

    /// The same with a value under a name, for example `target` or `item`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Arc<Value>>) -> Self {
        self.roots.insert(name.into(), value.into());
        self
    }

    /// The same with the output of a step, under `steps.ID.output`.
    #[must_use]
    pub fn with_step(mut self, id: impl Into<String>, output: impl Into<Arc<Value>>) -> Self {
        self.outputs.insert(id.into(), output.into());
        self
    }

    /// The same with an output to be judged: as `output`, and each of its fields by its own name, unless that
    /// is a name already.
    #[must_use]
    pub fn with_output(mut self, output: impl Into<Arc<Value>>) -> Self {
        let output = output.into();
        if let Value::Object(fields) = &*output {
            for (name, value) in fields {
                if !self.roots.contains_key(name) && !ROOTS.contains(&name.as_str()) {
                    self.roots.insert(name.clone(), Arc::new(value.clone()));
                }
            }
        }
        self.roots.insert("output".to_owned(), output);
        self
    }

    /// The value at a path such as `["steps", "a", "output", "rows", "0"]`.
    ///
    /// # Errors
    /// [`MissingName`], which says how far the path leads and what is there instead.
    pub fn lookup(&self, path: &[String]) -> Result<&Value, MissingName> {
        let missing = |known: usize, available: Vec<String>| MissingName {
            path: path.to_vec(),
            known,
            available,
        };
        let (mut value, start) = match path {
            [root, ..] if root != "steps" => match self.roots.get(root) {
                Some(value) => (&**value, 1),
                None => return Err(missing(0, self.names())),
            },
            [_, id, output, ..] if output == "output" => match self.outputs.get(id) {
                Some(value) => (&**value, 3),
                None => return Err(missing(1, self.outputs.keys().cloned().collect())),
            },
            [_, id, ..] if self.outputs.contains_key(id) => {
                return Err(missing(2, vec!["output".to_owned()]));
            }
            _ => return Err(missing(1, self.outputs.keys().cloned().collect())),
        };
        for (at, part) in path.iter().enumerate().skip(start) {
            let next = match value {
                Value::Object(fields) => fields.get(part),
                Value::Array(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            value = next.ok_or_else(|| {
                let available = match value {
                    Value::Object(fields) => fields.keys().cloned().collect(),
                    Value::Array(items) if items.is_empty() => vec!["an empty list".to_owned()],
                    Value::Array(items) => vec![format!("0 to {}", items.len() - 1)],
                    _ => Vec::new(),
                };
                missing(at, available)
            })?;
        }
        Ok(value)
    }

    /// Every name at the top.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let steps = (!self.outputs.is_empty()).then(|| "steps".to_owned());
        self.roots.keys().cloned().chain(steps).collect()
    }

    pub(crate) fn root(&self, name: &str) -> Option<&Value> {
        self.roots.get(name).map(|value| &**value)
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.outputs
            .iter()
            .map(|(id, output)| (id.as_str(), &**output))
    }

    /// One JSON object with the named roots, or with all of them.
    pub(crate) fn to_json(&self, wanted: Option<&[&str]>) -> Value {
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.contains(&name));
        let mut object = Map::new();
        for (name, value) in self.roots.iter().filter(|(name, _)| is_wanted(name)) {
            object.insert(name.clone(), Value::clone(value));
        }
        if is_wanted("steps") {
            let steps = self
                .outputs()
                .map(|(id, output)| (id.to_owned(), serde_json::json!({ "output": output })));
            object.insert("steps".to_owned(), Value::Object(steps.collect()));
        }
        Value::Object(object)
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn names_lead_to_values_or_say_what_there_is() {
        let context = Context::default()
            .with("params", json!({"tables": ["a", "b"]}))
            .with_step("count", json!({"rows": [[1, 2]]}));
        assert_eq!(
            context.lookup(&path("steps.count.output.rows.0.1")),
            Ok(&json!(2))
        );
        assert_eq!(context.lookup(&path("params.tables.1")), Ok(&json!("b")));
        let error = |text| context.lookup(&path(text)).unwrap_err().to_string();
        assert_eq!(
            error("params.table"),
            "`params.table` does not exist; did you mean `tables`?"
        );
        assert_eq!(
            error("steps.count.outptu.rows"),
            "`steps.count.outptu` does not exist; did you mean `output`?"
        );
        assert_eq!(
            error("steps.other.output"),
            "`steps.other` does not exist; there is: count"
        );
        assert_eq!(
            error("params.tables.7"),
            "`params.tables[7]` does not exist; there is: 0 to 1"
        );
        assert_eq!(
            error("nothing"),
            "`nothing` does not exist; there is: params, steps"
        );
    }

    #[test]
    fn an_outputs_fields_do_not_hide_the_names_of_the_language() {
        let context = Context::new(Map::new()).with_output(json!({"params": 1, "rows": 2}));
        assert_eq!(context.lookup(&path("params")), Ok(&json!({})));
        assert_eq!(context.lookup(&path("rows")), Ok(&json!(2)));
        assert_eq!(context.lookup(&path("output.params")), Ok(&json!(1)));
    }
}
