//! What the run ran on: versions, images, nodes, parameters, and the files of the workflow by hash.

use maud::{Markup, html};
use serde_json::Value;

use super::words::{short, step};
use super::{Page, part};

pub(super) fn section(page: &Page<'_>) -> Markup {
    let fingerprint = &page.report.fingerprint;
    let platform: Vec<(Markup, String)> = fingerprint
        .platform
        .iter()
        .filter_map(|(id, facts)| Some((step(id), of_platform(facts)?)))
        .collect();
    let content = html! {
        dl.facts {
            dt { "flowctl" } dd { (fingerprint.flowctl) }
            @if let Some(target) = &fingerprint.target {
                dt { "Target" } dd { code { (target.name) } " " span.mono { (target.sha256) } }
            }
        }
        @if platform.is_empty() {
            (super::nothing("No step reported a version, an image or a node of the platform."))
        } @else {
            (table("Platform", "step", platform.into_iter()))
        }
        @if !fingerprint.params.is_empty() {
            (table("Parameters", "parameter", fingerprint.params.iter().map(|(name, value)| (html! { code { (name) } }, told(value)))))
        }
        @if !fingerprint.files.is_empty() {
            (table("Files of the workflow", "file", fingerprint.files.iter().map(|(path, hash)| (html! { (path) }, short(hash).to_owned()))))
        }
    };
    part("environment", "Environment", &content)
}

fn table(title: &str, first: &str, rows: impl Iterator<Item = (Markup, String)>) -> Markup {
    html! {
        h3 { (title) }
        div.scroll tabindex="0" role="group" aria-label=(title) {
            table {
                thead { tr { th { (first) } th { "value" } } }
                tbody { @for (name, value) in rows { tr { td { (name) } td.mono { (value) } } } }
            }
        }
    }
}

/// What a step said of the platform; `None` when that was only what its own query returned.
fn of_platform(facts: &Value) -> Option<String> {
    let mut facts = facts.as_object()?.clone();
    facts.retain(|name, value| name != "fingerprint" && !is_empty(value));
    (!facts.is_empty()).then(|| told(&Value::Object(facts)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value without the marks of JSON, which say nothing to a reader; each item of a list on its own line.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            // Lists last: what follows one would look like its last item.
            let (lists, single): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| is_list(value));
            let fields = single.into_iter().chain(lists).map(|(name, value)| {
                let between = if is_list(value) { "\n" } else { " " };
                format!("{name}:{between}{}", told(value))
            });
            fields.collect::<Vec<_>>().join("; ")
        }
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let items = items.iter().map(|item| format!("• {}", told(item)));
            items.collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

fn is_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_told_in_words() {
        assert_eq!(told(&json!("a")), "a");
        assert_eq!(told(&json!([])), "none");
        assert_eq!(
            told(&json!({"nodes": [{"id": "w1", "up": true}, {"id": "w2"}], "version": "476"})),
            "version: 476; nodes:\n• id: w1; up: true\n• id: w2"
        );
    }

    #[test]
    fn what_a_query_returned_is_not_the_platform() {
        assert_eq!(
            of_platform(&json!({"fingerprint": "ab", "nodes": []})),
            None
        );
        assert!(
            of_platform(&json!({"fingerprint": "ab", "version": "476"}))
                .is_some_and(|told| told == "version: 476")
        );
    }
}
