//! Whose a field is, and what becomes of an object when somebody writes to it. A list is one field here; the real server
//! merges some lists by their keys. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The managers of each field of an object, by JSON pointer.
pub(super) type Owners = BTreeMap<String, BTreeSet<String>>;

/// A field that another manager has set to something else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) field: String,
    pub(super) manager: String,
}

/// What only the server writes.
fn is_the_servers(pointer: &str) -> bool {
    [
        "/apiVersion",
        "/kind",
        "/status",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
    ]
    .iter()
    .chain(&[
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/metadata/creationTimestamp",
    ])
    .any(|part| pointer == *part || pointer.starts_with(&format!("{part}/")))
}

/// The fields of a value that hold something, by JSON pointer.
pub(super) fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    gather(value, String::new(), &mut found);
    found.retain(|pointer, _| !is_the_servers(pointer));
    found
}

fn gather(value: &Value, pointer: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let field = field.replace('~', "~0").replace('/', "~1");
                gather(value, format!("{pointer}/{field}"), found);
            }
        }
        value => {
            found.insert(pointer, value.clone());
        }
    }
}

/// A pointer as the server names a field.
fn dotted(pointer: &str) -> String {
    pointer
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect::<Vec<_>>()
        .join(".")
}

/// A server-side apply: the live object with what the manager wants, less what it no longer wants.
///
/// # Errors
/// The fields that others own, unless it is forced.
pub(super) fn apply(
    live: &Value,
    owners: &mut Owners,
    wanted: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let leaves = leaves(wanted);
    let mut conflicts = Vec::new();
    for (pointer, value) in &leaves {
        let here = live.pointer(pointer);
        let mut others = owners.get(pointer).into_iter().flatten();
        if let (Some(other), true) = (
            others.find(|other| *other != manager),
            here.is_some_and(|here| here != value),
        ) {
            conflicts.push(Conflict {
                field: dotted(pointer),
                manager: other.clone(),
            });
        }
    }
    if !conflicts.is_empty() && !force {
        return Err(conflicts);
    }
    let mut object = merged(live.clone(), wanted, false);
    let given_up: Vec<String> = owners
        .iter()
        .filter(|(pointer, managers)| managers.contains(manager) && !leaves.contains_key(*pointer))
        .map(|(pointer, _)| pointer.clone())
        .collect();
    for pointer in given_up {
        let managers = owners.entry(pointer.clone()).or_default();
        managers.remove(manager);
        if managers.is_empty() {
            owners.remove(&pointer);
            remove(&mut object, &pointer);
        }
    }
    for (pointer, value) in &leaves {
        let managers = owners.entry(pointer.clone()).or_default();
        if live.pointer(pointer).is_some_and(|here| here != value) {
            managers.clear();
        }
        managers.insert(manager.to_owned());
    }
    Ok(object)
}

/// A plain write by a manager: whatever it changed is its own afterwards.
pub(super) fn written(former: &Value, now: &Value, owners: &mut Owners, manager: &str) {
    let (former, now) = (leaves(former), leaves(now));
    owners.retain(|pointer, _| now.contains_key(pointer));
    for (pointer, value) in &now {
        if former.get(pointer) != Some(value) {
            owners.insert(pointer.clone(), BTreeSet::from([manager.to_owned()]));
        }
    }
}

/// One value over another. As a merge patch, `null` takes a field away.
pub(super) fn merged(mut object: Value, patch: &Value, null_removes: bool) -> Value {
    match (&mut object, patch) {
        (Value::Object(map), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() && null_removes {
                    map.shift_remove(key);
                    continue;
                }
                let former = map.get(key).cloned().unwrap_or(Value::Null);
                map.insert(key.clone(), merged(former, value, null_removes));
            }
            object
        }
        (_, Value::Object(fields)) if null_removes => {
            let empty = Value::Object(serde_json::Map::new());
            merged(empty, &Value::Object(fields.clone()), true)
        }
        _ => patch.clone(),
    }
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, field)) = pointer.rsplit_once('/') else {
        return;
    };
    let field = field.replace("~1", "/").replace("~0", "~");
    if let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.shift_remove(&field);
    }
}

/// A JSON patch; `None`: it does not apply.
pub(super) fn patched(mut object: Value, operations: &Value) -> Option<Value> {
    for operation in operations.as_array()? {
        let (parent, field) = operation["path"].as_str()?.rsplit_once('/')?;
        let fields = object.pointer_mut(parent)?.as_object_mut()?;
        let field = field.replace("~1", "/").replace("~0", "~");
        let there = fields.contains_key(&field);
        match operation["op"].as_str()? {
            "test" if fields.get(&field) == Some(&operation["value"]) => {}
            "remove" if there => drop(fields.shift_remove(&field)),
            "replace" if there => drop(fields.insert(field, operation["value"].clone())),
            "add" => drop(fields.insert(field, operation["value"].clone())),
            _ => return None,
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apply_takes_away_what_it_no_longer_wants_and_leaves_what_others_own() {
        let mut owners = Owners::new();
        let first = json!({"metadata": {"labels": {"a": "1"}}, "data": {"x": "1", "y": "1"}});
        let live = apply(&json!({}), &mut owners, &first, "flowctl", false).unwrap();
        let theirs = merged(live.clone(), &json!({"data": {"z": "9"}}), true);
        written(&live, &theirs, &mut owners, "kubectl");
        let second = json!({"data": {"x": "2"}});
        let live = apply(&theirs, &mut owners, &second, "flowctl", false).unwrap();
        assert_eq!(live["data"], json!({"x": "2", "z": "9"}));
        assert_eq!(live["metadata"]["labels"], json!({}));
    }

    #[test]
    fn a_field_that_another_changed_is_a_conflict_unless_forced() {
        let mut owners = Owners::new();
        let mine = json!({"data": {"x": "1"}});
        let live = apply(&json!({}), &mut owners, &mine, "flowctl", false).unwrap();
        let theirs = merged(live.clone(), &json!({"data": {"x": "7"}}), true);
        written(&live, &theirs, &mut owners, "kubectl");
        let conflicts = apply(&theirs, &mut owners, &mine, "flowctl", false).unwrap_err();
        assert_eq!(
            (conflicts[0].field.as_str(), conflicts[0].manager.as_str()),
            (".data.x", "kubectl")
        );
        let live = apply(&theirs, &mut owners, &mine, "flowctl", true).unwrap();
        assert_eq!(live["data"]["x"], "1");
        assert!(apply(&live, &mut owners, &mine, "flowctl", false).is_ok());
    }

    #[test]
    fn a_merge_patch_removes_with_null() {
        let object = json!({"a": {"b": 1, "c": 2}});
        assert_eq!(
            merged(object, &json!({"a": {"b": null, "d": {"e": null}}}), true),
            json!({"a": {"c": 2, "d": {}}})
        );
    }
}
