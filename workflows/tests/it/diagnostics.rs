//! A table of mistakes, each with its diagnostic as people see it. Every code of the language appears.

use std::collections::BTreeSet;

use crate::support::{HEAD, load_body, load_files, rendered, summary};
use flowctl_workflows::{Diagnostic, code};

/// The cases of one snapshot: a name and the body of a workflow, or whole files.
enum Case {
    Body(&'static str, &'static str),
    Files(&'static str, &'static [(&'static str, &'static str)]),
}

use Case::{Body, Files};

const CASES: &[Case] = &[
    Files(
        "yaml syntax",
        &[("w.yaml", "apiVersion: [flowctl/v1\nkind: Workflow\n")],
    ),
    Files("two documents", &[("w.yaml", "a: 1\n---\nb: 2\n")]),
    Files("nothing at all", &[("w.yaml", "")]),
    Files("no such file", &[("v.yaml", "")]),
    Files(
        "apiVersion and kind",
        &[(
            "w.yaml",
            "apiVersion: flowctl/v2\nkind: Wokflow\nmetadata: {name: w}\nsteps: [{id: a, uses: noop}]\n",
        )],
    ),
    Files(
        "a target is no workflow",
        &[(
            "w.yaml",
            "apiVersion: flowctl/v1\nkind: Target\nmetadata: {name: w}\n",
        )],
    ),
    Body(
        "merge keys and tags",
        "params: {a: &a {type: string}, b: {<<: *a, type: string}}\nsteps:\n  - {id: a, uses: !kind noop}\n",
    ),
    Body(
        "unknown keys",
        "steps:\n  - id: a\n    uses: noop\n    tiemout: 5s\n    colour: red\nstep: []\n",
    ),
    Body(
        "duplicate key",
        "steps:\n  - id: a\n    uses: noop\n    title: one\n    title: two\n",
    ),
    Body(
        "missing keys",
        "steps:\n  - id: a\n  - uses: noop\n  - {id: c, uses: noop, verify: {}, undo: {}, approval: {}}\n",
    ),
    Body("no steps", "params: {}\n"),
    Body(
        "wrong types",
        "timeout: 5\nsteps:\n  - {id: a, uses: noop, needs: b, gate: yes, when: true}\n  - {id: b, uses: [noop], with: text}\n  - just text\n",
    ),
    Body(
        "bad values",
        "steps:\n  - {id: a, uses: noop, on_failure: stop-dependent, retry: {attempts: 0, backoff: {jitter: some}}}\n  - {id: b, uses: noop, needs: [{step: a, is: done}, 5]}\n  - {id: c, uses: noop, retry: {attempts: 99999999999}}\n",
    ),
    Body(
        "bad ids",
        "criteria: [{id: SLA-1, text: x}]\nparams: {Rows: {type: integer, default: 1}}\nsteps:\n  - {id: Deploy-Trino, uses: noop}\n  - {id: '1a', uses: noop}\n",
    ),
    Body(
        "duplicate ids",
        "criteria: [{id: c, text: x}, {id: c, text: y}]\nsteps:\n  - {id: a, uses: noop}\n  - {id: b, uses: noop}\n  - {id: a, uses: noop}\n",
    ),
    Body(
        "bad durations",
        "timeout: 5 minutes\nsteps:\n  - {id: a, uses: noop, timeout: 1w, retry: {budget: '{{ params.x }}'}}\n",
    ),
    Body(
        "bad schedule",
        "schedule: {cron: '0 25 * * *', timezone: Europe/Zuerich}\nsteps: [{id: a, uses: noop}]\n",
    ),
    Body(
        "six fields",
        "schedule: {cron: '0 0 5 * * *'}\nsteps: [{id: a, uses: noop}]\n",
    ),
    Body(
        "unknown step",
        "steps:\n  - {id: deploy_trino, uses: noop}\n  - {id: b, uses: noop, needs: [deploy_trin, {step: other, is: failed}]}\n",
    ),
    Body(
        "needs teardown",
        "steps:\n  - {id: a, uses: noop, needs: [z]}\nfinally:\n  - {id: z, uses: noop, needs: [a]}\n",
    ),
    Body(
        "cycles",
        "steps:\n  - {id: a, uses: noop, needs: [c]}\n  - {id: b, uses: noop, needs: [a]}\n  - {id: c, uses: noop, needs: [x, b]}\n  - {id: x, uses: noop}\n  - {id: self, uses: noop, needs: [self]}\n",
    ),
    Body(
        "unknown criterion, objective, lock",
        "objectives: [{id: '3.1', title: One}]\ncriteria: [{id: sla_simple, objective: '3.2', text: x}]\nlocks: {etcd: 1}\nsteps:\n  - {id: a, uses: check, with: {url: x}, objective: '3.3', proves: sla_simpel, locks: [ectd]}\n  - id: b\n    uses: query\n    with: {queries: [{name: q, proves: nothing}]}\n",
    ),
    Body(
        "lock counts",
        "locks: {etcd: 2, none: 0}\nsteps:\n  - {id: a, uses: noop, locks: {etcd: 3}}\n  - {id: b, uses: noop, locks: {etcd: 0}}\n",
    ),
    Body(
        "proves nothing",
        "criteria: [{id: c, text: x}]\nsteps:\n  - {id: a, uses: query, with: {sql: SELECT 1}, proves: c}\n  - {id: b, uses: query, with: {sql: SELECT 1}, inapplicable: 'size(rows) == 0'}\n",
    ),
    Body(
        "unknown kind",
        "steps:\n  - {id: a, uses: shel, with: {run: x}}\n  - {id: b, uses: noop, verify: {uses: trino.query}}\n",
    ),
    Body(
        "kind parameters",
        "steps:\n  - {id: a, uses: query, with: {sqll: SELECT 1, rows: {min: many}, timeout: 5, mode: slow, count: '{{ params.n }}'}}\n  - {id: b, uses: check}\n  - {id: c, uses: shell, with: {argv: [a, 5, {secret: x}, {secert: x}]}}\n  - {id: d, uses: query, with: {timeout: 5 min, rows: {}}}\nparams: {n: {type: integer, default: 1}}\n",
    ),
    Body(
        "missing files",
        "steps:\n  - {id: a, uses: query, with: {file: sql/nothing.sql}}\n  - {id: b, uses: apply, with: {folder: nothing}}\n  - {id: c, uses: query, with: {file: ../../../../../etc/passwd}}\n  - {id: d, uses: query, with: {file: '{{ params.x }}.sql'}}\nparams: {x: {type: string, default: a}}\n",
    ),
    Files(
        "includes",
        &[
            (
                "w.yaml",
                "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: w}\ninclude: [a.yaml, nothing.yaml, /etc/passwd]\nsteps:\n  - {id: x, uses: noop}\n",
            ),
            (
                "a.yaml",
                "include: [parts/b.yaml]\nsteps:\n  - {id: x, uses: noop}\n  - {id: y, uses: noop, needs: [unknown]}\n",
            ),
            (
                "parts/b.yaml",
                "include: [../a.yaml]\nkind: Workflow\nparams: {p: {type: int}}\n",
            ),
        ],
    ),
    Body(
        "bad expressions",
        "steps:\n  - {id: a, uses: query, when: 'params.x ===  1', expect: ['rows[0', 'size(rows) > '], with: {sql: x}}\n  - {id: b, uses: noop, when: '{{ params.x }}'}\n  - id: c\n    uses: noop\n    when: |\n      1 == 1 &&\n      2 = 3\n",
    ),
    Body(
        "bad templates",
        "steps:\n  - {id: a, uses: shell, with: {run: 'echo {{ params.x'}}\n  - {id: b, uses: shell, with: {run: '{{upper run.id}} {{> part}}'}}\n  - id: c\n    uses: shell\n    with:\n      run: |\n        docker inspect x\n        docker inspect -f '{{ .Id }}' y\n",
    ),
    Body(
        "unknown names",
        "params: {rows: {type: integer, default: 1}}\nsteps:\n  - {id: a, uses: query, when: params.row > 1, expect: 'rowz[0][0] == param.rows', with: {sql: 'SELECT {{ item }} {{ run.name }} {{ workflow.name }} {{ nothing }}'}}\n  - {id: b, uses: noop, needs: [a], when: 'steps.a.rows == 1 && steps.a.output.row == 1 && steps.nothing.output.x == 1 && steps[params.x].output == 1'}\n",
    ),
    Body(
        "names in keys",
        "params: {name: {type: string, default: x}}\nsteps:\n  - {id: a, uses: shell, with: {run: 'true', env: {'A_{{ params.name }}': '1', 'B_{{ params.nam }}': '2'}}}\n",
    ),
    Body(
        "not upstream",
        "steps:\n  - {id: a, uses: query, with: {sql: x}}\n  - {id: b, uses: noop, needs: [a]}\n  - {id: c, uses: shell, needs: [b], with: {run: '{{ steps.a.output.rows }} {{ steps.d.output.x }}'}}\n  - {id: d, uses: shell, with: {run: '{{ steps.d.output.x }}'}, verify: {with: {run: '{{ steps.d.output.x }} {{ steps.c.output.y }}'}}}\nfinally:\n  - {id: e, uses: shell, with: {run: '{{ steps.c.output.y }}'}}\n",
    ),
    Files(
        "names in files",
        &[
            (
                "w.yaml",
                "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: w}\nsteps:\n  - {id: a, uses: query, with: {sql: x}}\n  - {id: b, uses: query, with: {file: sql/b.sql}}\n",
            ),
            (
                "sql/b.sql",
                "SELECT 1\nFROM {{ params.nothing }}\nWHERE x = {{ steps.a.output.rows.[0].[0] }}\n",
            ),
        ],
    ),
    Body(
        "foreach",
        "params: {tables: {type: list, default: [a]}}\nsteps:\n  - {id: a, uses: query, with: {sql: x}}\n  - {id: b, uses: shell, needs: [a], foreach: {items: steps.a.output.rows}, with: {run: '{{ item }}'}}\n  - {id: c, uses: shell, foreach: {items: ['{{ run.id }}'], as: t, max_parallel: 0}, with: {run: '{{ item }} {{ t }}'}}\n  - {id: d, uses: shell, foreach: {items: 'x {{ params.tables }}', key: run.id}, with: {run: x}}\n  - {id: e, uses: shell, foreach: {items: 5}, with: {run: x}}\n",
    ),
    Body(
        "bad defaults",
        "params:\n  a: {type: integer, default: five}\n  b: {type: string, default: 368}\n  c: {type: duration, default: 5}\n  d: {type: string, default: x, choices: [up, down]}\n  e: {type: text}\nsteps: [{id: a, uses: noop}]\n",
    ),
];

