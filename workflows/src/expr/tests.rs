use serde_json::json;

use super::*;

fn context() -> Context {
    Context::default()
        .with("params", json!({"rows": 2, "half": 0.5, "two": 2.0, "big": u64::MAX, "tables": ["a", "b"], "on": true}))
        .with_step("count", json!({"rows": [[2, "x"]], "size": 2}))
        .with_output(json!({"rows": [[2]], "text": "abc"}))
}

fn value(text: &str) -> Value {
    Expression::compile(text)
        .unwrap()
        .evaluate(&context())
        .unwrap()
}

fn error(text: &str) -> String {
    Expression::compile(text)
        .unwrap()
        .evaluate_bool(&context())
        .unwrap_err()
        .to_string()
}

fn names(text: &str) -> Vec<String> {
    Expression::compile(text)
        .unwrap()
        .references()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn expressions_see_the_context() {
    assert_eq!(value("rows[0][0] == params.rows"), json!(true));
    assert_eq!(
        value("output.rows[0][0] + steps.count.output.size"),
        json!(4)
    );
    assert_eq!(
        value("params.tables.all(t, t < 'c') && text.startsWith('a')"),
        json!(true)
    );
    assert_eq!(value("params.tables.map(t, t + '1')"), json!(["a1", "b1"]));
    assert_eq!(value("steps['count'].output.size"), json!(2));
    assert_eq!(value("has(params.nothing) || params.on"), json!(true));
}

#[test]
fn integers_and_floats_compare_by_value() {
    for text in [
        "params.two == 2",
        "2 == params.two",
        "params.rows == 2.0",
        "params.half < 1",
        "1 > params.half",
        "params.two <= params.rows",
        "params.rows != 2.5",
        "[2] == [2.0]",
        "params.rows in [2.0, 3.0]",
        "params.big > 5",
        "params.big > 5.0",
        "params.rows < params.big",
    ] {
        assert_eq!(value(text), json!(true), "{text}");
    }
}

#[test]
fn a_missing_name_is_an_error_that_names_it() {
    assert_eq!(
        error("params.row == 2"),
        "in `params.row == 2`: `params.row` does not exist; did you mean `rows`?"
    );
    assert_eq!(
        error("rowz[0] == 2"),
        "in `rowz[0] == 2`: `rowz` does not exist; did you mean `rows`?"
    );
    assert_eq!(
        error("rows[3][0] == 1"),
        "in `rows[3][0] == 1`: `rows[3]` does not exist; there is: 0 to 0"
    );
    assert_eq!(
        error("steps.other.output.x == 1"),
        "in `steps.other.output.x == 1`: `steps.other` does not exist; there is: count"
    );
}

#[test]
fn only_a_boolean_is_a_condition() {
    assert_eq!(
        error("params.rows"),
        "`params.rows` gives 2, expected true or false"
    );
    assert_eq!(
        error("text"),
        "`text` gives the text \"abc\", expected true or false"
    );
    assert_eq!(error("null"), "`null` gives null, expected true or false");
    assert!(
        error("params.rows + params.half == 2.5")
            .contains("convert with int(), double() or string()")
    );
    assert!(
        Expression::compile("params.rows")
            .unwrap()
            .evaluate_list(&context())
            .is_err()
    );
}

#[test]
fn names_are_listed_without_bound_variables() {
    assert_eq!(
        names("rows.all(r, r[0] > params.min) && has(x.y)"),
        ["rows", "params.min", "x.y"]
    );
    assert_eq!(
        names("steps.a.output.rows[0]['k'] == steps[params.s].output"),
        ["steps.a.output.rows[0].k", "params.s", "steps"]
    );
    assert_eq!(
        names("size(item.list) > 1 ? a : b.c"),
        ["item.list", "a", "b.c"]
    );
    let expression = Expression::compile("1 == 1 &&\n  params.rows == 2").unwrap();
    let reference = &expression.references()[0];
    assert_eq!(
        &expression.text()[reference.offset..reference.offset + reference.length],
        "params.rows"
    );
}

#[test]
fn a_mistake_has_its_place() {
    let error = |text: &str| Expression::compile(text).unwrap_err();
    assert_eq!(error("rows[0] === 1").offset, 10);
    assert_eq!(error("a &&\n b c").offset, 8);
    assert_eq!(error("  ").message, "the expression is empty");
    assert!(error(&"x".repeat(20_000)).message.contains("longer"));
    assert!(Expression::compile(&format!("{}1{}", "(".repeat(4000), ")".repeat(4000))).is_err());
    assert!(Expression::compile(&"!".repeat(9000)).is_err());
    assert!(Expression::compile(&format!("a{}", ".b".repeat(4000))).is_err());
    assert!(Expression::compile("Foo{a: 1}").is_err());
}
