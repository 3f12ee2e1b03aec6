//! Secrets are planted wherever one can come in, and a platform that knows them all says them back in every form and every
//! place. Then everything that flowctl wrote, printed or answered is searched for them: none is found. A word that is no
//! secret stands beside each of them and is found in the same places, so the search can find.

mod echo;
mod forms;
mod search;

use std::process::Stdio;

use echo::Echo;
use forms::Canary;
use search::Scan;

use crate::support::{Place, starts};

/// No secret: what is searched for to see that the search finds.
const MARKER: &str = "plainly-visible-marker";

const WORKFLOW: &str = r#"
objectives: [{id: "1", title: All}]
criteria:
  - {id: rows, objective: "1", text: "rows"}
  - {id: logged, objective: "1", text: "logs"}
  - {id: measured, objective: "1", text: "samples"}
steps:
  - id: printed
    uses: shell
    on_failure: continue
    with:
      run: |
        cat said.txt; cat said.txt >&2
        printf '%s' "$FROM_ENV" | base64; printf '%s' "$FROM_FILE" | od -An -tx1 | tr -d ' \n'; echo
        printf 'not text: \377 %s\n' "$FROM_KUBE"; env
        head -c 6 secret-file; head -c 300 secret-file | tail -c +7
        cat said.txt | tr '\n' ' '
      env: {FROM_ENV: {secret: FROM_ENV}, FROM_FILE: {secret: FROM_FILE}, FROM_KUBE: {secret: FROM_KUBE}}
  - {id: json, uses: shell, on_failure: continue, with: {argv: [cat, said.json]}}
  - {id: failed, uses: shell, on_failure: continue, with: {run: "tail -n 3 said.txt >&2; exit 3"}}
  - id: passed_on
    uses: shell
    needs: [printed]
    on_failure: continue
    with:
      argv: [sh, -c, "cat /proc/$$/cmdline /proc/$PPID/cmdline > seen-in-proc; cat", "{{ steps.printed.output.stdout }}"]
      stdin: "{{ steps.printed.output.stderr }}"
  - id: asked
    uses: http.check
    on_failure: continue
    with: {url: "http://ADDRESS/echo?q=1", method: POST, headers: {Authorization: {secret: JWT}}, send: {secret: FROM_FILE}}
  - id: asked_in_vain
    uses: http.check
    on_failure: continue
    with: {url: "http://ADDRESS/refuse", status: [201], headers: {X-Api-Key: {secret: FROM_ENV}}}
  - {id: rows, uses: trino.query, on_failure: continue, proves: [rows], with: {sql: "SELECT 1", rows: {min: 1}}}
  - {id: sql_error, uses: trino.query, on_failure: continue, with: {sql: "SELECT refuse"}}
  - {id: stored, uses: s3.put, on_failure: continue, with: {bucket: bucket, key: key, table: {rows: 2}}}
  - {id: samples, uses: prometheus.query, on_failure: continue, proves: [measured], with: {query: up, some: {above: 5}}}
  - {id: bad_query, uses: prometheus.query, on_failure: continue, with: {query: refuse, some: {above: 5}}}
  - id: logs
    uses: kube.logs
    on_failure: continue
    proves: [logged]
    with: {namespace: n, selector: app=a, min_pods: 1, forbid: [MARKER]}
  - {id: object, uses: kube.get, on_failure: continue, with: {kind: ConfigMap, namespace: n, name: c}}
  - {id: forbidden, uses: kube.get, on_failure: continue, with: {kind: ConfigMap, namespace: n, name: refuse}}
  - id: patched
    uses: kube.patch
    needs: [object]
    on_failure: continue
    with: {kind: ConfigMap, api_version: v1, namespace: n, name: plain, patch: {data: {other: x}}}
  - id: blocked
    uses: shell
    needs: [printed, {step: failed, is: [failed]}]
    with: {run: "cat said.txt; echo waiting; cat pipe"}
"#;

const TARGET: &str = "apiVersion: flowctl/v1
kind: Target
metadata: {name: t}
kubernetes: {kubeconfig: kubeconfig, context: it, lease_namespace: n}
trino: {url: 'http://ADDRESS', user: me, auth: {basic: {user: me, password: {secret: TRINO}}}}
s3: {url: 'http://ADDRESS', region: r, access_key: {secret: S3_ACCESS}, secret_key: {secret: S3_SECRET}}
prometheus: {url: 'http://ADDRESS', auth: {bearer: {token: {secret: JWT}}}}
secrets:
  FROM_FILE: {file: secret-file}
  FROM_KUBE: {kubernetes: n/s/k}
  TRINO: {env: TRINO_PASSWORD}
  JWT: {file: jwt-file}
  S3_ACCESS: {env: S3_ACCESS_KEY}
  S3_SECRET: {env: S3_SECRET_KEY}
";

