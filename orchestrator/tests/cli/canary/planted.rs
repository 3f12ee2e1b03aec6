//! What is run: a step for each way in which a secret comes in and may be said back.

/// The steps; each may fail.
pub(super) const WORKFLOW: &str = r#"
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
  # Its answers are redirects to addresses that hold all secrets as parameters, without end.
  - id: redirected
    uses: http.check
    on_failure: continue
    with: {url: "http://ADDRESS/redirect", follow_redirects: true, headers: {X-Api-Key: {secret: FROM_KUBE}}}
  - {id: redirect, uses: http.check, on_failure: continue, with: {url: "http://ADDRESS/redirect?q=1"}}
  - {id: rows, uses: trino.query, on_failure: continue, proves: [rows], with: {sql: "SELECT 1", rows: {min: 1}}}
  - {id: sql_error, uses: trino.query, on_failure: continue, with: {sql: "SELECT refuse"}}
  - {id: stored, uses: s3.put, on_failure: continue, with: {bucket: bucket, key: key, table: {rows: 2}}}
  - {id: samples, uses: prometheus.query, on_failure: continue, proves: [measured], with: {query: up, some: {above: 5}}}
  - {id: bad_query, uses: prometheus.query, on_failure: continue, with: {query: refuse, some: {above: 5}}}
  # Errors that are not in the form of the protocol.
  - {id: sql_broken, uses: trino.query, on_failure: continue, with: {sql: "SELECT broken"}}
  - {id: store_broken, uses: s3.put, on_failure: continue, with: {bucket: bucket, key: broken, table: {rows: 2}}}
  - {id: query_broken, uses: prometheus.query, on_failure: continue, with: {query: broken, some: {above: 5}}}
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

/// Where the credentials come from: each way once.
pub(super) const TARGET: &str = "apiVersion: flowctl/v1
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
