//! `run` and what can be seen of a run that is over.

use crate::support::Place;

const FAILING: &str = "steps:
  - id: good
    uses: shell
    with: {run: \"echo out; echo err >&2\"}
  - id: bad
    uses: shell
    needs: [good]
    with: {run: \"echo no >&2; exit 3\"}
  - id: after
    uses: noop
    needs: [bad]
";

#[test]
fn a_run_that_succeeds() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: noop}\n  - {id: b, uses: noop, needs: [a]}\n",
    );
    insta::assert_snapshot!(place.run(&["run", "w"]).transcript());
    insta::assert_snapshot!(place.run(&["status"]).transcript());
    insta::assert_snapshot!(place.run(&["runs"]).transcript());
    insta::assert_snapshot!(place.run(&["watch"]).transcript());
}

#[test]
fn a_run_that_fails() {
    let place = Place::new();
    place.workflow("w", FAILING);
    insta::assert_snapshot!(place.run(&["run", "w"]).transcript());
    insta::assert_snapshot!(place.run(&["explain", "latest"]).transcript());
    insta::assert_snapshot!(place.run(&["explain", "latest", "bat"]).transcript());
    insta::assert_snapshot!(place.run(&["logs", "latest", "good"]).transcript());
    insta::assert_snapshot!(place.run(&["logs", "latest", "bad"]).transcript());
    insta::assert_snapshot!(place.run(&["logs", "latest", "after"]).transcript());
    assert_eq!(place.run(&["watch", "--exit-status"]).code(), 1);
}

