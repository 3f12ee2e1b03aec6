//! What each measurement comes to.

use flowctl_workflows::result::{Finding, Verdict};
use serde_json::{Value, json};

use super::*;
use crate::clients::s3::fake::{Gateway, s3_context, stranger};
use crate::testing::{TestContext, rejudged};

const SQL: &str = "SELECT * FROM S3Object s WHERE s._2 = 'category_3'";
const CONDITION: &str = "col._2 == 'category_3'";

fn with(other: Value) -> Value {
    let mut with = json!({
        "bucket": "shop", "key": "sample.csv", "sql": SQL, "input": {"csv": {"header": "ignore"}}, "runs": 1,
    });
    with.as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    with
}

fn build(other: Value) -> Result<Box<dyn Step>, String> {
    rejudged::<S3Select>(with(other))
}

async fn run(other: Value) -> (Result<Output, StepError>, TestContext) {
    let cx = s3_context("select", &Gateway::default().start());
    (build(other).unwrap().run(&cx.context).await, cx)
}

async fn found(other: Value) -> (Vec<Finding>, Value) {
    let (output, cx) = run(other).await;
    let output = output.unwrap();
    let kept: Vec<String> = cx
        .sink
        .evidence()
        .into_iter()
        .map(|kept| kept.sha256)
        .collect();
    for finding in &output.findings {
        assert!(!finding.evidence.is_empty());
        assert!(finding.evidence.iter().all(|hash| kept.contains(hash)));
    }
    (output.findings, output.value)
}

async fn verdict(other: Value) -> (Verdict, String) {
    let (findings, _) = found(other).await;
    assert_eq!(findings.len(), 1);
    (findings[0].verdict, findings[0].reason.clone())
}

#[tokio::test]
async fn the_same_rows_pass_with_their_bytes_and_times() {
    let (findings, value) = found(json!({"plain": {"where": CONDITION}, "runs": 3})).await;
    assert_eq!(findings[0].verdict, Verdict::Pass, "{}", findings[0].reason);
    assert_eq!(value["equal"], true);
    assert_eq!(
        value["rows"],
        json!([["3", "category_3"], ["23", "category_3"]])
    );
    assert_eq!(value["row_count"], 2);
    assert_eq!(value["plain_row_count"], 2);
    assert_eq!(value["stats"]["bytes_returned"], 27);
    assert_eq!(value["select_ms"].as_array().unwrap().len(), 3);
    assert_eq!(value["plain_ms"].as_array().unwrap().len(), 3);
    let number = |name: &str| {
        let found = findings[0]
            .numbers
            .iter()
            .find(|number| number.name == name);
        found.unwrap_or_else(|| panic!("no number {name}")).value
    };
    assert_eq!(number("rows selected"), 2.0);
    assert_eq!(number("lines of the object"), 40.0);
    assert_eq!(number("bytes returned, says the gateway"), 27.0);
    assert_eq!(
        number("bytes on the wire, select"),
        value["select_bytes"].as_f64().unwrap()
    );
    assert_eq!(
        number("bytes on the wire, plain GET"),
        value["plain_bytes"].as_f64().unwrap()
    );
    assert!(number("bytes on the wire, select") > 27.0);
}

#[tokio::test]
async fn other_rows_fail_and_name_one() {
    let (verdict, reason) =
        verdict(json!({"sql": "SELECT wrong", "plain": {"where": CONDITION}})).await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        reason.contains("only the select has [\"99\", \"category_3\"]"),
        "{reason}"
    );
    assert!(
        reason.contains("only the object has [\"3\", \"category_3\"]"),
        "{reason}"
    );
}

#[tokio::test]
async fn no_rows_are_no_evidence_unless_they_were_asked_for() {
    let none = json!({"sql": "SELECT 'nothing'", "plain": {"where": "col._2 == 'nothing'"}});
    let (first, reason) = verdict(none.clone()).await;
    assert_eq!(first, Verdict::Inconclusive, "{reason}");
    let mut asked = none;
    asked["rows"] = json!({"max": 0});
    assert_eq!(verdict(asked).await.0, Verdict::Pass);
    let empty = json!({"key": "empty.csv", "sql": "SELECT 'x'", "plain": {}, "rows": {"max": 5}});
    let (verdict, reason) = verdict(empty).await;
    assert_eq!(
        (verdict, reason.as_str()),
        (Verdict::Inconclusive, "s3://shop/empty.csv holds no rows")
    );
}

#[tokio::test]
async fn too_few_rows_fail_although_both_ways_agree() {
    let (verdict, reason) =
        verdict(json!({"plain": {"where": CONDITION}, "rows": {"min": 3}})).await;
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.contains(">= 3"), "{reason}");
}

#[tokio::test]
async fn a_count_is_compared_with_a_count() {
    let sql = "SELECT count(*) FROM S3Object s WHERE s._2 = 'category_3'";
    let (findings, value) =
        found(json!({"sql": sql, "plain": {"where": CONDITION, "count": true}})).await;
    assert_eq!(findings[0].verdict, Verdict::Pass);
    assert_eq!(value["rows"], json!([["2"]]));
    // A count of 0 is a row, and no evidence all the same.
    let none = json!({"sql": "SELECT count(*) 'nothing'", "plain": {"where": "col._2 == 'nothing'", "count": true}});
    assert_eq!(verdict(none).await.0, Verdict::Inconclusive);
}

