//! Where two documents differ, in words that lead to the place. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// A place where two documents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// For example `criteria[sla_simple].verdict`, or `line 12`.
    pub(super) place: String,
    /// What should stand there.
    pub(super) expected: String,
    /// What stands there.
    pub(super) found: String,
}

/// How much of a text is shown before and after the place.
const AROUND: usize = 60;
/// How much of a value is shown.
const SHOWN: usize = 160;
/// How many lines of one document are shown.
const LINES: usize = 5;

/// Where two JSON values differ, each at the deepest place that says it.
pub(super) fn of_values(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    descend(expected, found, "", &mut differences);
    differences
}

fn descend(expected: &Value, found: &Value, at: &str, into: &mut Vec<Difference>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in left {
                let place = join(at, name);
                match right.get(name) {
                    Some(other) => descend(value, other, &place, into),
                    None => into.push(difference(place, Some(value), None)),
                }
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                into.push(difference(join(at, name), None, Some(value)));
            }
        }
        (Value::Array(left), Value::Array(right)) => match (labels(left), labels(right)) {
            (Some(names), Some(others)) => by_label((left, &names), (right, &others), at, into),
            _ => by_place(left, right, at, into),
        },
        _ if expected == found => {}
        _ => into.push(difference(at.to_owned(), Some(expected), Some(found))),
    }
}

fn by_label(
    (left, names): (&[Value], &[&str]),
    (right, others): (&[Value], &[&str]),
    at: &str,
    into: &mut Vec<Difference>,
) {
    let before = into.len();
    for (name, value) in names.iter().zip(left) {
        let place = format!("{at}[{name}]");
        match others.iter().position(|other| other == name) {
            Some(other) => descend(value, &right[other], &place, into),
            None => into.push(difference(place, Some(value), None)),
        }
    }
    for (name, value) in others.iter().zip(right) {
        if !names.contains(name) {
            into.push(difference(format!("{at}[{name}]"), None, Some(value)));
        }
    }
    if into.len() == before && names != others {
        into.push(Difference {
            place: at.to_owned(),
            expected: short(&names.join(", ")),
            found: short(&others.join(", ")),
        });
    }
}

fn by_place(left: &[Value], right: &[Value], at: &str, into: &mut Vec<Difference>) {
    for place in 0..left.len().max(right.len()) {
        let name = format!("{at}[{place}]");
        match (left.get(place), right.get(place)) {
            (Some(value), Some(other)) => descend(value, other, &name, into),
            (value, other) => into.push(difference(name, value, other)),
        }
    }
}

/// What items are called, when each of them has a name of its own.
fn labels(items: &[Value]) -> Option<Vec<&str>> {
    let name = |item| {
        ["id", "about", "name", "attempt"]
            .iter()
            .find_map(|key| Value::get(item, key)?.as_str())
    };
    let names: Vec<&str> = items.iter().map(name).collect::<Option<_>>()?;
    let different: BTreeSet<&str> = names.iter().copied().collect();
    (different.len() == names.len()).then_some(names)
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn difference(place: String, expected: Option<&Value>, found: Option<&Value>) -> Difference {
    let shown = |value: Option<&Value>| {
        value.map_or_else(|| "nothing".to_owned(), |value| short(&value.to_string()))
    };
    Difference {
        place,
        expected: shown(expected),
        found: shown(found),
    }
}

fn short(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    shown + more
}

/// Where two texts differ, line by line; of texts with another number of lines only the first place.
pub(super) fn of_texts(expected: &str, found: &str) -> Vec<Difference> {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let most = if left.len() == right.len() { LINES } else { 1 };
    let different = (0..left.len().max(right.len()))
        .filter(|place| left.get(*place) != right.get(*place))
        .take(most)
        .map(|place| {
            let (expected, found) = around(left.get(place).copied(), right.get(place).copied());
            Difference {
                place: format!("line {}", place + 1),
                expected,
                found,
            }
        });
    let mut different: Vec<Difference> = different.collect();
    if different.is_empty() && expected != found {
        different.push(Difference {
            place: "its end".to_owned(),
            expected: format!("{} bytes", expected.len()),
            found: format!("{} bytes", found.len()),
        });
    }
    different
}

/// Both lines from a little before the first character that differs.
fn around(left: Option<&str>, right: Option<&str>) -> (String, String) {
    let (Some(left), Some(right)) = (left, right) else {
        let shown = |line: Option<&str>| line.map_or_else(|| "nothing".to_owned(), short);
        return (shown(left), shown(right));
    };
    let same = left
        .chars()
        .zip(right.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let cut = |line: &str| {
        let from = same.saturating_sub(AROUND);
        let piece: String = line.chars().skip(from).take(2 * AROUND).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if line.chars().count() > from + 2 * AROUND {
            "…"
        } else {
            ""
        };
        format!("{before}{piece}{after}")
    };
    (cut(left), cut(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(expected: &Value, found: &Value) -> Vec<String> {
        of_values(expected, found)
            .into_iter()
            .map(|difference| {
                format!(
                    "{}: {} -> {}",
                    difference.place, difference.expected, difference.found
                )
            })
            .collect()
    }

    #[test]
    fn a_difference_is_named_by_what_its_parts_are_called() {
        let report =
            |verdict: &str| json!({"criteria": [{"id": "a", "verdict": verdict}, {"id": "b"}]});
        assert_eq!(
            places(&report("FAIL"), &report("PASS")),
            [r#"criteria[a].verdict: "FAIL" -> "PASS""#]
        );
        let without = json!({"criteria": [{"id": "a", "verdict": "FAIL"}], "more": 1});
        assert_eq!(
            places(&report("FAIL"), &without),
            [
                r#"criteria[b]: {"id":"b"} -> nothing"#,
                "more: nothing -> 1"
            ]
        );
        let turned = json!({"criteria": [{"id": "b"}, {"id": "a", "verdict": "FAIL"}]});
        assert_eq!(places(&report("FAIL"), &turned), ["criteria: a, b -> b, a"]);
        assert_eq!(
            places(&json!([1, 2]), &json!([1, 3, 4])),
            ["[1]: 2 -> 3", "[2]: nothing -> 4"]
        );
        assert!(places(&report("FAIL"), &report("FAIL")).is_empty());
    }

    #[test]
    fn a_line_is_shown_from_a_little_before_the_difference() {
        let line = |number: u32| format!("a\n{}{number}{}\nb\n", "x".repeat(100), "y".repeat(200));
        let found = of_texts(&line(1), &line(2));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "line 2");
        assert!(found[0].expected.starts_with("…x") && found[0].expected.contains("x1y"));
        assert!(found[0].found.contains("x2y"));
        assert_eq!(of_texts("a\nb\n", "a\n")[0].found, "nothing");
        assert_eq!(of_texts("a\n", "a")[0].place, "its end");
        assert!(of_texts("a\n", "a\n").is_empty());
    }
}
