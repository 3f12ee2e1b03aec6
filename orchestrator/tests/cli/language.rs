//! Verbs that need no state: validate, graph, kinds, schema, init, and what is refused.

use crate::support::{HEADER, Place};

#[test]
fn eight_mistakes_are_eight_diagnostics_with_lines() {
    let place = Place::new();
    let text = format!(
        "{HEADER}metadata: {{name: broken}}
params:
  size: {{type: integer, default: many}}
criteria:
  - {{id: fast, text: Fast enough}}
steps:
  - id: Bad-Id
    uses: noop
  - id: a
    uses: nop
  - id: b
    uses: shell
    with: {{argvs: [echo]}}
  - id: c
    uses: noop
    needs: [missing]
  - id: d
    uses: noop
    needs: [e]
  - id: e
    uses: noop
    needs: [d]
  - id: f
    uses: noop
    timeout: soon
  - id: g
    uses: shell
    with: {{argv: [echo, \"{{{{ params.sise }}}}\"]}}
    proves: [slow]
"
    );
    place.write("broken.yaml", &text);
    let ran = place.run(&["validate", "./broken.yaml", "--output", "json"]);
    assert_eq!(ran.code(), 2);
    let answer = ran.json();
    let found: Vec<(u64, String)> = answer["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["line"].as_u64().unwrap(),
                d["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    for line in [5, 9, 12, 15, 18, 27, 30, 31] {
        assert!(
            lines.contains(&line),
            "nothing is said of line {line}: {found:?}"
        );
    }
    assert!(
        found.iter().any(|(_, code)| code == "flowctl::lang::cycle"),
        "{found:?}"
    );

    let people = place.run(&["validate", "./broken.yaml"]);
    assert_eq!((people.code(), people.stdout().as_str()), (2, ""));
    for (line, code) in &found {
        assert!(
            people.stderr().contains(code)
                && people.stderr().contains(&format!("broken.yaml:{line}:")),
            "{code}"
        );
    }
    assert_eq!(place.run(&["run", "./broken.yaml"]).code(), 2);
    assert!(
        !place.state().exists(),
        "an invalid workflow leaves no mark"
    );
}

#[test]
fn the_example_is_valid_and_is_not_overwritten() {
    let place = Place::new();
    insta::assert_snapshot!(place.run(&["init"]).transcript());
    insta::assert_snapshot!(place.run(&["init"]).transcript());
    insta::assert_snapshot!(
        place
            .run(&["validate", "example", "--target", "example"])
            .transcript()
    );
    let ran = place.run(&["run", "example", "--target", "example", "--quiet"]);
    assert_eq!(ran.code(), 0, "{}", ran.transcript());
    let failing = place.run(&["run", "example", "--param", "fail=true", "--quiet"]);
    assert_eq!(failing.code(), 1, "{}", failing.transcript());
    assert!(
        failing.stdout().contains("1 PASS, 1 FAIL"),
        "{}",
        failing.stdout()
    );
}

#[test]
fn a_graph_is_drawn_in_each_form() {
    let place = Place::new();
    place.workflow(
        "w",
        "steps:\n  - {id: a, uses: noop}\n  - {id: b, uses: noop, needs: [{step: a, is: failed}]}\nfinally:\n  - {id: z, uses: noop}\n",
    );
    for format in ["text", "dot", "mermaid"] {
        insta::assert_snapshot!(
            format!("graph_{format}"),
            place.run(&["graph", "w", "--format", format]).transcript()
        );
    }
    let json = place.run(&["graph", "w", "--format", "json"]).json();
    assert_eq!(json["steps"][1]["needs"][0]["step"], "a");
}

#[test]
fn a_dry_run_shows_what_would_run_and_leaves_no_mark() {
    let place = Place::new();
    place.workflow(
        "w",
        "params: {n: {type: integer, default: 3}}
steps:
  - id: a
    uses: shell
    with: {argv: [touch, \"file-{{ params.n }}\"]}
  - id: b
    uses: shell
    needs: [a]
    with: {argv: [echo, \"{{ steps.a.output.stdout }}\"]}
",
    );
    let ran = place.run(&["run", "w", "--dry-run", "--only", "b"]);
    insta::assert_snapshot!(ran.transcript());
    assert!(!place.state().exists() && !place.path().join("file-3").exists());
}

#[test]
fn kinds_document_themselves() {
    let place = Place::new();
    let listed = place.run(&["kinds"]);
    let names = place.run(&["kinds", "--output", "json"]).json();
    for kind in names.as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        assert!(listed.stdout().contains(name));
        let one = place.run(&["kinds", name]);
        assert_eq!(one.code(), 0);
        for part in ["effect", "PARAMETERS", "OUTPUT", "EXAMPLE"] {
            assert!(one.stdout().contains(part), "{name} lacks {part}");
        }
    }
    insta::assert_snapshot!(place.run(&["kinds", "noop"]).transcript());
    insta::assert_snapshot!(place.run(&["kinds", "shel"]).transcript());
}

#[test]
fn schemas_and_completions_are_printed() {
    let place = Place::new();
    for of in ["workflow", "target", "part"] {
        let schema = place.run(&["schema", of]).json();
        assert!(schema["properties"].is_object(), "{of}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            place
                .run(&["completions", shell])
                .stdout()
                .contains("flowctl"),
            "{shell}"
        );
    }
}

#[test]
fn wrong_usage_is_exit_2_and_help_is_data() {
    let place = Place::new();
    place.workflow(
        "phase",
        "params: {n: {type: integer}}\nsteps:\n  - {id: a, uses: noop}\n",
    );
    for arguments in [
        &["run", "phase", "--no-such-flag"][..],
        &["no-such-verb"],
        &["run", "phas"],
        &["run", "phase"],
        &["run", "phase", "--param", "n=x"],
        &["run", "phase", "--param", "n=1", "--only", "b"],
        &["run", "phase", "--param", "n=1", "--target", "nowhere"],
        &["run", "phase", "--jobs", "0"],
        &["resume"],
        &["status"],
        &["status", "nothing"],
        &["report"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(
            (ran.code(), ran.stdout().as_str()),
            (2, ""),
            "{arguments:?}: {}",
            ran.stderr()
        );
        assert!(!ran.stderr().is_empty());
    }
    assert!(
        place
            .run(&["run", "phas"])
            .stderr()
            .contains("did you mean `phase`?")
    );
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ran = place.run(arguments);
        assert_eq!((ran.code(), ran.stderr().as_str()), (0, ""));
    }
}

#[test]
fn with_two_targets_flowctl_asks_which() {
    let place = Place::new();
    let target = |name: &str| {
        format!(
            "apiVersion: flowctl/v1\nkind: Target\nmetadata: {{name: {name}}}\nparams: {{n: 7}}\n"
        )
    };
    place.workflow("w", "params: {n: {type: integer, default: 1}}\nsteps:\n  - id: a\n    uses: shell\n    with: {argv: [echo, \"{{ target.metadata.name }}\"]}\n");
    place.write("targets/example.yaml", &target("example"));
    place.write("targets/one.yaml", &target("one"));
    let only = place
        .run(&["run", "w", "--dry-run", "--output", "json"])
        .json();
    assert_eq!(
        (&only["target"], &only["params"]["n"]),
        (&"one".into(), &7.into()),
        "the example does not count"
    );
    place.write("targets/two.yaml", &target("two"));
    let asked = place.run(&["run", "w", "--dry-run"]);
    assert_eq!(asked.code(), 2);
    assert!(asked.stderr().contains("one, two"), "{}", asked.stderr());
    let chosen = place
        .command(&["run", "w", "--dry-run", "--output", "json"])
        .env("FLOWCTL_TARGET", "two")
        .output()
        .unwrap();
    assert!(
        String::from_utf8(chosen.stdout)
            .unwrap()
            .contains("\"target\": \"two\"")
    );
}
