//! What an experiment comes to: by speed, by rows, by whether its setting was active.

use flowctl_steps::step::Output;
use flowctl_workflows::result::{ErrorClass, Finding, Verdict};
use serde_json::{Value, json};

use super::world::{and, by_change, by_parameters, context, experiment, world};

async fn run(name: &str, with: Value) -> (Output, Value) {
    let test = context(name);
    let output = experiment(with).run(&test.context).await.unwrap();
    let record = test.sink.evidence_text("experiment.json").unwrap();
    (output, serde_json::from_str(&record).unwrap())
}

/// The worst verdict on a criterion, as a report draws it, with all reasons.
fn verdict(output: &Output, criterion: &str) -> (Verdict, String) {
    let about: Vec<&Finding> = output
        .findings
        .iter()
        .filter(|finding| finding.proves.iter().any(|id| id.as_str() == criterion))
        .collect();
    assert!(!about.is_empty(), "nothing is said of {criterion}");
    let worst = about
        .iter()
        .fold(Verdict::Pass, |worst, finding| worst.worst(finding.verdict));
    let reasons: Vec<&str> = about
        .iter()
        .map(|finding| finding.reason.as_str())
        .collect();
    (worst, reasons.join(" | "))
}

#[tokio::test]
async fn a_variant_that_is_faster_with_the_same_rows_passes() {
    let (output, record) = run("faster", by_parameters()).await;
    for criterion in ["faster", "fewer_bytes"] {
        let (verdict, reasons) = verdict(&output, criterion);
        assert_eq!(verdict, Verdict::Pass, "{reasons}");
    }
    let value = &output.value;
    assert_eq!(
        (&value["proven"], &value["equal"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(value["blocks_complete"], 6);
    let speedup = &value["hypotheses"][0];
    let number = |name: &str| speedup[name].as_f64().unwrap();
    assert!((2.7..3.3).contains(&number("value")), "{speedup}");
    assert!(
        number("low") <= number("value") && number("value") <= number("high"),
        "{speedup}"
    );
    assert!(number("detectable") > 1.0, "{speedup}");
    // Every sample is in the record, warm-ups too, and leads to its raw record and the platform's name for it.
    let samples = record["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 6 * 2 * (1 + 2));
    assert_eq!(
        samples
            .iter()
            .filter(|sample| sample["warm_up"] == true)
            .count(),
        12
    );
    assert_eq!(samples[0]["query_id"], "q1");
    assert_eq!(samples[0]["evidence"].as_array().unwrap().len(), 1);
    assert!(record["interval"]["seed"].is_u64());
    // And every finding leads to the record.
    assert!(
        output
            .findings
            .iter()
            .all(|finding| finding.evidence.len() == 1)
    );
}

#[tokio::test]
async fn numbers_carry_unit_threshold_and_interval() {
    let (output, _) = run("numbers", by_parameters()).await;
    let finding = &output.findings[2];
    assert_eq!(finding.about, "time: speedup of on against off >= 2.5");
    let effect = &finding.numbers[0];
    assert_eq!(
        (effect.unit.as_str(), effect.target.as_deref()),
        ("x", Some(">= 2.5"))
    );
    assert_eq!(effect.samples, Some(24));
    assert_eq!(effect.interval.unwrap().confidence, 0.9);
    let names: Vec<(&str, &str)> = finding
        .numbers
        .iter()
        .map(|number| (number.name.as_str(), number.unit.as_str()))
        .collect();
    assert_eq!(
        names[1..],
        [
            ("median time, off", "ms"),
            ("median time, on", "ms"),
            ("smallest speedup told from none", "x"),
            ("complete blocks", ""),
            ("outliers, counted like all", ""),
        ]
    );
}

#[tokio::test]
async fn different_rows_fail_whatever_the_speed() {
    let with = and(
        by_parameters(),
        &json!({"variants": {"b": {"with": {"rows": "wrong rows"}}}}),
    );
    let (output, _) = run("different-rows", with).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Fail);
    assert!(reasons.contains("2 different results"), "{reasons}");
    assert!(
        reasons.contains("\"wrong rows\" (0 of `off`, 18 of `on`)"),
        "{reasons}"
    );
    assert_eq!(output.value["equal"], false);
    // The speed itself was measured, and is shown.
    assert_eq!(output.value["hypotheses"][0]["verdict"], "PASS");
}

#[tokio::test]
async fn rows_that_change_within_a_variant_fail_too() {
    let with = and(
        by_parameters(),
        &json!({"sample": {"with": {"rows_change_at": 30}}}),
    );
    let (output, _) = run("rows-within", with).await;
    assert_eq!(verdict(&output, "faster").0, Verdict::Fail);
}

#[tokio::test]
async fn a_setting_that_is_never_active_is_inconclusive_and_no_sample_counts() {
    let expect = json!({"manipulation_check": {"expect": {"b": "speedup > 3.0"}}});
    let (output, record) = run("never-active", and(by_parameters(), &expect)).await;
    for criterion in ["faster", "fewer_bytes"] {
        let (verdict, reasons) = verdict(&output, criterion);
        assert_eq!(verdict, Verdict::Inconclusive, "{reasons}");
        assert!(reasons.contains("manipulation not proven"), "{reasons}");
        assert!(
            reasons.contains("`speedup > 3.0` is false (speedup is 3.0)"),
            "{reasons}"
        );
    }
    assert_eq!(output.value["proven"], false);
    assert_eq!(output.value["hypotheses"][0]["value"], Value::Null);
    assert_eq!(output.value["metrics"][0]["a"]["samples"], 0);
    // Nothing is hidden all the same.
    assert_eq!(record["judged"], false);
    assert!(!record["samples"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_change_that_does_nothing_is_seen_by_the_step_that_looks() {
    let with = and(
        by_change(),
        &json!({"variants": {"b": {"change": {"with": {"to": "no such value"}}}}}),
    );
    let (output, _) = run("silent", with).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reasons.contains("setting is \"no such value\""),
        "{reasons}"
    );
    assert_eq!(world("silent", |world| world.setting.clone()), "original");
}

#[tokio::test]
async fn a_change_of_setting_is_measured_and_put_back() {
    let (output, _) = run("change", by_change()).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Pass, "{reasons}");
    let restored = output.value["restored"].as_str().unwrap();
    assert!(restored.contains("seen to be as before"), "{restored}");
    let (setting, events) = world("change", |world| {
        (world.setting.clone(), world.events.clone())
    });
    assert_eq!(setting, "original");
    // One restart for each of the ten turns, one after the last putting back; no two under the same name.
    let restarts: Vec<&String> = events
        .iter()
        .filter(|event| event.starts_with("restart"))
        .collect();
    assert_eq!(restarts.len(), 11);
    assert!(restarts.last().unwrap().ends_with("with original"));
    let mut names = restarts.clone();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 11);
}

#[tokio::test]
async fn too_few_blocks_are_inconclusive() {
    let (output, _) = run("few", and(by_parameters(), &json!({"blocks": 4}))).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reasons.contains("5 complete blocks are needed"),
        "{reasons}"
    );
}

#[tokio::test]
async fn a_claim_that_does_not_hold_fails_and_a_close_one_is_open() {
    for (threshold, expected) in [(4.0, Verdict::Fail), (3.0, Verdict::Inconclusive)] {
        let mut with = by_parameters();
        with["hypotheses"][0]["threshold"] = json!(threshold);
        let (output, _) = run(&format!("claim-{threshold}"), with).await;
        let (verdict, reasons) = verdict(&output, "faster");
        assert_eq!(verdict, expected, "{reasons}");
    }
}

#[tokio::test]
async fn a_sample_that_its_platform_refuses_fails_the_experiment() {
    let with = and(
        by_parameters(),
        &json!({"variants": {"b": {"with": {"fails_at": 8}}}}),
    );
    let (output, _) = run("refused", with).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        reasons.contains("of `on`, failed: incorrect header check (probe.refused)"),
        "{reasons}"
    );
}

#[tokio::test]
async fn a_baseline_that_its_platform_refuses_says_nothing_of_the_change() {
    let with = and(
        by_parameters(),
        &json!({"variants": {"a": {"with": {"fails_at": 1}}}}),
    );
    let (output, _) = run("refused-baseline", with).await;
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reasons.contains("of `off`, failed"), "{reasons}");
    let passed = |finding: &Finding| finding.verdict == Verdict::Pass;
    assert!(!output.findings.iter().any(passed));
}