#[test]
fn no_secret_is_found_in_anything_that_flowctl_leaves_or_says() {
    let canaries = Canary::all();
    let [
        from_env,
        from_file,
        from_kube,
        trino,
        jwt,
        access,
        secret,
        token,
    ] = &canaries[..]
    else {
        panic!("as many canaries as places");
    };
    let server = Echo::start(&canaries, from_kube);
    let place = Place::new();
    let led = |text: &str| {
        text.replace("ADDRESS", &server.address)
            .replace("MARKER", MARKER)
    };
    place.workflow("w", &led(WORKFLOW));
    place.write("targets/t.yaml", &led(TARGET));
    place.write("kubeconfig", &server.kubeconfig(token));
    place.write("secret-file", &format!("{}\n", from_file.value));
    place.write("jwt-file", &jwt.value);
    place.write("said.txt", &forms::said(&canaries));
    place.write("said.json", &forms::said_as_json(&canaries));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let command = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command
            .env("FROM_ENV", &from_env.value)
            .env("TRINO_PASSWORD", &trino.value)
            .env("S3_ACCESS_KEY", &access.value)
            .env("S3_SECRET_KEY", &secret.value)
            .env("FLOWCTL_LOG", "trace");
        command
    };
    let mut scan = Scan::new(&canaries);
    let say = |scan: &mut Scan, arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        scan.take(&format!("{arguments:?}, standard output"), &output.stdout);
        scan.take(&format!("{arguments:?}, standard error"), &output.stderr);
    };
    for arguments in [
        &["validate", "w"][..],
        &["graph", "w"],
        &["run", "w", "--target", "t", "--dry-run"],
        &["run", "w", "--target", "t", "--dry-run", "--output", "json"],
    ] {
        say(&mut scan, arguments);
    }

    // While it runs, through the socket of its holder.
    let mut running = command(&["run", "w", "--target", "t", "--output", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = search::drained(running.stderr.take().unwrap());
    let stdout = search::until(running.stdout.take().unwrap(), starts("blocked"));
    while !place.path().join("seen-in-proc").exists() {
        std::thread::yield_now();
    }
    let looks = |output: bool| {
        let mut looks: Vec<Vec<&str>> = vec![
            vec!["status"],
            vec!["runs"],
            vec!["explain", "latest"],
            vec!["report", "latest", "--format", "html"],
            vec!["report", "latest", "--format", "md"],
            vec!["report", "latest", "--format", "json"],
            vec!["report", "latest", "--format", "junit"],
            vec!["state", "export"],
            vec!["state", "check"],
        ];
        for step in [
            "printed",
            "json",
            "failed",
            "passed_on",
            "asked",
            "rows",
            "logs",
        ] {
            looks.push(vec!["logs", "latest", step]);
            looks.push(vec!["explain", "latest", step]);
            if output {
                looks.push(vec!["logs", "latest", step, "--output", "json"]);
                looks.push(vec!["explain", "latest", step, "--output", "json"]);
            }
        }
        if output {
            for verb in ["status", "runs", "explain"] {
                looks.push(vec![verb, "--output", "json"]);
            }
        }
        looks
    };
    for arguments in looks(false) {
        say(&mut scan, &arguments);
    }
    scan.take(
        "flowctl's own command line",
        &search::command_line(running.id()),
    );
    std::fs::write(place.path().join("pipe"), "over\n").unwrap();
    running.wait().unwrap();
    scan.take("run, standard output", &stdout.join().unwrap());
    scan.take("run, standard error", &stderr.join().unwrap());

    for arguments in looks(true) {
        say(&mut scan, &arguments);
    }
    say(&mut scan, &["report"]);
    say(
        &mut scan,
        &[
            "run", "w", "--target", "t", "--output", "text", "--param", "no=such",
        ],
    );
    scan.take(
        "the command lines of children",
        &std::fs::read(place.path().join("seen-in-proc")).unwrap(),
    );
    scan.folder("state", &place.state());
    scan.nothing_found();

    // The same places, searched for what may be there.
    for found in [
        "run, standard output",
        "run, standard error",
        "[\"logs\", \"latest\", \"printed\"], standard output",
        "[\"explain\", \"latest\"], standard output",
        "[\"status\"], standard output",
        "[\"state\", \"export\"], standard output",
        "[\"report\", \"latest\", \"--format\", \"html\"], standard output",
        "[\"report\", \"latest\", \"--format\", \"json\"], standard output",
        "the command lines of children",
        "state/evidence/",
        "state/reports/",
        "state/sled/",
    ] {
        assert!(
            scan.has_marker(found),
            "the marker is not in {found}: {:?}",
            scan.names()
        );
    }
    for asked in [
        "/echo",
        "/refuse",
        "/v1/statement",
        "/bucket/key",
        "/api/v1/query",
        "/log",
        "/configmaps/plain",
    ] {
        assert!(
            server.was_asked(asked),
            "{asked} was never asked: {:?}",
            server.asked()
        );
    }
}
