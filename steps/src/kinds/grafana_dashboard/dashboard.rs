//! A dashboard's JSON: its panels, their queries, and what keeps Grafana from loading it. Pure.

use std::time::Duration;

use serde_json::Value;

/// A dashboard, as far as it is judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dashboard {
    pub(super) title: String,
    pub(super) uid: Option<String>,
    pub(super) panels: Vec<Panel>,
    /// What is wrong with its form.
    pub(super) complaints: Vec<String>,
}

/// A panel that shows data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) queries: Vec<PanelQuery>,
}

/// One query of a panel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PanelQuery {
    /// With the dashboard's variables filled in.
    pub(super) expression: String,
    /// The data source, as the target or its panel names it.
    pub(super) datasource: Value,
    /// Variables that have no value.
    pub(super) unknown: Vec<String>,
}

/// Kinds of panels that show no data.
const WITHOUT_DATA: &[&str] = &["row", "text", "dashlist", "news", "welcome"];

/// Reads a dashboard. `over` is the time that its panels are asked for.
///
/// # Errors
/// In words, when it is no JSON object.
pub(super) fn parse(text: &str, over: Duration) -> Result<Dashboard, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    if !json.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    let mut complaints = Vec::new();
    let board = if json["dashboard"].is_object() && json["panels"].is_null() {
        complaints.push(
            "it is wrapped in `dashboard`, which is the form of the HTTP API; a sidecar or a file needs the bare object"
                .to_owned(),
        );
        &json["dashboard"]
    } else {
        &json
    };
    let text_of = |key: &str| board[key].as_str().filter(|text| !text.is_empty());
    if text_of("title").is_none() {
        complaints.push("it has no title, and Grafana refuses it".to_owned());
    }
    if text_of("uid").is_none() {
        complaints.push("it has no uid, so no address leads to it".to_owned());
    }
    let mut panels = Vec::new();
    collect(&board["panels"], board, over, &mut panels);
    if panels.is_empty() {
        complaints.push("it has no panel that shows data".to_owned());
    }
    for panel in panels.iter().filter(|panel| panel.queries.is_empty()) {
        complaints.push(format!("the panel `{}` has no query", panel.title));
    }
    Ok(Dashboard {
        title: text_of("title").unwrap_or("untitled").to_owned(),
        uid: text_of("uid").map(str::to_owned),
        panels,
        complaints,
    })
}

/// Panels, those inside rows among them.
fn collect(panels: &Value, board: &Value, over: Duration, into: &mut Vec<Panel>) {
    for panel in panels.as_array().map(Vec::as_slice).unwrap_or_default() {
        collect(&panel["panels"], board, over, into);
        let kind = panel["type"].as_str().unwrap_or_default();
        if WITHOUT_DATA.contains(&kind) {
            continue;
        }
        let targets = panel["targets"].as_array();
        let targets = targets.map(Vec::as_slice).unwrap_or_default();
        into.push(Panel {
            title: panel["title"].as_str().unwrap_or("untitled").to_owned(),
            queries: targets
                .iter()
                .filter(|target| target["hide"] != true)
                .filter_map(|target| query(target, panel, board, over))
                .collect(),
        });
    }
}

fn query(target: &Value, panel: &Value, board: &Value, over: Duration) -> Option<PanelQuery> {
    let expression = target["expr"].as_str()?;
    let datasource = [&target["datasource"], &panel["datasource"]]
        .into_iter()
        .find(|source| !source.is_null())
        .cloned()
        .unwrap_or_default();
    let (expression, unknown) = fill(expression, board, over);
    Some(PanelQuery {
        expression,
        datasource,
        unknown,
    })
}

/// Puts in the values of variables: `$name`, `${name}`, `${name:format}` and `[[name]]`.
fn fill(expression: &str, board: &Value, over: Duration) -> (String, Vec<String>) {
    let mut filled = String::new();
    let mut unknown = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(['$', '[']) {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((name, length)) = reference(rest) else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            filled.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        };
        match value_of(name, board, over) {
            Some(value) => filled.push_str(&value),
            None => {
                unknown.push(name.to_owned());
                filled.push_str(&rest[..length]);
            }
        }
        rest = &rest[length..];
    }
    filled.push_str(rest);
    (filled, unknown)
}

