//! Real programs: `sh`, `cat`, `sleep`, and what becomes of their children.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::leftovers::{LASTING, is_attempt_up_to};
use super::*;
use crate::child::{orphans, proc};
use crate::step_contract;
use crate::testing::{Subject, TestContext};

const SECRET: &str = "hunter2-and-more";

/// A run of its own for every test, so that none ends the processes of another.
fn context() -> TestContext {
    // As under a flowctl that drives a run.
    orphans::adopt();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let run = format!(
        "shell-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    TestContext::new("step")
        .unwrap()
        .run(&run)
        .unwrap()
        .secrets(&[("TOKEN", SECRET)])
}

fn step(with: Value) -> Box<dyn Step> {
    Shell::build(serde_json::from_value(with).unwrap()).unwrap()
}

fn sh(run: &str) -> Box<dyn Step> {
    step(json!({"run": run}))
}

fn living(cx: &TestContext) -> usize {
    let mark = cx.context.attempt.to_string();
    proc::marked(STEP_MARK, |value| value == mark).len()
}

struct World(TestContext);

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        self.0.clone()
    }

    fn step(&self) -> Box<dyn Step> {
        step(
            json!({"run": "echo $TOKEN; echo $TOKEN >&2; sleep 1000 >/dev/null 2>&1 &", "env": {"TOKEN": {"secret": "TOKEN"}}}),
        )
    }

    // What a shell step must never double or leave is a running program.
    async fn effects(&self) -> usize {
        living(&self.0)
    }

    async fn leave_half_done(&self, cx: &TestContext) {
        let mark = cx.context.attempt.to_string();
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo up; sleep 1000 & wait"])
            .env(STEP_MARK, &mark)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut up = [0; 3];
        tokio::io::AsyncReadExt::read_exact(child.stdout.as_mut().unwrap(), &mut up)
            .await
            .unwrap();
        assert!(living(cx) >= 1);
        tokio::spawn(async move { child.wait().await });
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(sh("sleep 1000 & echo up; wait"))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.line_with("up").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        vec![
            (
                step(
                    json!({"run": "echo $TOKEN >&2; exit 3", "env": {"TOKEN": {"secret": "TOKEN"}}}),
                ),
                ErrorClass::Permanent,
                "shell.exit",
            ),
            (
                step(json!({"argv": ["no-such-program-at-all"]})),
                ErrorClass::Permanent,
                "shell.not_found",
            ),
            (
                step(json!({"argv": ["/etc/passwd"]})),
                ErrorClass::Permanent,
                "shell.not_executable",
            ),
            (
                step(json!({"argv": ["true"], "cwd": "/nowhere"})),
                ErrorClass::Permanent,
                "shell.no_directory",
            ),
            (
                step(json!({"argv": ["true"], "env": {"A": {"secret": "NOPE"}}})),
                ErrorClass::Permanent,
                "secret.unknown",
            ),
            (sh("kill -KILL $$"), ErrorClass::Permanent, "shell.exit"),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World(context()));

#[tokio::test]
async fn the_output_has_code_text_and_json() {
    let cx = context();
    let output = sh(r#"echo '{"rows": [1, 2]}'; echo careful >&2"#)
        .run(&cx.context)
        .await
        .unwrap()
        .value;
    assert_eq!(output["exit_code"], 0);
    assert_eq!(output["stdout"], r#"{"rows": [1, 2]}"#);
    assert_eq!(output["stderr"], "careful");
    assert_eq!(output["json"]["rows"][1], 2);
    assert_eq!(cx.sink.evidence_text("stderr.txt").unwrap(), "careful\n");
}

#[tokio::test]
async fn text_that_is_not_json_has_no_json() {
    let output = sh("echo hello")
        .run(&context().context)
        .await
        .unwrap()
        .value;
    assert_eq!(output.get("json"), None);
}

#[tokio::test]
async fn argv_is_not_read_by_a_shell() {
    let output = step(json!({"argv": ["echo", "$HOME; *"]}))
        .run(&context().context)
        .await
        .unwrap()
        .value;
    assert_eq!(output["stdout"], "$HOME; *");
}

#[tokio::test]
async fn stdin_cwd_env_and_mark_reach_the_program() {
    let cx = context();
    let output = step(json!({
        "run": "cat; pwd; echo $A $FLOWCTL_STEP", "stdin": "given\n", "cwd": "/usr", "env": {"A": "b"}
    }))
    .run(&cx.context)
    .await
    .unwrap();
    assert_eq!(
        output.value["stdout"],
        format!("given\n/usr\nb {}", cx.context.attempt)
    );
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_failure() {
    let step = step(json!({"argv": ["true"], "stdin": "x".repeat(1 << 20)}));
    step.run(&context().context).await.unwrap();
}

#[tokio::test]
async fn a_secret_is_redacted_even_where_the_cap_cuts_it() {
    let cx = context();
    // 512 bytes of head: the secret lies across its end.
    let run = "printf '%0505d' 0; printf %s \"$TOKEN\"; printf '%02000d' 0";
    let with = json!({"run": run, "env": {"TOKEN": {"secret": "TOKEN"}}, "output": {"keep": 1024}});
    step(with).run(&cx.context).await.unwrap();
    let kept = cx.sink.evidence_text("stdout.txt").unwrap();
    assert!(kept.contains("bytes dropped here"), "{kept}");
    assert!(!kept.contains("hunt"), "{kept}");
    assert!(kept.contains("***"), "{kept}");
}

#[tokio::test]
async fn a_megabyte_without_a_line_break_stays_within_the_cap() {
    let cx = context();
    let step = step(
        json!({"run": "head -c 1048576 /dev/zero | tr '\\0' x; echo done >&2", "output": {"keep": 2048}}),
    );
    let output = step.run(&cx.context).await.unwrap().value;
    let kept = cx.sink.evidence_text("stdout.txt").unwrap();
    assert!(
        kept.len() < 2200 && kept.contains("[1046528 bytes dropped here]"),
        "{}",
        kept.len()
    );
    assert!(output["stdout"].as_str().unwrap().len() < 2200);
    assert!(cx.sink.lines().iter().all(|line| line.len() < 5000));
}

#[tokio::test]
async fn the_message_names_program_code_and_last_words() {
    let error = sh("echo first; echo last words >&2; exit 7")
        .run(&context().context)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("exit code 7") && error.message.ends_with(": last words"),
        "{error}"
    );
}

#[tokio::test]
async fn other_exit_codes_can_be_success() {
    let step = step(json!({"run": "exit 4", "success": [0, 4]}));
    assert_eq!(
        step.run(&context().context).await.unwrap().value["exit_code"],
        4
    );
}

/// Paused time jumps as soon as nothing else is to do, so neither grace is waited for.
#[tokio::test(start_paused = true)]
async fn a_grandchild_that_holds_the_pipe_neither_hangs_the_step_nor_survives() {
    let cx = context();
    sh("sleep 1000 & echo started")
        .run(&cx.context)
        .await
        .unwrap();
    assert_eq!(cx.sink.lines(), ["started"]);
    assert_eq!(living(&cx), 0);
}

#[tokio::test(start_paused = true)]
async fn a_descendant_in_a_session_of_its_own_is_ended_too() {
    let (cx, directory) = (context(), tempfile::tempdir().unwrap());
    // The program ends only when its descendant has left the group for sure.
    let leaves = "setsid sh -c 'touch left; exec sleep 1000' >/dev/null 2>&1 &";
    let run = format!("{leaves} while ! test -e left; do :; done");
    step(json!({"run": run, "cwd": directory.path()}))
        .run(&cx.context)
        .await
        .unwrap();
    assert_eq!(living(&cx), 0);
}

#[tokio::test]
async fn a_descendant_that_has_ended_by_itself_stays_not_as_a_zombie() {
    let cx = context();
    // Nobody but flowctl can wait for it: the shell that started it has gone.
    let output = sh("sh -c 'true & echo $!'").run(&cx.context).await.unwrap();
    let pid = output.value["stdout"].as_str().unwrap().to_owned();
    let there = || std::path::Path::new("/proc").join(&pid).exists();
    // Its pipes are closed a little before it is a zombie that can be waited for.
    for _ in 0..100_000 {
        if !there() {
            return;
        }
        orphans::none_left();
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    assert!(!there(), "process {pid} is still there");
}

#[tokio::test]
async fn an_orphan_that_ends_later_is_waited_for_as_well() {
    orphans::adopt();
    let reaping = tokio::spawn(orphans::reap());
    tokio::task::yield_now().await;
    // The shell is gone at once; what it started lives until its input ends.
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", "exec 3<&0; cat <&3 >/dev/null & echo $!"])
        .process_group(0)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let (mut child, known) = orphans::spawn(&mut command).unwrap();
    let input = child.stdin.take().unwrap();
    let output = child.wait_with_output().await.unwrap();
    drop(known);
    let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let there = || std::path::Path::new("/proc").join(&pid).exists();
    assert!(there());
    drop(input);
    for _ in 0..100_000 {
        if !there() {
            break;
        }
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    assert!(!there(), "process {pid} is still there");
    reaping.abort();
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_ended_before_the_program_starts() {
    let mut cx = context();
    World(cx.clone()).leave_half_done(&cx).await;
    let mark = cx.context.attempt.to_string();
    let left = proc::marked(STEP_MARK, |value| value == mark)[0]
        .process
        .pid;
    cx.context.attempt.attempt = 2;
    // The environment of a zombie reads as empty, so only one that lives is found.
    let output = sh(&format!(
        "grep -qa {mark} /proc/{left}/environ && exit 9; echo free"
    ));
    assert_eq!(
        output.run(&cx.context).await.unwrap().value["stdout"],
        "free"
    );
}

/// A program without mark and environment, as a killed flowctl leaves it: nobody waits for it.
fn left_without_mark(cx: &mut TestContext, run: &str) -> (std::process::Child, proc::Process) {
    use std::os::unix::process::CommandExt;
    let child = std::process::Command::new("sh")
        .args(["-c", run])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let leader = crate::child::Leader::of(pid).unwrap();
    cx.context.handle = Some(serde_json::to_value(leader).unwrap());
    cx.context.first = false;
    (child, proc::Process::of(pid).unwrap())
}

#[tokio::test]
async fn a_group_that_was_written_down_is_ended_before_the_program_starts() {
    let mut cx = context();
    let (mut child, process) = left_without_mark(&mut cx, "exec sleep 1000");
    sh("true").run(&cx.context).await.unwrap();
    assert!(!process.lives(), "it runs beside the program");
    child.wait().unwrap();
}

/// The group may lose its leader when it is asked to end; whoever ignores that is killed all the same.
#[tokio::test(start_paused = true)]
async fn whoever_outlives_the_leader_of_a_written_down_group_is_killed() {
    let (mut cx, directory) = (context(), tempfile::tempdir().unwrap());
    let ready = directory.path().join("ready");
    let run = format!(
        "(trap '' TERM; touch {0}; while :; do sleep 1000; done) & while ! test -e {0}; do :; done; wait",
        ready.display()
    );
    let (mut child, leader) = left_without_mark(&mut cx, &run);
    while !ready.exists() {
        std::thread::yield_now();
    }
    sh("true").run(&cx.context).await.unwrap();
    assert_eq!(proc::group(leader.pid), []);
    child.wait().unwrap();
}

#[tokio::test]
async fn a_process_that_was_given_the_number_since_is_not_touched() {
    let mut cx = context();
    let (mut child, process) = left_without_mark(&mut cx, "exec sleep 1000");
    let handle = cx.context.handle.as_mut().unwrap();
    handle["start_time"] = json!(process.start_time - 1);
    sh("true").run(&cx.context).await.unwrap();
    assert!(process.lives());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Paused time jumps as soon as all wait, so the program counts as one that lasts.
#[tokio::test(start_paused = true)]
async fn a_program_that_lasts_has_its_group_written_down() {
    let cx = context();
    let step = sh("echo $$; exec sleep 1000");
    let ended = async {
        let pid = cx.sink.line_with("").await;
        for _ in 0..100 {
            if !cx.sink.checkpoints().is_empty() {
                break;
            }
            tokio::time::sleep(LASTING).await;
        }
        cx.context.cancel.cancel();
        pid
    };
    let (result, pid) = tokio::join!(step.run(&cx.context), ended);
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
    let [handle] = &cx.sink.checkpoints()[..] else {
        panic!("one record is enough");
    };
    assert_eq!(handle["pid"].to_string(), pid);
    assert!(
        handle["start_time"].is_u64() && handle["boot_id"].is_string(),
        "{handle}"
    );
}

#[tokio::test]
async fn a_variable_that_holds_a_secret_is_not_passed_on() {
    assert!(std::env::var_os("PATH").is_some());
    let cx = TestContext::new("step")
        .unwrap()
        .secrets(&[("PATH", "any value")]);
    step(json!({"argv": ["/usr/bin/env"]}))
        .run(&cx.context)
        .await
        .unwrap();
    assert!(!cx.sink.lines().iter().any(|line| line.starts_with("PATH=")));
    assert!(
        cx.sink
            .lines()
            .iter()
            .any(|line| line.starts_with("FLOWCTL_STEP="))
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_member_without_the_mark_is_ended_too() {
    let cx = context();
    let output = sh("env -i sleep 1000 >/dev/null 2>&1 & echo $!")
        .run(&cx.context)
        .await
        .unwrap()
        .value;
    let pid: i32 = output["stdout"].as_str().unwrap().parse().unwrap();
    assert_eq!(proc::Process::of(pid), None);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ignores_term_is_killed() {
    let cx = context();
    let step = sh("trap '' TERM; echo up; while :; do sleep 1000; done");
    let cancel = async {
        cx.sink.line_with("up").await;
        cx.context.cancel.cancel();
    };
    let (result, ()) = tokio::join!(step.run(&cx.context), cancel);
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
    assert_eq!(living(&cx), 0);
}

#[tokio::test]
async fn what_was_printed_before_a_cancel_is_kept() {
    let cx = context();
    let cancel = async {
        cx.sink.line_with("up").await;
        cx.context.cancel.cancel();
    };
    let step = sh("trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait");
    let (result, ()) = tokio::join!(step.run(&cx.context), cancel);
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
    assert_eq!(cx.sink.evidence_text("stdout.txt").unwrap(), "up\nbye\n");
}

#[tokio::test]
async fn a_dropped_step_leaves_no_process() {
    let cx = context();
    let step = sh("setsid sleep 1000 & sleep 1000 & echo up; wait");
    tokio::select! {
        _ = step.run(&cx.context) => panic!("it does not end by itself"),
        _ = cx.sink.line_with("up") => {}
    }
    // SIGKILL was sent; the kernel may still be taking them down.
    for _ in 0..1000 {
        if living(&cx) == 0 {
            return;
        }
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    assert_eq!(living(&cx), 0);
}

#[test]
fn only_this_and_earlier_attempts_are_leftovers() {
    let cases = [
        ("r/s/1", true),
        ("r/s/2", true),
        ("r/s/3", false),
        ("r/s/0", false),
        ("r/t/1", false),
        ("q/s/1", false),
        ("r/s", false),
        ("r/s/x", false),
    ];
    for (mark, ours) in cases {
        assert_eq!(is_attempt_up_to(mark, "r", "s", 2), ours, "{mark}");
    }
    assert!(is_attempt_up_to("r/s[a/b]/1", "r", "s[a/b]", 1));
}

#[test]
fn parameters_that_exclude_each_other_are_refused() {
    for with in [
        json!({}),
        json!({"argv": ["a"], "run": "b"}),
        json!({"argv": []}),
        json!({"run": "  "}),
        json!({"run": "a", "success": []}),
        json!({"run": "a", "env": {"FLOWCTL_STEP": "x"}}),
    ] {
        assert!(
            Shell::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}

#[test]
fn a_busy_file_may_work_later() {
    let busy = cannot_start(&std::io::Error::from_raw_os_error(26), "x", None);
    assert_eq!(
        (busy.class, busy.code.as_str()),
        (ErrorClass::Transient, "shell.busy")
    );
    let again = cannot_start(&std::io::Error::from_raw_os_error(11), "x", None);
    assert_eq!(again.class, ErrorClass::Transient);
}