#[test]
fn status_has_the_promised_shape() {
    let place = Place::new();
    place.workflow("w", FAILING);
    assert_eq!(place.run(&["run", "w", "--quiet"]).code(), 1);
    let status = place.status();
    assert_eq!(
        (&status["workflow"], &status["state"]),
        (&"w".into(), &"failed".into())
    );
    assert!(status["run"].as_str().unwrap().starts_with("w-20"));
    let states: Vec<&str> = status["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["succeeded", "failed", "skipped"]);
    let bad = &status["steps"][1];
    assert_eq!((&bad["id"], &bad["attempts"]), (&"bad".into(), &1.into()));
    for time in ["started", "finished"] {
        let time = bad[time].as_str().unwrap();
        assert!(
            time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(),
            "{time}"
        );
    }
    assert_eq!(
        (&bad["error"]["class"], &bad["error"]["code"]),
        (&"permanent".into(), &"shell.exit".into())
    );
    assert!(
        bad["error"]["message"]
            .as_str()
            .unwrap()
            .contains("exit code 3")
    );
    assert!(bad["error"].as_object().unwrap().contains_key("help"));
    assert!(status["steps"][0]["error"].is_null() && status["steps"][2]["started"].is_null());
}

#[test]
fn verdicts_decide_the_exit_code() {
    let place = Place::new();
    place.workflow(
        "w",
        "params: {limit: {type: integer, default: 10}, open: {type: boolean, default: false}}
criteria:
  - {id: small, text: The number is small}
  - {id: other, text: Something else holds}
steps:
  - {id: measure, uses: shell, with: {run: echo 7}, expect: \"json < params.limit\", proves: [small]}
  - {id: look, uses: shell, when: \"!params.open\", with: {run: echo yes}, expect: \"stdout == 'yes'\", proves: [other]}
",
    );
    let code = |arguments: &[&str]| {
        let ran = place.run(&[&["run", "w", "--output", "json"], arguments].concat());
        assert_eq!(ran.json()["exit_code"], ran.code(), "{}", ran.transcript());
        ran.code()
    };
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&["--param", "limit=5"]), 1);
    assert_eq!(
        code(&["--param", "open=true"]),
        3,
        "a criterion that was not measured is not passed"
    );
    insta::assert_snapshot!(
        place
            .run(&["run", "w", "--param", "limit=5"])
            .stdout()
            .lines()
            .take(4)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn the_report_is_rendered_at_the_end_and_again_to_the_same_bytes() {
    let place = Place::new();
    place.workflow("w", FAILING);
    let ran = place.run(&["run", "w", "--output", "json"]).json();
    let directory = std::path::PathBuf::from(ran["report"].as_str().unwrap());
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let before = ["report.md", "report.json", "junit.xml", "report.html"].map(read);
    std::fs::remove_dir_all(&directory).unwrap();
    let again = place.run(&["report", "latest"]);
    assert_eq!(
        (again.code(), again.stdout().trim()),
        (0, directory.to_str().unwrap())
    );
    assert_eq!(
        before,
        ["report.md", "report.json", "junit.xml", "report.html"].map(read)
    );
    for (format, text) in ["md", "json", "junit", "html"].iter().zip(before) {
        assert_eq!(place.run(&["report", "--format", format]).stdout(), text);
    }
}

#[test]
fn jsonl_is_the_stored_events() {
    let place = Place::new();
    place.workflow("w", "steps:\n  - {id: a, uses: noop}\n");
    let printed = place.run(&["run", "w", "--output", "jsonl"]);
    let exported = place.run(&["state", "export"]);
    let values = |text: &str| -> Vec<serde_json::Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!(values(&printed.stdout()), values(&exported.stdout()));
    assert_eq!(
        values(&printed.stdout()),
        values(&place.run(&["watch", "--output", "jsonl"]).stdout())
    );
    let types: Vec<_> = values(&printed.stdout())
        .iter()
        .map(|envelope| envelope["event"]["type"].clone())
        .collect();
    assert_eq!(
        types,
        [
            "run_started",
            "step_started",
            "step_succeeded",
            "run_finished"
        ]
    );
}

#[test]
fn only_runs_what_is_named() {
    let place = Place::new();
    place.workflow("w", FAILING);
    let ran = place.run(&["run", "w", "--only", "good", "--quiet"]);
    assert_eq!(ran.code(), 0, "{}", ran.transcript());
    let states: Vec<_> = place.status()["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].clone())
        .collect();
    assert_eq!(states, ["succeeded", "skipped", "skipped"]);
}

#[test]
fn a_secret_reaches_the_program_and_nothing_else() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - id: a\n    uses: shell\n    with: {run: \"echo got $TOKEN\", env: {TOKEN: {secret: MY_TOKEN}}}\n    expect: \"stdout.size() > 4\"\n",
    );
    let output = place
        .command(&["run", "w", "--output", "jsonl"])
        .env("MY_TOKEN", "hunter2-hunter2")
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let logs = place.run(&["logs", "latest", "a"]).stdout();
    assert_eq!(logs, "got ***\n");
    assert!(!printed.contains("hunter2") && printed.contains("got ***"));
    assert!(
        !place
            .run(&["report", "--format", "md"])
            .stdout()
            .contains("hunter2")
    );
}

#[test]
fn a_state_is_carried_from_place_to_place() {
    let (from, to) = (Place::new(), Place::new());
    from.workflow("w", "steps:\n  - {id: a, uses: noop}\n");
    assert_eq!(from.run(&["run", "w", "--quiet"]).code(), 0);
    to.write(
        "export.jsonl",
        &from.run(&["state", "export", "latest"]).stdout(),
    );
    insta::assert_snapshot!(to.run(&["state", "import", "export.jsonl"]).transcript());
    insta::assert_snapshot!(to.run(&["state", "import", "export.jsonl"]).transcript());
    assert_eq!(from.status(), to.status());
    insta::assert_snapshot!(from.run(&["state", "check"]).transcript());
    let missing = to.run(&["state", "check"]);
    assert_eq!(
        missing.code(),
        5,
        "the export has no evidence: {}",
        missing.transcript()
    );
    to.write("broken.jsonl", "{\"format\":1}\n");
    assert_eq!(to.run(&["state", "import", "broken.jsonl"]).code(), 5);
}

#[test]
fn steps_that_work_on_a_target_are_not_begun_without_one() {
    let place = Place::new();
    let sample = "{uses: trino.query, with: {sql: SELECT 1}}";
    for (name, step) in [
        (
            "direct",
            "{id: ask, uses: trino.query, with: {sql: SELECT 1}}".to_owned(),
        ),
        (
            "probed",
            format!("{{id: ask, uses: noop, verify: {sample}}}"),
        ),
        (
            "undone",
            "{id: ask, uses: noop, undo: {on: always, uses: trino.query, with: {sql: SELECT 1}}}"
                .to_owned(),
        ),
    ] {
        place.workflow(
            name,
            &format!("steps:\n  - {{id: plain, uses: noop}}\n  - {step}\n"),
        );
        let ran = place.run(&["run", name, "--quiet"]);
        assert_eq!(ran.code(), 2, "{name}: {}", ran.stderr());
        assert!(
            ran.stderr().contains("`ask` works on a target"),
            "{}",
            ran.stderr()
        );
        assert!(
            ran.stderr().contains("--target rehearsal"),
            "{}",
            ran.stderr()
        );
        // What is left of it needs none.
        let ran = place.run(&["run", name, "--quiet", "--only", "plain"]);
        assert_eq!(ran.code(), 0, "{name}: {}", ran.stderr());
    }
}

#[test]
fn a_target_whose_keys_are_not_there_yet_stops_only_who_needs_it() {
    let place = Place::new();
    place.write(
        "targets/t.yaml",
        "apiVersion: flowctl/v1\nkind: Target\nmetadata: {name: t}\nsecrets: {KEY: {file: /no/such/file}}\n",
    );
    place.workflow("general", "steps:\n  - {id: a, uses: noop}\n");
    place.workflow("special", "steps:\n  - {id: a, uses: trino.info}\n");
    let general = place.run(&["run", "general", "--target", "t", "--quiet"]);
    assert_eq!(general.code(), 0, "{}", general.transcript());
    assert!(general.stderr().contains("the secret KEY cannot be read"));
    let special = place.run(&["run", "special", "--target", "t", "--quiet"]);
    assert_eq!(special.code(), 2, "{}", special.transcript());
    assert_eq!(
        place
            .run(&["runs", "--output", "json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
