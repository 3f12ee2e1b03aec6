//! Choosing objects as parameters name them: by name, by labels, or all of a namespace.

use serde_json::Value;

use super::{Kube, Resource, Selection, pods};
use crate::error::StepError;

/// Which objects, as a step's parameters say.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The namespace, for kinds that live in one.
    pub namespace: Option<&'a str>,
    /// By labels.
    pub selector: Option<&'a str>,
    /// By name.
    pub name: Option<&'a str>,
}

impl std::fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.name, self.selector) {
            (Some(name), _) => write!(f, "`{name}`")?,
            (None, Some(selector)) => write!(f, "with `{selector}`")?,
            (None, None) => write!(f, "of any name")?,
        }
        match self.namespace {
            Some(namespace) => write!(f, " in namespace `{namespace}`"),
            None => Ok(()),
        }
    }
}

/// The most labels that an error lists.
const MOST_LABELS: usize = 30;

impl Choice<'_> {
    /// The objects that it chooses now; none is an answer.
    ///
    /// # Errors
    /// [`StepError`] by class.
    pub async fn of(&self, kube: &Kube, resource: &Resource) -> Result<Vec<Value>, StepError> {
        if let Some(name) = self.name {
            return Ok(kube
                .get(resource, self.namespace, name)
                .await?
                .into_iter()
                .collect());
        }
        let selection = Selection {
            namespace: self.namespace.map(str::to_owned),
            labels: self.selector.map(str::to_owned),
            fields: None,
        };
        kube.list(resource, &selection).await
    }

    /// What objects of this kind there are instead, for a choice that found too few.
    pub async fn alternatives(&self, kube: &Kube, resource: &Resource) -> String {
        let everything = self.namespace.map(Selection::all_in).unwrap_or_default();
        match kube.list(resource, &everything).await {
            Ok(all) => alternatives(&all, &resource.plural, self.selector.is_some()),
            Err(error) => format!("what there is instead could not be listed: {error}"),
        }
    }
}

fn alternatives(all: &[Value], plural: &str, by_labels: bool) -> String {
    if all.is_empty() {
        return format!("there are no {plural} there at all");
    }
    let (what, mut known) = if by_labels {
        ("labels", pods::labels(all))
    } else {
        (
            "names",
            all.iter()
                .map(|object| super::object::name(object).to_owned())
                .collect(),
        )
    };
    let more = known.len().saturating_sub(MOST_LABELS);
    known.truncate(MOST_LABELS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "the {} {plural} there have these {what}: {}{more}",
        all.len(),
        known.join(", ")
    )
}

/// Says what is wrong with a combination of `selector` and `name`.
///
/// # Errors
/// In words.
pub fn check(selector: Option<&str>, name: Option<&str>) -> Result<(), String> {
    match (selector, name) {
        (Some(_), Some(_)) => Err("`selector` and `name` exclude each other".to_owned()),
        (Some(""), _) | (_, Some("")) => {
            Err("an empty `selector` or `name` chooses nothing".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_that_found_nothing_is_told_what_there_is() {
        let pod = json!({"metadata": {"name": "trino-worker-1", "labels": {"app": "trino", "component": "worker"}}});
        let words = alternatives(std::slice::from_ref(&pod), "pods", true);
        assert_eq!(
            words,
            "the 1 pods there have these labels: app=trino, component=worker"
        );
        assert!(alternatives(&[pod], "pods", false).contains("names: trino-worker-1"));
        assert_eq!(
            alternatives(&[], "pods", true),
            "there are no pods there at all"
        );
    }

    #[test]
    fn a_choice_is_by_name_or_by_labels() {
        assert!(check(Some("a=b"), Some("c")).is_err() && check(Some(""), None).is_err());
        assert!(check(Some("a=b"), None).is_ok() && check(None, None).is_ok());
    }
}
