//! An experiment that changes a setting, killed and stopped in the middle: the setting is put back.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::Place;

/// The setting is a program that stays: with it there is a file `setting`, without it none. A sample with the setting
/// does not end unless the file `go` exists.
const WORKFLOW: &str = r#"
criteria:
  - {id: same, text: "B takes no longer"}
steps:
  - id: compare
    uses: experiment
    with:
      sample:
        uses: shell
        with: {run: 'test -e go || test ! -e setting || exec sleep 60; echo "{\"time\": 2, \"rows\": \"r\"}"'}
      variants:
        a: {name: "off"}
        b:
          name: "on"
          change:
            uses: process
            with:
              name: setting
              dir: "{{ workflow.dir }}/run"
              argv: [sh, -c, "trap 'rm -f setting; exit 0' TERM; echo on > setting; sleep 1000 & wait"]
              ready: {argv: [test, -s, setting]}
      settle:
        - {uses: shell, with: {run: "echo settled >> settled"}}
      manipulation_check:
        uses: shell
        with: {run: "cat setting 2>/dev/null || echo off"}
        expect: {a: "stdout == 'off'", b: "stdout == 'on'"}
      restore_check:
        uses: shell
        with: {run: "cat setting 2>/dev/null || echo off"}
        same: stdout
      order: abba
      blocks: 5
      samples: 1
      warmup: 0
      metrics: [{name: time, unit: s, value: json.time}]
      equal: json.rows
      hypotheses: [{metric: time, effect: speedup, op: ">=", threshold: 1, proves: same}]
"#;

fn place() -> Place {
    let place = Place::new();
    place.workflow("w", WORKFLOW);
    place
}

fn is_on(place: &Place) -> bool {
    place.path().join("setting").exists()
}

/// The journal says that a change was made and that what follows on it was done: a sample is next.
fn is_changed(envelope: &Value) -> bool {
    let handle = &envelope["event"]["handle"];
    envelope["event"]["type"] == "step_checkpointed"
        && handle["active"]
            .as_array()
            .is_some_and(|active| !active.is_empty())
        && handle.get("unsettled").is_none()
}

#[test]
fn killed_between_the_change_and_the_measurement_a_resume_puts_back_and_measures_anew() {
    let place = place();
    let running = place.start(&["run", "w"], is_changed);
    assert!(is_on(&place));
    running.kill();
    assert!(is_on(&place), "nobody was there to put it back");
    place.write("go", "");
    let resumed = place.run(&["resume"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.transcript());
    assert!(!is_on(&place));
    let report = place.run(&["report", "latest", "--format", "json"]).json();
    let criterion = &report["criteria"][0];
    assert_eq!(criterion["verdict"], "PASS", "{criterion}");
    let status = place.status();
    assert_eq!(status["steps"][0]["state"], "succeeded");
    assert_eq!(status["steps"][0]["attempts"], 1);
}

#[test]
fn cancelled_between_the_change_and_the_measurement_it_puts_back() {
    let place = place();
    let running = place.start(&["run", "w"], is_changed);
    assert!(is_on(&place));
    running.signal(Signal::INT);
    assert_eq!(running.end(), 4);
    assert!(!is_on(&place));
}

#[test]
fn killed_and_then_cancelled_it_puts_back() {
    let place = place();
    place.start(&["run", "w"], is_changed).kill();
    assert!(is_on(&place));
    let cancelled = place.run(&["cancel", "latest"]);
    assert_eq!(cancelled.code(), 0, "{}", cancelled.transcript());
    assert!(!is_on(&place));
    let status = place.status();
    assert_eq!(status["state"], "cancelled");
    assert_eq!(status["steps"][0]["attempts"], 1, "nothing was begun anew");
    // It is over now, and a second cancel has nothing to do.
    assert_eq!(place.run(&["cancel", "latest"]).code(), 2);
}

#[test]
fn killed_and_then_resumed_only_to_be_cancelled_it_puts_back() {
    let place = place();
    place.start(&["run", "w"], is_changed).kill();
    assert!(is_on(&place));
    // Without `go` the sample that was under way does not end; the setting is put back all the same.
    let resumed = place.start(&["resume"], is_changed);
    resumed.signal(Signal::INT);
    assert_eq!(resumed.end(), 4);
    assert!(!is_on(&place));
}
