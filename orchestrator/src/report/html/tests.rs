//! The page as text: what stands in it, what must never, and that each drawing has a mark for each datum.

#[cfg(feature = "browser")]
mod browser;
mod drawings;
mod everything;

use flowctl_state::event::{Event, RunOutcome};
use flowctl_state::run_state::RunState;
use flowctl_workflows::result::{ErrorClass, Evidence, Finding, Interval, Number, Verdict};
use serde_json::{Value, json};

use super::html;
use crate::report::tests::build;
use crate::report::tests::{done, failed, finding, finished, id, rich, start, state, step};

const HOSTILE: &str = "<script>alert('x')</script>&\"'";

/// The page without its style sheet, an element a line.
fn page(state: &RunState, records: &[(&str, Value)]) -> String {
    let record = |hash: &str| {
        let found = records.iter().find(|(known, _)| *known == hash)?;
        serde_json::to_vec(&found.1).ok()
    };
    let text = html(state, &build(state), &record);
    assert!(
        !text.contains(super::CONTENT.0),
        "each frame has its content"
    );
    let (head, rest) = text.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}{body}").replace("><", ">\n<")
}

/// One section of a page.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("<section id=\"{id}\""))
        .unwrap_or_else(|| panic!("no section {id}"));
    rest.split_once("</section>").unwrap().0
}

fn record(name: &str, sha256: &str) -> Evidence {
    Evidence {
        name: name.into(),
        sha256: sha256.into(),
        media_type: "application/json".into(),
        bytes: 100,
    }
}

fn number(name: &str, unit: &str, interval: Option<(f64, f64)>, target: &str) -> Number {
    Number {
        name: name.into(),
        value: 2.0,
        unit: unit.into(),
        interval: interval.map(|(low, high)| Interval {
            low: Some(low),
            high: Some(high),
            confidence: 0.9,
        }),
        target: (!target.is_empty()).then(|| target.into()),
        samples: Some(3),
    }
}

/// A run of one step of this kind that came to this.
fn measured(
    kind: &str,
    output: Value,
    findings: Vec<Finding>,
    evidence: Vec<Evidence>,
) -> RunState {
    let mut one = step("a", &["c"], &[]);
    one.role = flowctl_workflows::plan::Role::Kind(kind.into());
    state(
        vec![one],
        &["c"],
        vec![
            start("a", 1),
            Event::StepSucceeded {
                step: id("a"),
                attempt: 1,
                output,
                findings,
                evidence,
            },
            finished(RunOutcome::Succeeded),
        ],
    )
}

#[test]
fn a_small_report_is_this_page() {
    insta::assert_snapshot!(page(&rich(), &[]));
}

#[test]
fn the_parts_stand_in_the_order_of_reading() {
    let page = page(&rich(), &[]);
    let order = [
        "summary",
        "criteria",
        "graph",
        "timeline",
        "latency",
        "experiments",
        "alerts",
        "load",
        "changes",
        "environment",
        "unmeasured",
        "steps",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn nothing_is_loaded_from_anywhere_and_nothing_runs() {
    let page = html(&rich(), &build(&rich()), &|_| None);
    assert!(page.contains("default-src 'none'"));
    for never in [
        "<script", "src=", "url(", "@import", "http://", "https://", " style=", "onload",
    ] {
        assert!(!page.contains(never), "{never}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let mut found = finding(&[], Verdict::Fail, HOSTILE);
    found.about = HOSTILE.into();
    found.numbers = vec![number(HOSTILE, HOSTILE, Some((1.0, 3.0)), HOSTILE)];
    found.evidence = vec![HOSTILE.into(), "00".into()];
    let mut run = measured(
        "experiment",
        json!({"version": HOSTILE}),
        vec![found],
        vec![record(HOSTILE, "00")],
    );
    let plan = std::sync::Arc::make_mut(&mut run.plan);
    plan.title = HOSTILE.into();
    plan.criteria[0].text = HOSTILE.into();
    plan.criteria[0].objective = Some(HOSTILE.into());
    plan.objectives[0].title = HOSTILE.into();
    plan.params.insert(HOSTILE.into(), json!(HOSTILE));
    plan.steps[0].title = Some(HOSTILE.into());
    run.cancelled_by = Some(HOSTILE.into());
    let samples = json!({"units": {HOSTILE: HOSTILE}, "samples": [{"variant": HOSTILE, "block": 0, "warm_up": false, "values": {HOSTILE: 1.0}}]});
    let page = page(&run, &[("00", samples)]);
    assert!(!page.contains("<script"), "{page}");
    // Quotes close no attribute either.
    assert!(!page.contains("alert('x')</script>&\"'"));
    assert!(page.matches("&lt;script&gt;").count() > 12, "{page}");
}

#[test]
fn what_was_hidden_put_back_and_left_out_is_said() {
    let mut undone = step("a", &[], &[]);
    undone.role = flowctl_workflows::plan::Role::Kind("shell".into());
    let events = vec![
        start("a", 1),
        failed("a", 1, ErrorClass::Transient, Some(10)),
        start("a", 2),
        done("a", 2, vec![]),
        Event::StepSkipped {
            step: id("b"),
            reason: flowctl_state::event::SkipReason::Condition,
        },
        finished(RunOutcome::Succeeded),
    ];
    let page = page(
        &state(vec![undone, step("b", &["c"], &[])], &["c"], events),
        &[],
    );
    let unmeasured = section(&page, "unmeasured");
    for words in [
        "NOT RUN",
        "Steps that were skipped",
        "Failures that a retry hid",
        "it broke",
    ] {
        assert!(unmeasured.contains(words), "{words}: {unmeasured}");
    }
    assert!(section(&page, "changes").contains("Left as the run made it"));
}

#[test]
fn a_statement_that_only_read_changed_nothing() {
    let changes = |update_type: Value| {
        let output = json!({"update_type": update_type});
        let page = page(&measured("trino.query", output, vec![], vec![]), &[]);
        section(&page, "changes").to_owned()
    };
    assert!(changes(json!("INSERT")).contains("#step-a"));
    assert!(!changes(Value::Null).contains("#step-a"));
}

#[test]
fn a_rehearsal_says_so_at_the_top_and_on_every_sheet() {
    let mut run = rich();
    assert!(!page(&run, &[]).contains("REHEARSAL"));
    let plan = std::sync::Arc::make_mut(&mut run.plan);
    plan.target = serde_json::from_value(
        json!({"name": "any", "sha256": "00", "rehearsal": true, "view": {}}),
    )
    .ok();
    let page = page(&run, &[]);
    assert!(page.contains("<div class=\"rehearsal\""));
    assert!(page.contains("nothing in it passes"));
}
