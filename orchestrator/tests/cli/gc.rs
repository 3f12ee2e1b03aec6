//! `state gc`: old runs go with all that only they need, and nothing else does.

use serde_json::Value;

use crate::support::{Place, starts};

const FINE: &str =
    "steps:\n  - {id: a, uses: shell, with: {run: \"echo same; echo $FLOWCTL_STEP\"}}\n";
const UNDONE: &str = "steps:
  - id: a
    uses: shell
    with: {run: \"true\"}
    undo: {with: {run: \"test -e allowed\"}, on: always}
";

fn runs(place: &Place) -> Vec<String> {
    let runs = place.run(&["runs", "-n", "0", "--output", "json"]).json();
    let name = |run: &Value| run["run"].as_str().unwrap().to_owned();
    runs.as_array().unwrap().iter().map(name).collect()
}

fn files(place: &Place, below: &str) -> usize {
    let mut open = vec![place.state().join(below)];
    let mut count = 0;
    while let Some(path) = open.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => open.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => count += 1,
        }
    }
    count
}

fn is_whole(place: &Place) {
    let check = place.run(&["state", "check"]);
    assert_eq!(check.code(), 0, "{}", check.stdout());
}

#[test]
fn the_newest_runs_stay_and_the_rest_goes_with_what_only_it_needs() {
    let place = Place::new();
    place.workflow("w", FINE);
    for _ in 0..4 {
        assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    }
    let before = runs(&place);
    let evidence = files(&place, "evidence");

    let dry = place
        .run(&[
            "state",
            "gc",
            "--keep",
            "1",
            "--dry-run",
            "--output",
            "json",
        ])
        .json();
    assert_eq!(dry["runs"].as_array().unwrap().len(), 3, "{dry}");
    assert_eq!(
        (runs(&place), files(&place, "evidence")),
        (before.clone(), evidence),
        "a dry run removes nothing"
    );

    let gone = place
        .run(&["state", "gc", "--keep", "1", "--output", "json"])
        .json();
    assert_eq!(
        (&gone["runs"], &gone["kept"], &gone["evidence"]),
        (&dry["runs"], &1.into(), &dry["evidence"])
    );
    assert_eq!(runs(&place), before[..1]);
    assert_eq!(
        files(&place, "evidence") as u64,
        evidence as u64 - gone["evidence"]["records"].as_u64().unwrap()
    );
    for (place_in_list, run) in before.iter().enumerate() {
        let reports = place.state().join("reports").join(run);
        assert_eq!(reports.exists(), place_in_list == 0, "{run}");
    }
    is_whole(&place);
    assert_eq!(place.run(&["report", "latest"]).code(), 0);

    // What is over for less time than that stays.
    assert_eq!(place.run(&["state", "gc", "--older-than", "30d"]).code(), 0);
    assert_eq!(runs(&place), before[..1]);
    assert_eq!(place.run(&["state", "gc", "--older-than", "0s"]).code(), 0);
    assert_eq!(runs(&place), [""; 0]);
    assert_eq!(files(&place, "evidence"), 0);
    is_whole(&place);
    assert_eq!(
        place.run(&["run", "w", "--quiet"]).code(),
        0,
        "and it goes on"
    );
}

#[test]
fn an_unfinished_run_and_one_with_something_to_put_back_stay() {
    let place = Place::new();
    place.workflow(
        "wait",
        "steps:\n  - {id: a, uses: shell, with: {run: \"sleep 60\"}}\n",
    );
    place.workflow("undone", UNDONE);
    place.start(&["run", "wait"], starts("a")).kill();
    assert_eq!(place.run(&["run", "undone", "--quiet"]).code(), 1);
    assert_eq!(runs(&place).len(), 2);
    let gone = place
        .run(&["state", "gc", "--keep", "0", "--output", "json"])
        .json();
    assert_eq!(
        (&gone["runs"], &gone["kept"]),
        (&Value::Array(Vec::new()), &2.into())
    );
    assert_eq!(runs(&place).len(), 2);

    place.write("allowed", "");
    assert_eq!(place.run(&["undo", "undone"]).code(), 0);
    let gone = place
        .run(&["state", "gc", "--keep", "0", "--output", "json"])
        .json();
    assert_eq!(gone["runs"].as_array().unwrap().len(), 1, "{gone}");
    is_whole(&place);
}

#[test]
fn without_a_rule_nothing_is_removed() {
    let place = Place::new();
    assert_eq!(place.run(&["state", "gc"]).code(), 2);
}

#[test]
fn the_state_really_gets_smaller() {
    let place = Place::new();
    let noise = "head -c 300000 /dev/urandom | od -An -tx1";
    place.workflow(
        "w",
        &format!("steps:\n  - {{id: a, uses: shell, with: {{run: \"{noise}\"}}}}\n"),
    );
    for _ in 0..4 {
        assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 0);
    }
    let gone = place
        .run(&["state", "gc", "--keep", "1", "--output", "json"])
        .json();
    let bytes = |name: &str| gone[name].as_u64().unwrap();
    assert!(bytes("bytes_after") * 2 < bytes("bytes_before"), "{gone}");
    is_whole(&place);
}
