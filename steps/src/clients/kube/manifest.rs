//! From the text of manifests to objects in the order in which they can be applied. Pure.

use serde_json::Value;

use super::object;
use crate::error::StepError;

/// The objects of a text with any number of YAML documents; a `List` is opened, empty documents are passed over.
///
/// # Errors
/// Permanent, `kube.manifest`, naming the file and the document.
pub fn parse(path: &str, text: &str) -> Result<Vec<Value>, StepError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        StepError::permanent("kube.manifest", format!("`{path}` is not YAML: {error}"))
    })?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let here = format!("document {} of `{path}`", index + 1);
        match document {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                let items = list.get_mut("items").map(Value::take).unwrap_or_default();
                for item in items.as_array().into_iter().flatten() {
                    check(item, &here)?;
                    objects.push(item.clone());
                }
            }
            document => {
                check(&document, &here)?;
                objects.push(document);
            }
        }
    }
    Ok(objects)
}

/// Whether it names its kind and itself.
///
/// # Errors
/// Permanent, `kube.manifest`.
pub fn check(object: &Value, here: &str) -> Result<(), StepError> {
    for (pointer, what) in [
        ("/apiVersion", "apiVersion"),
        ("/kind", "kind"),
        ("/metadata/name", "metadata.name"),
    ] {
        if object::text(object, pointer).is_empty() {
            return Err(StepError::permanent(
                "kube.manifest",
                format!("{here} has no `{what}`"),
            ));
        }
    }
    Ok(())
}

/// The wave of all that is neither a namespace nor the definition of a kind.
pub const LAST_WAVE: u8 = 2;

/// Which wave an object is applied in: namespaces, then definitions of kinds, then the rest.
#[must_use]
pub fn wave(object: &Value) -> u8 {
    match object::kind(object) {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => LAST_WAVE,
    }
}

/// Paths that were applied and that the answer lacks: fields that the server threw away without a word.
#[must_use]
pub fn pruned(applied: &Value, answer: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    compare(applied, answer, &mut String::new(), &mut missing);
    // Write-only: the answer has it as `data`.
    missing.retain(|path| path != "stringData" && !path.starts_with("stringData."));
    missing
}

fn compare(applied: &Value, answer: &Value, path: &mut String, missing: &mut Vec<String>) {
    match (applied, answer) {
        (Value::Object(applied), Value::Object(answer)) => {
            for (key, value) in applied.iter().filter(|(_, value)| !is_empty(value)) {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                match answer.get(key) {
                    Some(answer) => compare(value, answer, path, missing),
                    None => missing.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        // Lists of another length were merged with another manager's items: then places do not correspond.
        (Value::Array(applied), Value::Array(answer)) if applied.len() == answer.len() => {
            for (index, (applied, answer)) in applied.iter().zip(answer).enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                compare(applied, answer, path, missing);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// What the server leaves out of an answer although it took it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\n\
        apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n\
        - {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: c}}\n";

    #[test]
    fn documents_and_lists_become_objects() {
        let mut objects = parse("m.yaml", TEXT).unwrap();
        assert_eq!(
            objects.iter().map(object::name).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        objects.sort_by_key(wave);
        assert_eq!(
            objects.iter().map(object::name).collect::<Vec<_>>(),
            ["b", "c", "a"]
        );
    }

    #[test]
    fn an_object_without_a_name_is_refused_with_its_place() {
        let error = parse("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n").unwrap_err();
        assert_eq!(error.code, "kube.manifest");
        assert!(
            error.message.contains("document 1 of `m.yaml`")
                && error.message.contains("metadata.name")
        );
    }

    #[test]
    fn a_field_that_the_server_threw_away_is_named() {
        let applied = json!({"spec": {"a": 1, "gateway": {"config": {"x": "y"}}, "list": [{"n": 1, "gone": 2}], "none": null, "off": false},
            "stringData": {"k": "v"}});
        let answer = json!({"spec": {"a": 1, "gateway": {}, "list": [{"n": 1, "more": 3}], "defaulted": 5}, "data": {"k": "dg=="}});
        assert_eq!(
            pruned(&applied, &answer),
            ["spec.gateway.config", "spec.list[0].gone"]
        );
    }

    #[test]
    fn normalised_values_are_not_pruned_ones() {
        assert!(
            pruned(
                &json!({"cpu": "1000m", "list": [1, 2]}),
                &json!({"cpu": "1", "list": [1, 2, 3]})
            )
            .is_empty()
        );
    }
}