/// The name that the text begins with a reference to, and how long the reference is.
fn reference(text: &str) -> Option<(&str, usize)> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    for (open, close) in [("${", "}"), ("[[", "]]")] {
        if let Some(inner) = text.strip_prefix(open) {
            let (inner, _) = inner.split_once(close)?;
            let name = inner.split(':').next().unwrap_or(inner);
            return is_name(name).then_some((name, open.len() + inner.len() + close.len()));
        }
    }
    let after = text.strip_prefix('$')?;
    let end = after
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(after.len());
    is_name(&after[..end]).then_some((&after[..end], end + 1))
}

fn value_of(name: &str, board: &Value, over: Duration) -> Option<String> {
    match name {
        "__rate_interval" => return Some("1m".to_owned()),
        "__interval" => return Some("15s".to_owned()),
        "__range" => return Some(format!("{}s", over.as_secs())),
        _ => {}
    }
    let variables = board["templating"]["list"].as_array()?;
    let variable = variables.iter().find(|variable| variable["name"] == name)?;
    let one = |value: &Value| match value.as_str() {
        Some("$__all") => Some(".*".to_owned()),
        Some(text) if !text.is_empty() => Some(text.to_owned()),
        _ => None,
    };
    match &variable["current"]["value"] {
        Value::Array(values) => {
            let values: Option<Vec<String>> = values.iter().map(one).collect();
            values
                .filter(|values| !values.is_empty())
                .map(|values| values.join("|"))
        }
        value => one(value).or_else(|| one(&variable["query"])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OVER: Duration = Duration::from_secs(300);

    fn parsed(board: &Value) -> Dashboard {
        parse(&board.to_string(), OVER).unwrap()
    }

    #[test]
    fn panels_are_found_in_rows_and_those_without_data_left_out() {
        let board = json!({"title": "T", "uid": "u", "panels": [
            {"type": "row", "title": "R", "panels": [{"title": "inner", "targets": [{"expr": "a"}]}]},
            {"type": "text", "title": "words"},
            {"title": "outer", "datasource": {"uid": "p"}, "targets": [{"expr": "b"}, {"expr": "c", "hide": true}]}
        ]});
        let board = parsed(&board);
        let names: Vec<(&str, usize)> = board
            .panels
            .iter()
            .map(|panel| (panel.title.as_str(), panel.queries.len()))
            .collect();
        assert_eq!(names, [("inner", 1), ("outer", 1)]);
        assert_eq!(board.panels[1].queries[0].datasource, json!({"uid": "p"}));
        assert_eq!(board.complaints, Vec::<String>::new());
    }

    #[test]
    fn what_grafana_would_not_load_is_told() {
        // The form of the phase document.
        let wrapped = parsed(
            &json!({"dashboard": {"title": "T", "panels": [{"title": "p", "targets": [{"expr": "a"}]}]}}),
        );
        assert_eq!(wrapped.panels.len(), 1);
        assert_eq!(wrapped.complaints.len(), 2, "{:?}", wrapped.complaints);
        assert!(wrapped.complaints[0].contains("bare object"));
        let bare = parsed(&json!({"panels": [{"title": "p"}]}));
        assert_eq!(bare.complaints.len(), 3, "{:?}", bare.complaints);
        assert_eq!(
            parsed(&json!({"title": "T", "uid": "u"})).complaints,
            ["it has no panel that shows data"]
        );
        assert!(parse("[]", OVER).is_err());
        assert!(parse("{", OVER).is_err());
    }

    #[test]
    fn variables_get_their_values() {
        let board = json!({"templating": {"list": [
            {"name": "job", "current": {"value": ["a", "b"]}},
            {"name": "ns", "current": {"value": "$__all"}},
            {"name": "pod", "current": {}, "query": "x-1"},
            {"name": "none", "current": {"value": ""}}
        ]}});
        for (text, expected, unknown) in [
            ("rate(x[$__rate_interval])", "rate(x[1m])", vec![]),
            (
                "x[$__range] + y{j=~\"$job\", n=~\"${ns:regex}\"}",
                "x[300s] + y{j=~\"a|b\", n=~\".*\"}",
                vec![],
            ),
            ("z{p=\"[[pod]]\"}[5m]", "z{p=\"x-1\"}[5m]", vec![]),
            (
                "z{a=\"$none\", b=~\"x$\"}",
                "z{a=\"$none\", b=~\"x$\"}",
                vec!["none"],
            ),
        ] {
            let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
            assert_eq!(
                fill(text, &board, OVER),
                (expected.to_owned(), unknown),
                "{text}"
            );
        }
    }
}
