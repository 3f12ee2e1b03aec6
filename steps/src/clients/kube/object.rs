//! Reading objects of any kind, and making them fit to be shown. Pure.

use serde_json::{Map, Value, json};

/// Name, or an empty text.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Namespace, if it has one.
#[must_use]
pub fn namespace(object: &Value) -> Option<&str> {
    object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
}

/// Its uid, or an empty text.
#[must_use]
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Its resource version, or an empty text.
#[must_use]
pub fn resource_version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

/// `apps/v1`, or an empty text.
#[must_use]
pub fn api_version(object: &Value) -> &str {
    text(object, "/apiVersion")
}

/// `Deployment`, or an empty text.
#[must_use]
pub fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

/// A text at a JSON pointer, or an empty one.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A number at a JSON pointer.
#[must_use]
pub fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// A list at a JSON pointer, or an empty one.
#[must_use]
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A condition of the status by its type.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions")
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Whether a condition is `True`.
#[must_use]
pub fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// `reason: message` of a condition.
#[must_use]
pub fn explain(condition: &Value) -> String {
    match (text(condition, "/reason"), text(condition, "/message")) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// `Deployment data-platform/trino-worker`.
#[must_use]
pub fn title(object: &Value) -> String {
    match namespace(object) {
        Some(namespace) => format!("{} {namespace}/{}", kind(object), name(object)),
        None => format!("{} {}", kind(object), name(object)),
    }
}

/// `k=v,…` of a `matchLabels`, as a selector.
#[must_use]
pub fn match_labels(selector: &Value) -> Option<String> {
    let labels = selector["matchLabels"].as_object()?;
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// The object as evidence: without the managers' book-keeping, and a Secret without its values.
#[must_use]
pub fn showable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            // kubectl keeps a whole former manifest here, a Secret's values with it.
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    if kind(&object) == "Secret" && api_version(&object) == "v1" {
        for part in ["data", "stringData"] {
            if let Some(values) = object.get_mut(part).and_then(Value::as_object_mut) {
                values.values_mut().for_each(|value| *value = json!("***"));
            }
        }
    }
    object
}

/// The object as it could be applied again: without what only the server writes.
#[must_use]
pub fn restorable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in [
            "managedFields",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "selfLink",
        ] {
            metadata.remove(key);
        }
    }
    object
}

/// Sets a text in a map of `metadata` (`labels` or `annotations`), which is made if need be.
pub fn mark(object: &mut Value, map: &str, key: &str, value: &str) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let map = metadata
        .entry(map)
        .or_insert_with(|| Value::Object(Map::new()));
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    if let Some(map) = map.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_without_its_values_anywhere() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "managedFields": [{}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"k\":\"aHVudGVyMg==\"}}"}},
            "data": {"k": "aHVudGVyMg=="}, "stringData": {"j": "hunter2"}});
        let shown = showable(&secret).to_string();
        assert!(
            !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
            "{shown}"
        );
        assert!(shown.contains("\"k\":\"***\""), "the keys stay: {shown}");
        assert!(!shown.contains("managedFields"));
    }

    #[test]
    fn marks_make_the_maps_that_they_need() {
        let mut object = json!({"metadata": {"name": "x", "labels": null}});
        mark(&mut object, "labels", "a", "b");
        mark(&mut object, "annotations", "c", "d");
        assert_eq!(object["metadata"]["labels"]["a"], "b");
        assert_eq!(object["metadata"]["annotations"]["c"], "d");
    }

    #[test]
    fn what_can_be_applied_again_has_nothing_of_the_server() {
        let object = json!({"metadata": {"name": "x", "uid": "u", "resourceVersion": "5", "labels": {"a": "b"}}, "spec": 1, "status": 2});
        assert_eq!(
            restorable(&object),
            json!({"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": 1})
        );
    }
}
