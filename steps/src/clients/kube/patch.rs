//! Patches of any type, sent as they are, and what a patch changed, field by field.
//!
//! Owns no judgement of who may change what: that is the kind's.

use ::kube::core::request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Resource;
use super::api::{Kube, present, subject};
use crate::error::StepError;

/// How a patch is written.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PatchType {
    /// RFC 7386: objects key by key, `null` removes, lists as a whole.
    #[default]
    Merge,
    /// RFC 6902: a list of operations.
    Json,
    /// Like `merge`, but lists of known kinds by their items' keys.
    Strategic,
}

impl PatchType {
    fn media_type(self) -> &'static str {
        match self {
            PatchType::Merge => "application/merge-patch+json",
            PatchType::Json => "application/json-patch+json",
            PatchType::Strategic => "application/strategic-merge-patch+json",
        }
    }

    /// The patch, to be refused by the server when the object is no longer of this version.
    #[must_use]
    pub fn only_at(self, patch: &Value, version: &str) -> Value {
        let mut patch = patch.clone();
        match (self, &mut patch) {
            (PatchType::Json, Value::Array(operations)) => operations.insert(
                0,
                json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
            ),
            (PatchType::Merge | PatchType::Strategic, Value::Object(fields)) => {
                let metadata = fields
                    .entry("metadata")
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Some(metadata) = metadata.as_object_mut() {
                    metadata.insert("resourceVersion".to_owned(), version.into());
                }
            }
            _ => {}
        }
        patch
    }
}

/// How a patch is sent.
#[derive(Debug, Clone, Copy)]
pub struct PatchMode<'a> {
    /// How it is written.
    pub patch_type: PatchType,
    /// Under which name flowctl then owns the fields.
    pub manager: &'a str,
    /// Asks the server what would come of it, and changes nothing.
    pub dry_run: bool,
}

impl Kube {
    /// Patches an object, with strict validation: what the schema does not know is an error.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
        mode: PatchMode<'_>,
    ) -> Result<Value, StepError> {
        let subject = subject("patch", resource, namespace, Some(name));
        let dry_run = if mode.dry_run { "&dryRun=All" } else { "" };
        let target = format!(
            "{}/{name}?fieldManager={}&fieldValidation=Strict{dry_run}",
            resource.path(namespace),
            mode.manager
        );
        let body = patch.to_string().into_bytes();
        let build = || {
            http::Request::patch(&target)
                .header(http::header::ACCEPT, "application/json")
                .header(http::header::CONTENT_TYPE, mode.patch_type.media_type())
                .body(body.clone())
                .map_err(request::Error::BuildRequest)
        };
        present(self.send(build, &subject).await?, &subject)
    }
}

/// One field that differs between two states of an object. Lists differ as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The path to it.
    pub path: Vec<String>,
    /// What was there; nothing if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there then; nothing if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl FieldChange {
    /// The path as people read it: `/spec/replicas`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let part = |part: &String| format!("/{}", part.replace('~', "~0").replace('/', "~1"));
        self.path.iter().map(part).collect()
    }

    /// What an object has there.
    #[must_use]
    pub fn of<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(object, |at, part| at.get(part))
    }
}

/// Every field in which `after` differs from `before`.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

fn compare(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<String>,
    found: &mut Vec<FieldChange>,
) {
    if let (Some(Value::Object(was)), Some(Value::Object(is))) = (before, after) {
        let new = is.keys().filter(|key| !was.contains_key(*key));
        for key in was.keys().chain(new) {
            path.push(key.clone());
            compare(was.get(key), is.get(key), path, found);
            path.pop();
        }
    } else if before != after {
        found.push(FieldChange {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        });
    }
}

/// The merge patch that puts the fields back as they were before.
#[must_use]
pub fn back(changes: &[FieldChange]) -> Value {
    let mut patch = Value::Object(Map::new());
    for change in changes {
        let mut at = &mut patch;
        for part in &change.path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[part.as_str()];
        }
        *at = change.before.clone().unwrap_or(Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_field_by_field_and_lead_back() {
        let before = json!({"spec": {"replicas": 2, "a/b": 1, "args": ["x"], "gone": {"k": 1}}});
        let after = json!({"spec": {"replicas": 3, "a/b": 1, "args": ["x", "y"], "new": {"k": 2}}});
        let found = changes(&before, &after);
        let pointers: Vec<String> = found.iter().map(FieldChange::pointer).collect();
        assert_eq!(
            pointers,
            ["/spec/replicas", "/spec/args", "/spec/gone", "/spec/new"]
        );
        assert_eq!(
            back(&found),
            json!({"spec": {"replicas": 2, "args": ["x"], "gone": {"k": 1}, "new": null}})
        );
        assert_eq!(changes(&before, &before), []);
        assert_eq!(
            changes(&json!({"a/b": 1}), &json!({"a/b": 2}))[0].pointer(),
            "/a~1b"
        );
    }

    #[test]
    fn a_patch_can_ask_for_the_version_that_it_was_made_for() {
        assert_eq!(
            PatchType::Merge.only_at(&json!({"data": {"k": "v"}}), "7"),
            json!({"data": {"k": "v"}, "metadata": {"resourceVersion": "7"}})
        );
        let operation = json!({"op": "remove", "path": "/data/k"});
        let guarded = PatchType::Json.only_at(&json!([operation]), "7");
        assert_eq!(guarded[0]["op"], "test");
        assert_eq!(guarded[1], operation);
    }
}
