//! Which values no template of the chart reads. A chart without a schema takes any key and ignores
//! what it does not know, so a misspelt or renamed value changes nothing and nobody says so. Pure.
//!
//! A heuristic by names, and an honest one in one direction: a key that is mentioned anywhere in the
//! templates counts as read, even if it is another key of that name; one that is mentioned nowhere,
//! and does not lie below a value that is used as a whole, is read by nothing.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

/// Functions that take a value with all that lies below it.
const WHOLESALE: &[&str] = &[
    "toYaml",
    "toJson",
    "toPrettyJson",
    "toToml",
    "range",
    "tpl",
    "include",
    "template",
    "dict",
    "merge",
    "mergeOverwrite",
    "deepCopy",
    "keys",
    "values",
    "pluck",
    "pick",
    "omit",
    "list",
    "concat",
    "join",
];

/// What the templates mention.
#[derive(Debug, Default)]
struct Mentions {
    /// Keys, after a dot or between quotes.
    keys: HashSet<String>,
    /// Keys whose values are used as a whole.
    wholesale: HashSet<String>,
}

/// Paths of values that no template reads; those for subcharts and `global` are taken for read.
pub(super) fn unread(values: &Value, templates: &[String], subcharts: &[String]) -> Vec<String> {
    let Some(mentions) = mentions(templates) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in values.as_object().into_iter().flatten() {
        if key != "global" && !subcharts.contains(key) {
            walk(key, key.clone(), value, &mentions, &mut found);
        }
    }
    found
}

fn walk(key: &str, path: String, value: &Value, mentions: &Mentions, found: &mut Vec<String>) {
    if value.is_null() || mentions.wholesale.contains(key) {
        return;
    }
    if !mentions.keys.contains(key) {
        found.push(path);
        return;
    }
    for (below, value) in value.as_object().into_iter().flatten() {
        walk(below, format!("{path}.{below}"), value, mentions, found);
    }
}

/// What the actions between `{{` and `}}` mention.
fn mentions(templates: &[String]) -> Option<Mentions> {
    let action = Regex::new(r"(?s)\{\{-?(.*?)-?\}\}").ok()?;
    let chain = Regex::new(r"\.([A-Za-z_]\w*(?:\)*\.[A-Za-z_]\w*)*)").ok()?;
    let quoted = Regex::new(r#"["`]([^"`]*)["`]"#).ok()?;
    let word = Regex::new(r"[A-Za-z]+").ok()?;
    let mut mentions = Mentions::default();
    for template in templates {
        for found in action.captures_iter(template) {
            let (Some(whole), Some(text)) = (found.get(0), found.get(1)) else {
                continue;
            };
            let text = text.as_str().trim();
            if text.starts_with("/*") {
                continue;
            }
            mentions
                .keys
                .extend(quoted.captures_iter(text).map(|text| text[1].to_owned()));
            let plain = quoted.replace_all(text, "");
            let takes_all = word
                .find_iter(&plain)
                .any(|word| WHOLESALE.contains(&word.as_str()))
                || (plain.starts_with("with ") && uses_dot(&template[whole.end()..]));
            for path in chain.captures_iter(&plain) {
                let keys: Vec<&str> = path[1]
                    .split('.')
                    .map(|key| key.trim_end_matches(')'))
                    .collect();
                if let Some(last) = keys.last().filter(|last| takes_all && **last != "Values") {
                    mentions.wholesale.insert((*last).to_owned());
                }
                mentions.keys.extend(keys.into_iter().map(str::to_owned));
            }
        }
    }
    Some(mentions)
}

/// Whether the body of a `with`, up to its first end, uses the dot itself.
fn uses_dot(body: &str) -> bool {
    let body = body
        .find("end }}")
        .or_else(|| body.find("end -}}"))
        .map_or(body, |end| &body[..end]);
    [
        "{{ . ",
        "{{- . ",
        "{{ .}",
        "toYaml . ",
        "toYaml .|",
        "toJson . ",
        "tpl . ",
        "tpl (toYaml .)",
        "range .",
    ]
    .iter()
    .any(|use_| body.contains(use_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unread_in(template: &str, values: Value) -> Vec<String> {
        unread(&values, &[template.to_owned()], &["postgresql".to_owned()])
    }

    #[test]
    fn a_value_that_is_mentioned_nowhere_is_unread() {
        let template = "{{ .Values.server.workers }} {{- if .Values.coordinator.additionalJVMConfig }}x{{ end }}";
        let values = json!({"server": {"workers": 2}, "worker": {"replicas": 2}, "coordinator": {"jvm": {"additionalJvmConfig": "-X"}},
            "catalogs": {"iceberg": "x"}});
        assert_eq!(
            unread_in(template, values),
            ["worker", "coordinator.jvm", "catalogs"]
        );
    }

    #[test]
    fn below_a_value_that_is_used_as_a_whole_all_is_read() {
        for template in [
            "{{ toYaml .Values.resources | nindent 4 }}",
            "{{- range $k, $v := .Values.resources }}{{ end }}",
            "{{- with .Values.resources }}\n  {{- toYaml . | nindent 2 }}\n{{- end }}",
            "{{ include \"x\" (dict \"r\" .Values.resources) }}",
            "{{ $v := .Values }}{{ toYaml $v.resources }}",
        ] {
            assert!(
                unread_in(template, json!({"resources": {"limits": {"any": 1}}})).is_empty(),
                "{template}"
            );
        }
        let scope =
            "{{- with .Values.resources }}{{ .limits }}{{- end }}{{ toYaml .Values.other }}";
        assert_eq!(
            unread_in(scope, json!({"resources": {"limits": 1, "typo": 2}})),
            ["resources.typo"]
        );
    }

    #[test]
    fn keys_of_other_scopes_quoted_keys_and_subcharts_count_as_read() {
        let template = "{{ $role := index .Values \"worker\" }}{{ $role.heap }}{{ (.Values.a).b }}";
        let values = json!({"worker": {"heap": "1G"}, "a": {"b": 1}, "global": {"x": 1}, "postgresql": {"y": 1}, "off": null});
        assert!(unread_in(template, values).is_empty());
    }

    #[test]
    fn a_comment_reads_nothing() {
        assert_eq!(
            unread_in("{{/* .Values.gone */}}", json!({"gone": 1})),
            ["gone"]
        );
    }
}
