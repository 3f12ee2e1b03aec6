//! A good workflow, and what becomes of it.

use flowctl_workflows::model::Items;
use flowctl_workflows::policy::{OnFailure, UndoWhen};
use flowctl_workflows::result::Outcome;
use flowctl_workflows::source::Disk;
use flowctl_workflows::{code, load};
use serde_json::json;

use crate::support::{HEAD, Kinds, load_body, load_files, rendered};

const MAIN: &str = "\
apiVersion: flowctl/v1
kind: Workflow
metadata: {name: phase-3, title: Phase 3}
schedule: {cron: '30 4 * * 1-5', timezone: Europe/Zurich}
timeout: 2h
include: [parts/deploy.yaml]
params:
  tables: {type: list, default: [a, b], description: What to seed}
objectives: [{id: '3.1', title: Deploy}, {id: '3.2', title: Measure}]
criteria: [{id: counts, objective: '3.2', text: Counts are right}]
locks: {trino: 2}
steps:
  - id: seed
    uses: query
    needs: [deploy, {step: probe, is: [failed, skipped]}]
    foreach: {items: '{{ params.tables }}', as: table, key: table, max_parallel: 1}
    with: {file: 'sql/{{ table }}.sql', rows: {min: '{{ params.rows }}'}}
    expect: rows[0][0] == params.rows
    proves: counts
    retry: {attempts: 4, backoff: {initial: 1s, factor: 2, max: 30s, jitter: none}}
    timeout: 5m
    locks: [trino]
    gate: true
    verify: {with: {sql: 'SELECT {{ steps.deploy.output.x }}'}, expect: size(rows) > 0}
    undo: {uses: shell, with: {run: drop}, on: failure}
finally:
  - {id: down, uses: shell, with: {run: 'echo {{ steps.deploy.output.x }}'}, on_failure: continue}
";

const PART: &str = "\
params: {rows: {type: integer, default: 5}}
steps:
  - {id: deploy, uses: apply, with: {folder: ../manifests}, approval: {message: 'Deploy {{ run.id }}?'}, undo: {on: always}}
  - {id: probe, uses: noop}
";

const FILES: &[(&str, &str)] = &[
    ("w.yaml", MAIN),
    ("parts/deploy.yaml", PART),
    ("manifests/a.yaml", "a: {{ params.rows }}\n"),
    ("manifests/sub/b.yaml", "b: 1\n"),
    ("sql/a.sql", "INSERT INTO {{ table }}"),
    ("sql/b.sql", "SELECT 1"),
    ("unused.sql", "SELECT {{ nothing }}"),
];

#[test]
fn everything_arrives_where_it_belongs() {
    let workflow = load_files(FILES).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    assert_eq!(
        (workflow.name.as_str(), workflow.title.as_str()),
        ("phase-3", "Phase 3")
    );
    assert_eq!(
        workflow
            .steps
            .iter()
            .map(|step| step.id.as_str())
            .collect::<Vec<_>>(),
        ["deploy", "probe", "seed"]
    );
    assert_eq!(
        workflow.params.keys().collect::<Vec<_>>(),
        ["rows", "tables"]
    );
    assert_eq!(workflow.teardown_timeout.to_string(), "10m");
    let seed = &workflow.steps[2];
    assert_eq!(
        seed.with,
        json!({"file": "sql/{{ table }}.sql", "rows": {"min": "{{ params.rows }}"}})
    );
    let foreach = seed.foreach.as_ref().unwrap();
    assert_eq!(
        (&foreach.items, foreach.name.as_str()),
        (&Items::Expression("params.tables".to_owned()), "table")
    );
    assert_eq!(seed.needs[1].is, [Outcome::Failed, Outcome::Skipped]);
    assert_eq!(
        (
            seed.retry.as_ref().unwrap().attempts,
            seed.gate,
            seed.expect.len(),
            seed.proves[0].as_str()
        ),
        (4, true, 1, "counts")
    );
    assert_eq!(seed.verify.as_ref().unwrap().uses, "query");
    let undo = seed.undo.as_ref().unwrap();
    assert_eq!(
        (undo.on, undo.by.as_ref().unwrap().uses.as_str()),
        (UndoWhen::Failure, "shell")
    );
    let deploy = &workflow.steps[0];
    assert_eq!(
        (&deploy.with, &deploy.undo.as_ref().unwrap().by),
        (&json!({"folder": "manifests"}), &None)
    );
    assert_eq!(workflow.finally[0].on_failure, OnFailure::Continue);
    assert_eq!(seed.place.to_string(), "w.yaml:13:9");
}