#[tokio::test]
async fn what_says_nothing_of_the_variants_fails_the_attempt_instead() {
    let test = context("busy");
    let with = and(
        by_parameters(),
        &json!({"sample": {"with": {"fails_at": 8, "transient": true}}}),
    );
    let error = experiment(with).run(&test.context).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(
        test.sink.evidence_text("experiment.json").is_some(),
        "what was measured is kept"
    );
}

#[tokio::test]
async fn samples_that_bring_nothing_are_not_judged() {
    for (name, more, expected) in [
        (
            "empty",
            json!({"sample": {"with": {"rows": ""}}}),
            "nothing to compare",
        ),
        (
            "text",
            json!({"metrics": [{"name": "time", "value": "label"}], "hypotheses": []}),
            "no number",
        ),
        (
            "doubtful",
            json!({"sample": {"with": {"finds": "INCONCLUSIVE"}}}),
            "is INCONCLUSIVE: it was told so",
        ),
    ] {
        let (output, _) = run(name, and(by_parameters(), &more)).await;
        let reason = output.value["ended_early"].as_str().unwrap();
        assert!(reason.contains(expected), "{reason}");
        assert!(
            output
                .findings
                .iter()
                .all(|finding| finding.verdict == Verdict::Inconclusive),
            "{name}"
        );
    }
    let (output, _) = run(
        "found-wrong",
        and(
            by_parameters(),
            &json!({"sample": {"with": {"finds": "FAIL"}}}),
        ),
    )
    .await;
    assert_eq!(verdict(&output, "faster").0, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_it_and_only_whole_blocks_count() {
    let with = json!({"sample": {"with": {"takes": 10}}, "budget": "280s"});
    let (output, record) = run("budget", and(by_parameters(), &with)).await;
    let reason = output.value["ended_early"].as_str().unwrap();
    assert!(
        reason.contains("the budget of 4m40s was used up"),
        "{reason}"
    );
    // 28 samples of 10 s: four blocks of six and a part of the fifth.
    assert_eq!(record["samples"].as_array().unwrap().len(), 28);
    assert_eq!(output.value["blocks_complete"], 4);
    assert_eq!(output.value["metrics"][0]["a"]["samples"], 8);
    let (verdict, reasons) = verdict(&output, "faster");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reasons.contains("after 4 complete blocks, and 5 are needed"),
        "{reasons}"
    );
}