#[tokio::test]
async fn the_saving_is_a_finding_of_its_own() {
    let with = |share: f64, sql: &str| json!({"sql": sql, "plain": {"where": CONDITION}, "saves": {"share": share, "proves": "transfer"}});
    // 27 bytes of rows in some 500 bytes of frames, of a plain object as large.
    let (findings, value) = found(with(0.99, SQL)).await;
    assert_eq!(findings[1].verdict, Verdict::Fail, "{}", findings[1].reason);
    assert_eq!(findings[1].proves[0].as_str(), "transfer");
    let saved = value["saved"].as_f64().unwrap();
    assert_eq!(findings[1].numbers[0].value, saved * 100.0);
    let wire = value["select_bytes"].as_f64().unwrap() / value["plain_bytes"].as_f64().unwrap();
    assert!((saved - (1.0 - wire)).abs() < 1e-9);
    // Saved bytes of wrong rows are no saving.
    let (findings, _) = found(with(0.1, "SELECT wrong")).await;
    assert_eq!(findings[1].verdict, Verdict::Fail, "{}", findings[1].reason);
    assert!(findings[1].reason.contains("not the same"));
}

#[tokio::test]
async fn two_pairs_are_too_few_to_judge_a_speedup() {
    let (findings, _) = found(json!({
        "plain": {"where": CONDITION}, "runs": 2, "speedup": {"factor": 2.5, "proves": "speedup"},
    }))
    .await;
    assert_eq!(findings[1].verdict, Verdict::Inconclusive);
    assert_eq!(findings[1].proves[0].as_str(), "speedup");
}

#[tokio::test]
async fn a_condition_that_does_not_fit_the_object_is_an_error() {
    let (output, _) = run(json!({"plain": {"where": "double(col._2) > 1.0"}})).await;
    let error = output.unwrap_err();
    assert_eq!(error.code, "s3.plain");
    assert!(error.message.contains("line 2 of the object"), "{error}");
}

#[tokio::test]
async fn a_probe_turns_the_answer_into_an_output() {
    for (word, supported, answer, expected) in [
        ("", true, "answered", Verdict::Pass),
        ("refused", false, "refused", Verdict::Inapplicable),
        ("unheard", false, "refused", Verdict::Inapplicable),
        ("empty", false, "broken", Verdict::Fail),
        ("pacific_error", false, "broken", Verdict::Fail),
    ] {
        let (findings, value) =
            found(json!({"sql": format!("SELECT 'category_3' {word}"), "probe": true})).await;
        assert_eq!(value["supported"], supported, "{word}");
        assert_eq!(value["answer"], answer, "{word}");
        assert_eq!(findings[0].verdict, expected, "{word}");
        if answer == "refused" {
            assert!(
                findings[0]
                    .reason
                    .contains(value["refusal"]["code"].as_str().unwrap())
            );
        }
    }
    let (_, value) = found(json!({"sql": "SELECT pacific_error", "probe": true})).await;
    assert!(
        value["broken"]
            .as_str()
            .unwrap()
            .contains("failure -->s3object;<---")
    );
}

#[tokio::test]
async fn a_probe_of_what_is_not_there_says_nothing_of_the_gateway() {
    for (other, code) in [
        (json!({"key": "gone.csv", "probe": true}), "s3.NoSuchKey"),
        (json!({"sql": "SELECT busy", "probe": true}), "s3.SlowDown"),
    ] {
        assert_eq!(run(other).await.0.unwrap_err().code, code);
    }
    let cx = stranger("select", &Gateway::default().start());
    let error = build(json!({"probe": true}))
        .unwrap()
        .run(&cx.context)
        .await
        .unwrap_err();
    assert_eq!(error.code, "s3.InvalidAccessKeyId");
}

#[tokio::test]
async fn a_failure_leaves_its_raw_record() {
    let (output, cx) = run(json!({"sql": "SELECT pacific_error", "plain": {}})).await;
    assert!(output.unwrap_err().help.is_some());
    let record: Value =
        serde_json::from_str(&cx.sink.evidence_text("select-failed.json").unwrap()).unwrap();
    assert_eq!(record["answer"]["events"]["Records"], 2);
    assert!(record["answer"]["wire_bytes"].as_u64().unwrap() > 100);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (other, reason) in [
        (json!({}), "exactly one of `plain:` and `probe: true`"),
        (
            json!({"plain": {}, "probe": true}),
            "exactly one of `plain:` and `probe: true`",
        ),
        (
            json!({"probe": true, "saves": {"share": 0.5}}),
            "compares nothing",
        ),
        (json!({"plain": {}, "input": {"parquet": {}}}), "only CSV"),
        (
            json!({"plain": {}, "saves": {"share": 50}}),
            "between 0 and 1",
        ),
        (json!({"plain": {}, "speedup": {"factor": -1}}), "above 0"),
        (json!({"plain": {}, "sql": " "}), "`sql:` is empty"),
        (json!({"plain": {}, "bucket": "A"}), "no name of a bucket"),
        (
            json!({"plain": {"where": "run.id == 'x'"}}),
            "knows `col` alone",
        ),
        (json!({"plain": {}, "rows": {}}), "`rows:` needs"),
    ] {
        let error = build(other.clone()).err().unwrap_or_default();
        assert!(error.contains(reason), "{other}: {error}");
    }
}