#[test]
fn every_file_that_is_mentioned_comes_along_with_its_hash_and_no_other() {
    let workflow = load_files(FILES).unwrap();
    let paths: Vec<&str> = workflow
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "manifests/a.yaml",
            "manifests/sub/b.yaml",
            "parts/deploy.yaml",
            "sql/a.sql",
            "sql/b.sql",
            "w.yaml"
        ]
    );
    assert_eq!(
        workflow.file("sql/b.sql").unwrap().sha256,
        "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5"
    );
}

#[test]
fn a_mistake_in_one_part_of_a_step_does_not_hide_another() {
    let body = "steps:\n  - {id: a, uses: query, timeout: 5, with: {sqll: x}, when: nothing, locks: [l], proves: c}\n";
    let codes: Vec<&str> = load_body(body)
        .unwrap_err()
        .iter()
        .map(|problem| problem.code)
        .collect();
    let expected = [
        code::WRONG_TYPE,
        code::UNKNOWN_KIND_PARAMETER,
        code::UNKNOWN_NAME,
        code::UNKNOWN_LOCK,
        code::UNKNOWN_CRITERION,
    ];
    assert_eq!(codes, expected);
}

#[test]
fn one_slip_does_not_bring_others_with_it() {
    // The step that cannot be read is still known by name, and so is what a misspelt need was meant to be.
    let body = "params: {p: {type: int}}\nsteps:\n  - {id: a, uses: [x]}\n  - {id: b, uses: shell, needs: [a], with: {run: '{{ steps.a.output.x }} {{ params.p }}'}}\n  - {id: long_name, uses: noop}\n  - {id: c, uses: shell, needs: [long_nam], with: {run: '{{ steps.long_name.output.x }}'}}\n  - {id: d, uses: shell, needs: 5, with: {run: '{{ steps.b.output.x }}'}}\n";
    let codes: Vec<&str> = load_body(body)
        .unwrap_err()
        .iter()
        .map(|problem| problem.code)
        .collect();
    assert_eq!(
        codes,
        [
            code::BAD_VALUE,
            code::WRONG_TYPE,
            code::UNKNOWN_STEP,
            code::WRONG_TYPE
        ]
    );
}

#[test]
fn files_on_disk_are_read_like_those_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let on_disk = load(&Disk::new(directory.path()), "w.yaml", &Kinds).unwrap();
    let in_memory = load_files(FILES).unwrap();
    assert_eq!(on_disk.files, in_memory.files);
    assert_eq!(on_disk.directory.as_deref(), directory.path().to_str());
    let missing = load(&Disk::new(directory.path()), "v.yaml", &Kinds).unwrap_err();
    assert_eq!(
        (missing[0].code, missing[0].help.as_deref()),
        (code::MISSING_FILE, Some("did you mean `w.yaml`?"))
    );
}

#[test]
fn secrets_pass_through_untouched() {
    let workflow = load_body("steps:\n  - {id: a, uses: shell, with: {run: x, env: {P: {secret: '{{ not.a.template }}'}}}}\n").unwrap();
    assert_eq!(
        workflow.steps[0].with["env"]["P"],
        json!({"secret": "{{ not.a.template }}"})
    );
    assert!(HEAD.starts_with("apiVersion"));
}
