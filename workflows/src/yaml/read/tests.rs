use serde_json::json;

use super::*;

fn tree(text: &str) -> (Option<serde_json::Value>, Vec<Diagnostic>) {
    let (root, problems) = read(&SourceText::new("a.yaml", text), Budget::default());
    (root.map(|root| root.to_json()), problems)
}

fn codes(text: &str) -> Vec<&'static str> {
    tree(text).1.iter().map(|problem| problem.code).collect()
}

#[test]
fn values_keep_their_types_order_and_places() {
    let text = "b: [1, 'x', 2.5]\na: {c: ~, d: |\n    one\n    two\n  }\nk: !!str 5\n";
    let text = text.replace("|\n    one\n    two\n  }", "yes}");
    let source = SourceText::new("a.yaml", text.as_str());
    let (root, problems) = read(&source, Budget::default());
    assert!(problems.is_empty(), "{problems:?}");
    let root = root.unwrap();
    assert_eq!(
        root.to_json(),
        json!({"b": [1, "x", 2.5], "a": {"c": null, "d": "yes"}, "k": "5"})
    );
    let keys: Vec<&str> = root.entries().iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["b", "a", "k"]);
    assert_eq!(root.follow(["b", "1"]).spot.place(&source).text(), "'x'");
    assert_eq!(
        root.entry("k").unwrap().spot.place(&source).to_string(),
        "a.yaml:3:1"
    );
}

#[test]
fn a_block_scalar_is_whole_and_its_spot_ends_with_it() {
    let source = SourceText::new("a.yaml", "sql: |\n  SELECT 1\n  FROM t\n\nnext: 1\n");
    let (root, _) = read(&source, Budget::default());
    let root = root.unwrap();
    assert_eq!(root.get("sql").unwrap().text(), Some("SELECT 1\nFROM t\n"));
    assert!(
        root.get("sql")
            .unwrap()
            .spot
            .place(&source)
            .text()
            .ends_with("FROM t")
    );
}

#[test]
fn every_duplicate_key_is_reported_and_the_first_counts() {
    let (value, problems) = tree("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n");
    assert_eq!(value, Some(json!({"a": 1, "b": {"c": 1}})));
    assert_eq!(
        problems
            .iter()
            .map(|p| p.place().unwrap().line())
            .collect::<Vec<_>>(),
        [2, 3, 4]
    );
}

#[test]
fn aliases_repeat_values_but_not_without_end() {
    assert_eq!(
        tree("a: &x {b: 1}\nc: *x\n").0,
        Some(json!({"a": {"b": 1}, "c": {"b": 1}}))
    );
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert_eq!(codes(&bomb), [code::TOO_MANY_ALIASES]);
    assert_eq!(codes("a: &a [*a]\n"), [code::TOO_MANY_ALIASES]);
    let many = format!("a: &a 1\nb: [{}]\n", "*a, ".repeat(10_001));
    assert_eq!(codes(&many), [code::TOO_MANY_ALIASES]);
}

#[test]
fn what_the_language_leaves_out_is_named() {
    assert_eq!(codes("a: &a {b: 1}\nc:\n  <<: *a\n"), [code::YAML_FEATURE]);
    assert_eq!(codes("a: !secret x\n"), [code::YAML_FEATURE]);
    assert_eq!(codes("? [a, b]\n: 1\n"), [code::YAML_FEATURE]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), [code::MULTIPLE_DOCUMENTS]);
    assert_eq!(codes("a: [1\nb: 2\n"), [code::YAML_SYNTAX]);
    assert_eq!(codes("a: *nothing\n"), [code::YAML_SYNTAX]);
}

#[test]
fn depth_and_size_have_their_limits() {
    assert_eq!(
        codes(&format!("a: {}1{}", "[".repeat(150), "]".repeat(150))),
        [code::TOO_COMPLEX]
    );
    let small = Budget {
        values: 10,
        ..Budget::default()
    };
    let (_, problems) = read(&SourceText::new("a", "[1,2,3,4,5,6,7,8,9,10,11]"), small);
    assert_eq!(problems[0].code, code::TOO_COMPLEX);
    assert_eq!(tree(""), (Some(serde_json::Value::Null), vec![]));
    assert!(!codes(&"[".repeat(100_000)).is_empty());
}