/// Codes that are shown by other tests: they need a target, a command line, bytes or sheer size.
const ELSEWHERE: &[&str] = &[
    code::NOT_UTF8,
    code::FILE_TOO_BIG,
    code::TOO_MANY_ALIASES,
    code::TOO_COMPLEX,
    code::BAD_PARAMETER_VALUE,
    code::MISSING_PARAMETER,
    code::WORKFLOW_NOT_FOUND,
    code::AMBIGUOUS_WORKFLOW,
    code::ENDPOINT,
    code::UNKNOWN_SECRET,
    code::UNSET_VARIABLE,
    code::STORED_VARIABLE,
];

fn diagnostics(case: &Case) -> (&'static str, Vec<Diagnostic>) {
    match case {
        Body(name, body) => (name, load_body(body).expect_err(name)),
        Files(name, files) => (name, load_files(files).expect_err(name)),
    }
}

#[test]
fn every_mistake_has_its_diagnostic() {
    for case in CASES {
        let (name, found) = diagnostics(case);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
            insta::assert_snapshot!(name.replace([' ', ','], "_"), rendered(&found));
        });
    }
}

#[test]
fn every_code_is_shown() {
    let shown: BTreeSet<&str> = CASES
        .iter()
        .flat_map(|case| diagnostics(case).1)
        .map(|diagnostic| diagnostic.code)
        .chain(ELSEWHERE.iter().copied())
        .collect();
    let missing: Vec<&&str> = code::ALL
        .iter()
        .filter(|code| !shown.contains(**code))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

#[test]
fn eight_mistakes_are_eight_diagnostics_with_their_lines() {
    let body = "\
params:
  rows: {type: integer, default: many}
criteria:
  - {id: sla, text: fast enough}
steps:
  - {id: a, uses: noop, tiemout: 5s}
  - {id: b, uses: nop}
  - {id: c, uses: noop, needs: [aa]}
  - {id: d, uses: noop, needs: [e]}
  - {id: e, uses: noop, needs: [d]}
  - {id: f, uses: query, with: {sql: x}, expect: 'rows[0][0] ==='}
  - {id: g, uses: shell, with: {run: 'echo {{ params.row }}'}}
  - {id: h, uses: check, with: {url: x}, proves: slaa}
";
    let found = load_body(body).unwrap_err();
    let expected = [
        ("bad_default", 5),
        ("unknown_key", 9),
        ("unknown_kind", 10),
        ("unknown_step", 11),
        ("cycle", 12),
        ("bad_expression", 14),
        ("unknown_parameter", 15),
        ("unknown_criterion", 16),
    ];
    assert_eq!(
        summary(&found),
        expected.map(|(code, line)| (code.to_owned(), line)),
        "{}",
        rendered(&found)
    );
    assert!(
        HEAD.lines().count() == 3
            && found
                .iter()
                .all(|d| d.labels[0].place.source.name() == "w.yaml")
    );
    let json = serde_json::to_value(&found[1]).unwrap();
    assert_eq!(
        (&json["file"], &json["line"], &json["column"]),
        (&"w.yaml".into(), &9.into(), &25.into())
    );
}
