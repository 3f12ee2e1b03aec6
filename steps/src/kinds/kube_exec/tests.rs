use flowctl_workflows::result::{Evidence, Verdict};
use serde_json::Value;

use super::came::judge_again;
use super::*;
use crate::again::Records;
use crate::clients::kube::fake::{FakeServer, pod};
use crate::testing::TestContext;

#[test]
fn the_exit_code_is_read_from_the_status() {
    let read = |status: Value| exit_code(&serde_json::from_value(status).unwrap());
    assert_eq!(read(json!({"status": "Success"})), Some(0));
    let failed = json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
    assert_eq!(read(failed), Some(3));
    assert_eq!(
        read(json!({"status": "Failure", "reason": "InternalError", "message": "no such file"})),
        None
    );
}

#[tokio::test]
async fn output_is_kept_up_to_a_cap_and_read_to_its_end() {
    let long = vec![b'x'; KEPT + 100_000];
    assert_eq!(keep(Some(long.as_slice())).await.len(), KEPT);
    assert_eq!(keep(Some(&b"short"[..])).await, b"short");
}

#[tokio::test]
async fn without_a_ready_pod_it_says_what_there_is() {
    let server = FakeServer::with(vec![pod("shop", "w1", json!({"app": "trino"}), false)]);
    let with = json!({"namespace": "shop", "selector": "app=trino", "argv": ["true"]});
    let step = KubeExec::build(serde_json::from_value(with).unwrap()).unwrap();
    let error = step
        .run(
            &TestContext::new("exec")
                .unwrap()
                .cluster(server.kube())
                .context,
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, "kube.no_ready_pod");
    assert!(error.message.contains("of 1 that match"), "{error}");
}

#[test]
fn an_exit_code_that_is_no_success_fails_with_the_last_words() {
    let with = json!({"namespace": "shop", "name": "p", "argv": ["prog"], "success": [0, 4]});
    let params: Params = serde_json::from_value(with).unwrap();
    let step = KubeExec {
        params,
        stdout: None,
    };
    let ended = |code| Ended {
        exit_code: code,
        status: Status::default(),
        stdout: vec![],
        stderr: vec![],
    };
    assert_eq!(step.exit_code("p", &ended(Some(4)), "").unwrap(), 4);
    let error = step
        .exit_code("p", &ended(Some(1)), "first\nlast words\n")
        .unwrap_err();
    assert_eq!(error.code, "kube.exec_exit");
    assert!(
        error.message.ends_with("exit code 1: last words"),
        "{error}"
    );
    assert_eq!(
        step.exit_code("p", &ended(None), "").unwrap_err().code,
        "kube.exec"
    );
}

#[test]
fn what_it_came_to_is_judged_again_from_the_streams_and_the_exit_code() {
    let with = json!({"namespace": "shop", "name": "p", "argv": ["java"], "stdout": "^2[0-9]"});
    let params: Params = serde_json::from_value(with).unwrap();
    let judged = |stdout: &str, exit_code: i32| {
        let how = json!({"pod": "p", "exit_code": exit_code}).to_string();
        let kept = [
            (STDOUT, stdout.to_owned()),
            (STDERR, "words\n".to_owned()),
            (HOW, how),
        ];
        let evidence = kept.clone().map(|(name, text)| Evidence {
            name: name.to_owned(),
            sha256: format!("hash of {name}"),
            media_type: String::new(),
            bytes: text.len() as u64,
        });
        let read = |hash: &str| {
            let found = kept
                .iter()
                .find(|(name, _)| hash == format!("hash of {name}"));
            found.map(|(_, text)| text.clone().into_bytes())
        };
        judge_again(&params, &Records::new(&evidence, &read))
    };
    let again = judged("21.0.2\n", 0).unwrap();
    assert_eq!(again.findings[0].verdict, Verdict::Pass);
    assert_eq!(again.findings[0].evidence.len(), 3);
    assert_eq!(
        again.value.unwrap(),
        json!({"pod": "p", "exit_code": 0, "stdout": "21.0.2", "stderr": "words"})
    );
    let again = judged("17\n", 0).unwrap();
    assert_eq!(again.findings[0].verdict, Verdict::Fail);
    assert!(
        judged("21", 1)
            .unwrap_err()
            .to_string()
            .contains("no success")
    );
}
