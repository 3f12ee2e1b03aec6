//! Target files.

use flowctl_workflows::source::Memory;
use flowctl_workflows::{Diagnostic, Lookup, TargetFile, code, load_target};
use serde_json::json;

use crate::support::{rendered, summary};

fn read(text: &str) -> Result<TargetFile, Vec<Diagnostic>> {
    let env = |name: &str| (name == "USER_NAME").then(|| "ann".to_owned());
    let lookup = Lookup {
        lab: Some("/cache/lab".to_owned()),
        home: Some("/home/ann".to_owned()),
        env: &env,
    };
    load_target(
        &Memory::new("targets/", [("t.yaml", text)]),
        "t.yaml",
        &lookup,
    )
}

const GOOD: &str = "\
apiVersion: flowctl/v1
kind: Target
metadata: {name: lab}
kubernetes: {kubeconfig: '{{ flowctl.lab }}/kubeconfig', context: lab}
trino: {service: 'data-platform/trino:8080', direct: true, user: ann, auth: {basic: {user: u, password: {secret: trino}}}}
s3: {url: http://127.0.0.1:7480, access_key: {secret: key}, secret_key: {secret: key}}
prometheus: {url: https://p.example, ca_file: '~/{{ env.USER_NAME }}.pem', auth: {bearer: {token: {secret: trino}}}}
secrets:
  trino: {file: ~/token}
  key: {env: S3_KEY}
params: {rows: 5, path: '{{ flowctl.lab }}/x'}
";

#[test]
fn a_target_is_expanded_and_its_view_has_no_secrets() {
    let file = read(GOOD).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    let target = &file.target;
    assert_eq!(
        target.kubernetes.as_ref().unwrap().kubeconfig.as_deref(),
        Some("/cache/lab/kubeconfig")
    );
    assert_eq!(target.trino.as_ref().unwrap().user, "ann");
    assert_eq!(
        target.prometheus.as_ref().unwrap().ca_file.as_deref(),
        Some("/home/ann/ann.pem")
    );
    assert_eq!(
        (&target.params["rows"], &target.params["path"]),
        (&json!(5), &json!("/cache/lab/x"))
    );
    assert_eq!(file.identity.name, "lab");
    assert_eq!(
        file.identity.view["trino"]["service"],
        "data-platform/trino:8080"
    );
    assert!(
        file.identity.view.get("secrets").is_none()
            && !file.identity.view.to_string().contains("S3_KEY")
    );
}

#[test]
fn every_mistake_in_a_target_is_shown() {
    let text = "\
apiVersion: flowctl/v1
kind: Target
metadata: {name: Lab}
trino: {url: http://t:8080, service: a/b:1, auth: {basic: {user: u, password: {secret: trinoo}}}}
s3: {url: 'http://user:pass@s3', access_key: {secret: key}, secret_key: {secret: trino}, regoin: x}
prometheus: {direct: true}
alertmanager: {service: alertmanager, user: x}
grafana: {url: ftp://g, auth: {kerberos: {}}}
secrets: {trino: {env: '{{ env.NOTHING }}'}, key2: {vault: x}}
params: {x: '{{ params.y }}'}
";
    let found = read(text).unwrap_err();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("target", rendered(&found));
    });
    // What the schema refuses hides what depends on it; repaired, the rest comes to light.
    let repaired = text
        .replace("name: Lab", "name: lab")
        .replace(", regoin: x", "")
        .replace(", user: x}", "}")
        .replace(", auth: {kerberos: {}}", "")
        .replace(", key2: {vault: x}", "")
        .replace("{{ env.NOTHING }}", "X")
        .replace("{{ params.y }}", "y");
    let found = read(&repaired).unwrap_err();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("target_meaning", rendered(&found));
    });
    assert!(
        !rendered(&found).contains(": `http://user:pass"),
        "the message must not repeat credentials"
    );
    assert!(
        summary(&found)
            .iter()
            .any(|(code, _)| code::ENDPOINT.ends_with(code.as_str()))
    );
}

#[test]
fn a_variable_has_no_place_in_what_is_stored_with_every_run() {
    let variable = "{{ env.USER_NAME }}";
    for (line, changed) in [
        ("user: ann", format!("user: '{variable}'")),
        (
            "url: http://127.0.0.1:7480",
            format!("url: 'http://s3/{variable}'"),
        ),
        ("context: lab", format!("context: '{variable}'")),
        ("rows: 5", format!("ca_file: ['{variable}']")),
        (
            "metadata: {name: lab}",
            format!("metadata: {{name: lab, title: '{variable}'}}"),
        ),
    ] {
        let text = GOOD.replace(line, &changed);
        assert_ne!(text, GOOD, "{line}");
        let problems = read(&text).unwrap_err();
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(
            codes,
            [code::STORED_VARIABLE],
            "{changed}: {}",
            rendered(&problems)
        );
        assert!(rendered(&problems).contains("under `secrets:`"));
    }
    let sources = GOOD.replace("~/token", "'~/{{ env.USER_NAME }}'");
    let file = read(&sources).unwrap_or_else(|problems| panic!("{}", rendered(&problems)));
    assert!(format!("{:?}", file.target.secrets).contains("/home/ann/ann"));
}

#[test]
fn what_is_not_set_outside_is_named() {
    let none = |_: &str| None;
    let lookup = Lookup {
        lab: None,
        home: None,
        env: &none,
    };
    let problems =
        load_target(&Memory::new("", [("t.yaml", GOOD)]), "t.yaml", &lookup).unwrap_err();
    assert!(
        problems
            .iter()
            .all(|problem| problem.code == code::UNSET_VARIABLE)
    );
    assert_eq!(problems.len(), 5, "{}", rendered(&problems));
}
