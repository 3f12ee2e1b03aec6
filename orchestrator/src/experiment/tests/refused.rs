//! Parameters that do not fit together are refused before anything is touched.

use serde_json::{Value, json};

use super::world::{and, by_change, by_parameters, try_experiment};

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let mut without_check = by_change();
    without_check["restore_check"] = Value::Null;
    let cases = [
        (
            json!({"variants": {"b": {"name": "off"}}}),
            "both variants are called `off`",
        ),
        (
            json!({"variants": {"b": {"with": {"speedup": 1.0}}}, "sample": {"with": {"speedup": 1.0}}}),
            "do not differ",
        ),
        (
            json!({"variants": {"b": {"change": {"uses": "set", "with": {"to": "on"}}}}}),
            "needs `order: abba`",
        ),
        (json!({"samples": 0}), "must not be empty"),
        (json!({"metrics": []}), "must not be empty"),
        (
            json!({"metrics": [{"name": "time", "value": "a"}, {"name": "time", "value": "b"}]}),
            "two metrics",
        ),
        (
            json!({"metrics": [{"name": "size", "value": "a"}]}),
            "no metric `time`",
        ),
        (
            json!({"metrics": [{"name": "time", "value": "a +"}, {"name": "bytes", "value": "b"}]}),
            "no CEL",
        ),
        (json!({"equal": ""}), "no CEL"),
        (
            json!({"manipulation_check": {"expect": {"a": []}}}),
            "expects nothing",
        ),
        (
            json!({"manipulation_check": {"uses": "look", "expect": {"a": "before.requests > 0"}}, "warmup": 0}),
            "must not be 0",
        ),
        (
            json!({"sample": {"uses": "no.such"}}),
            "no step kind `no.such`",
        ),
        (
            json!({"sample": {"uses": "experiment"}}),
            "itself an experiment",
        ),
        (
            json!({"sample": {"with": {"no_such": 1}}}),
            "unknown field `no_such`",
        ),
        (
            json!({"hypotheses": [{"metric": "time", "effect": "speedup", "op": "==", "threshold": 1.0}]}),
            "unknown variant",
        ),
    ];
    for (more, expected) in cases {
        let error = try_experiment(and(by_parameters(), &more))
            .err()
            .unwrap_or_default();
        assert!(error.contains(expected), "{more}: {error:?}");
    }
    let error = try_experiment(without_check).err().unwrap_or_default();
    assert!(error.contains("needs a `restore_check:`"), "{error}");
    assert!(try_experiment(by_parameters()).is_ok());
    // What a template made a number of is text where the kind wants text.
    let number = json!({"sample": {"with": {"rows": 5}}});
    assert!(try_experiment(and(by_parameters(), &number)).is_ok());
    assert!(try_experiment(by_change()).is_ok());
}
