//! What a run has changed and not put back: `flowctl undo` does, however the run ended.

use serde_json::Value;

use crate::support::{Place, starts};

/// Two changes and a step that fails. The first change can only be put back when `may` is there.
const WORKFLOW: &str = "steps:
  - id: first
    uses: shell
    with: {run: \"echo changed > first\"}
    undo: {on: failure, with: {run: \"test -e may || exit 1; rm first; echo first >> undone\"}}
  - id: second
    uses: shell
    needs: [first]
    with: {run: \"echo changed > second\"}
    undo: {on: always, with: {run: \"rm second; echo second >> undone\"}}
  - id: third
    uses: shell
    needs: [second]
    with: {run: \"exit 3\"}
";

fn undo_starts(step: &str) -> impl Fn(&Value) -> bool {
    move |envelope| envelope["event"]["type"] == "undo_started" && envelope["event"]["step"] == step
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap_or_default()
}

#[test]
fn what_could_not_be_put_back_is_until_it_is() {
    let place = Place::new();
    place.workflow("w", WORKFLOW);
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    assert_eq!(
        (
            read(&place, "first").as_str(),
            read(&place, "second").as_str()
        ),
        ("changed\n", "")
    );

    let status = place.status();
    let second = &status["steps"][1];
    assert_eq!(second["state"], "succeeded");
    assert!(second["put_back"].is_string(), "{second}");
    assert!(
        status["steps"][0]["undo_error"]["message"].is_string(),
        "{status}"
    );
    let table = place.run(&["status"]).stdout();
    assert!(
        table.contains("put back") && table.contains("not put back:"),
        "{table}"
    );
    assert!(!table.contains("waiting"), "{table}");

    let still = place.run(&["undo", "--quiet"]);
    assert_eq!(still.code(), 1, "{}", still.transcript());
    assert!(
        still.stdout().starts_with("not put back: first: "),
        "{}",
        still.transcript()
    );
    let refused = place.run(&["run", "w"]);
    assert_eq!(refused.code(), 2);
    assert!(
        refused.stderr().contains("flowctl undo w-"),
        "{}",
        refused.stderr()
    );

    place.write("may", "");
    let done = place.run(&["undo", "--output", "json", "--quiet"]);
    assert_eq!(done.code(), 0, "{}", done.transcript());
    let done = done.json();
    assert_eq!(
        (&done["put_back"][0]["step"], &done["left"]),
        (&"first".into(), &Value::Array(vec![]))
    );
    assert_eq!(
        read(&place, "undone"),
        "second\nfirst\n",
        "each once, in reverse order"
    );
    assert_eq!(
        place.status()["state"],
        "failed",
        "the run stays what it came to"
    );
    let nothing = place.run(&["undo"]);
    assert_eq!((nothing.code(), nothing.stdout().as_str()), (0, ""));
    let story = place.run(&["explain", "latest", "first"]).stdout();
    assert!(story.contains("asked for it to be put back"), "{story}");
    assert_eq!(
        place.run(&["run", "w", "--quiet"]).code(),
        1,
        "nothing is in its way any more"
    );
}

#[test]
fn a_killed_run_is_stopped_and_put_back_and_a_killed_undo_goes_on() {
    let place = Place::new();
    let long = WORKFLOW.replace("exit 3", "exec sleep 60");
    let long = long.replace("test -e may || exit 1", "test -e may || exec sleep 60");
    place.workflow("w", &long);
    place.start(&["run", "w"], starts("third")).kill();
    place.start(&["undo"], undo_starts("first")).kill();
    assert_eq!(read(&place, "undone"), "second\n");
    assert_eq!(place.status()["state"], "interrupted");
    place.write("may", "");
    let done = place.run(&["undo"]);
    assert_eq!(done.code(), 0, "{}", done.transcript());
    assert!(
        done.stdout().contains("put back: first: "),
        "{}",
        done.transcript()
    );
    assert_eq!(read(&place, "undone"), "second\nfirst\n");
    assert_eq!(place.status()["state"], "cancelled");
}

#[test]
fn a_step_that_is_never_undone_is_when_it_is_named() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:
  - id: deploy
    uses: shell
    with: {run: \"echo there > deployed\"}
    undo: {on: never, with: {run: \"rm deployed\"}}
  - {id: other, uses: noop}
",
    );
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    assert_eq!(place.run(&["undo", "latest", "--quiet"]).code(), 0);
    assert_eq!(read(&place, "deployed"), "there\n");
    let done = place.run(&["undo", "latest", "deploy", "--quiet"]);
    assert_eq!(done.code(), 0, "{}", done.transcript());
    assert_eq!(done.stdout(), "put back: deploy: undone by its `undo:`\n");
    assert_eq!(read(&place, "deployed"), "");
    let status = place.status();
    assert_eq!(
        (&status["state"], &status["steps"][1]["state"]),
        (&"succeeded".into(), &"succeeded".into())
    );
    assert_eq!(place.run(&["undo", "latest", "deploi"]).code(), 2);
}
