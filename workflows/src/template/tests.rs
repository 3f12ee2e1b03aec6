use serde_json::json;

use super::*;

fn context() -> Context {
    Context::default()
        .with(
            "params",
            json!({"rows": 5, "name": "a<b", "list": [1, 2], "none": null, "on": true}),
        )
        .with("item", json!({"id": "x"}))
        .with_step("count", json!({"rows": [[7, "y"]]}))
}

fn rendered(value: Value) -> Value {
    render(&value, &context()).unwrap()
}

fn error(text: &str) -> String {
    render(&json!(text), &context()).unwrap_err().to_string()
}

fn names(text: &str) -> Vec<String> {
    Template::compile(text)
        .unwrap()
        .references()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn one_name_keeps_its_type_and_text_is_not_escaped() {
    assert_eq!(
        rendered(
            json!({"n": "{{ params.rows }}", "l": ["{{params.list}}"], "t": "x > {{ params.name }}", "i": 3})
        ),
        json!({"n": 5, "l": [[1, 2]], "t": "x > a<b", "i": 3})
    );
    assert_eq!(
        rendered(json!("{{ steps.count.output.rows.[0].[1] }}")),
        json!("y")
    );
    assert_eq!(
        rendered(json!("{{steps.count.output.rows.0.0}} of {{{ item.id }}}")),
        json!("7 of x")
    );
    assert_eq!(
        rendered(json!("{{#each params.list}}{{this}},{{/each}}")),
        json!("1,2,")
    );
    assert_eq!(
        rendered(json!("{{#if params.on}}{{params.rows}}{{else}}no{{/if}}")),
        json!("5")
    );
    assert_eq!(rendered(json!("{{len params.list}}")), json!("2"));
    assert_eq!(
        rendered(json!({"secret": "{{x}}"})),
        json!({"secret": "{{x}}"})
    );
    assert_eq!(render_text("{{ params.rows }}", &context()).unwrap(), "5");
}

#[test]
fn a_key_is_rendered_as_a_text() {
    assert_eq!(
        rendered(json!({"{{ params.name }}.size": {"{{params.rows}}": "{{params.rows}}"}})),
        json!({"a<b.size": {"5": 5}})
    );
    let same = json!({"5": 1, "{{ params.rows }}": 2});
    assert_eq!(
        render(&same, &context()).unwrap_err().to_string(),
        r#"the key "{{ params.rows }}" becomes `5`, which stands beside it already"#
    );
    let no_text = json!({"{{ params.list }}": 1});
    assert!(render(&no_text, &context()).is_err());
}

#[test]
fn braces_can_be_escaped() {
    assert_eq!(
        rendered(json!(r"\{{ .Values.x }} {{params.rows}}")),
        json!("{{ .Values.x }} 5")
    );
    assert_eq!(
        rendered(json!("{{{{raw}}}}{{ .Id }}{{{{/raw}}}}")),
        json!("{{ .Id }}")
    );
    assert_eq!(names(r"\{{ nothing }} {{ params.rows }}"), ["params.rows"]);
}

#[test]
fn what_is_missing_or_no_text_is_an_error() {
    assert_eq!(
        error("{{ params.row }}"),
        "in a template: `params.row` does not exist; did you mean `rows`?"
    );
    assert_eq!(
        error("x{{ params.row }}"),
        "in a template: `params.row` does not exist; did you mean `rows`?"
    );
    assert_eq!(
        error("x{{ params.list }}"),
        "`params.list` is a list and cannot stand inside a text"
    );
    assert_eq!(
        error("x{{ params.none }}"),
        "`params.none` is null and cannot stand inside a text"
    );
    assert!(error("{{#each params.list}}{{this.nothing}}{{/each}}").contains("does not exist"));
    assert!(render_text("{{ params.list }}", &context()).is_err());
}

#[test]
fn names_are_listed_with_their_places() {
    let text = "params.rows {{ params.rows }}\n{{#if steps.a.output.x}}{{ run.id }}{{else}}{{target.y}}{{/if}}";
    let template = Template::compile(text).unwrap();
    let found: Vec<(&str, usize)> = template
        .references()
        .iter()
        .map(|r| (&text[r.offset..r.offset + r.length], r.offset))
        .collect();
    assert_eq!(
        found,
        [
            ("params.rows", 15),
            ("steps.a.output.x", 36),
            ("run.id", 57),
            ("target.y", 76)
        ]
    );
    assert_eq!(
        names("{{#each params.list}}{{this.x}}{{y}}{{@root.run.id}}{{/each}}"),
        ["params.list", "run.id"]
    );
    assert_eq!(
        names("{{eq (len params.list) item.n}}"),
        ["params.list", "item.n"]
    );
    assert!(names("no braces").is_empty());
}

#[test]
fn a_mistake_is_found_before_anything_is_rendered() {
    let error = |text: &str| Template::compile(text).unwrap_err();
    assert_eq!(error("a\nb {{ params.x").offset, 15);
    assert!(
        error("{{#if a}}x").message.contains("expected"),
        "{}",
        error("{{#if a}}x").message
    );
    assert!(
        error("{{upper params.x}}")
            .message
            .starts_with("there is no helper `upper`")
    );
    assert!(error("{{> part}}").message.contains("partials"));
    assert!(
        error("{{log params.x}}")
            .message
            .starts_with("there is no helper `log`")
    );
    assert!(
        error(&format!("{{{{a {}", "(a ".repeat(5000)))
            .message
            .contains("inside each other")
    );
    assert!(
        error(&"{{#if a}}".repeat(5000))
            .message
            .contains("inside each other")
    );
    assert!(
        error(&"{{a}}".repeat(2_001))
            .message
            .contains("more than 2000")
    );
    assert!(
        error(&format!("{{{{a}}}}{}", "x".repeat(2 << 20)))
            .message
            .contains("KiB")
    );
    assert!(error(&"{{#if a}}".repeat(16)).message.contains("expected"));
    assert!(Template::compile(&format!("{{{{a {}b", "(eq a ".repeat(16))).is_err());
}
