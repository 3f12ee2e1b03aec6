//! Selectors of labels and fields, as far as the rehearsal knows them; another one is refused, never taken for "all".

use serde_json::Value;

use super::cluster::Refused;
use crate::clients::kube::object;

/// Whether an object has the labels: `key=value`, `key==value`, `key!=value`, `key`, `!key`, joined by commas.
pub(super) fn by_labels(object: &Value, selector: &str) -> Result<bool, Refused> {
    let labels = &object["metadata"]["labels"];
    every(selector, |term| {
        if term.contains(['(', ')', ' ', '<', '>']) {
            return Err(refused("label", term));
        }
        if let Some((key, value)) = term.split_once("!=") {
            return Ok(labels[key] != value);
        }
        if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            return Ok(labels[key] == value);
        }
        Ok(match term.strip_prefix('!') {
            Some(key) => labels[key].is_null(),
            None => !labels[term].is_null(),
        })
    })
}

/// Whether an object has the fields: its name, its namespace, and what an event is about.
pub(super) fn by_fields(object: &Value, selector: &str) -> Result<bool, Refused> {
    every(selector, |term| {
        let (path, value) = term
            .split_once('=')
            .filter(|(path, _)| !path.ends_with('!'))
            .ok_or_else(|| refused("field", term))?;
        let known = path.starts_with("metadata.name")
            || path.starts_with("involvedObject.")
            || path == "spec.nodeName"
            || path == "status.phase";
        if !known {
            return Err(refused("field", term));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        Ok(object::text(object, &pointer) == value.trim_start_matches('='))
    })
}

fn every(
    selector: &str,
    mut holds: impl FnMut(&str) -> Result<bool, Refused>,
) -> Result<bool, Refused> {
    for term in selector.split(',').filter(|term| !term.is_empty()) {
        if !holds(term)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn refused(what: &str, term: &str) -> Refused {
    let message = format!("the rehearsal does not know the {what} selector `{term}`");
    Refused::new(400, "BadRequest", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_that_is_not_known_is_refused_and_not_ignored() {
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "x"}}});
        assert!(by_labels(&pod, "app=x,!gone").unwrap());
        assert!(!by_labels(&pod, "app!=x").unwrap() && !by_labels(&pod, "gone").unwrap());
        assert!(by_labels(&pod, "app in (x)").is_err());
        assert!(by_fields(&pod, "metadata.name=a").unwrap());
        assert!(by_fields(&pod, "spec.unknown=a").is_err());
    }
}
