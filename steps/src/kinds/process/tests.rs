//! Real programs that stay, in a directory of their own for every test, ended when the test is over.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::record::{Record, Start};
use super::*;
use crate::child::proc::{self, PROCESS_MARK, Process};
use crate::step_contract;
use crate::testing::{Subject, TestContext};

const SECRET: &str = "hunter2-and-more";
/// Once it is up there is this one process, and it calls no `exec` any more: while one does, the kernel shows no environment.
const STAYS: &str = "[ -p hold ] || mkfifo hold; echo $TOKEN; : > up; read word <> hold";

struct World {
    directory: TempDir,
    cx: TestContext,
    busy: TcpListener,
}

impl World {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            cx: TestContext::new("step")
                .unwrap()
                .secrets(&[("TOKEN", SECRET)]),
            busy: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        std::fs::canonicalize(self.directory.path()).unwrap()
    }

    fn params(&self, run: &str, other: Value) -> Params {
        let mut with = json!({
            "name": "it", "dir": self.path(), "cwd": self.path(), "argv": ["sh", "-c", run],
            "env": {"TOKEN": {"secret": "TOKEN"}}, "ready": {"argv": ["test", "-e", "up"]},
            "stop": {"grace": "5s"},
        });
        with.as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        serde_json::from_value(with).unwrap()
    }

    fn with(&self, run: &str, other: Value) -> Box<dyn Step> {
        Program::build(self.params(run, other)).unwrap()
    }

    fn stays(&self) -> Box<dyn Step> {
        self.with(STAYS, json!({}))
    }

    fn stopped(&self, other: Value) -> Box<dyn Step> {
        let mut with =
            json!({"name": "it", "dir": self.path(), "state": "stopped", "stop": {"grace": "5s"}});
        with.as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        Program::build(serde_json::from_value(with).unwrap()).unwrap()
    }

    async fn run(&self, step: &dyn Step) -> Value {
        step.run(&self.cx.context).await.unwrap().value
    }

    async fn fails(&self, step: &dyn Step) -> StepError {
        step.run(&self.cx.context).await.unwrap_err()
    }

    fn living(&self) -> Vec<Process> {
        let ours = format!("{}/", self.path().display());
        proc::marked(PROCESS_MARK, |mark| mark.starts_with(&ours))
            .into_iter()
            .map(|stat| stat.process)
            .collect()
    }

    fn record_path(&self) -> PathBuf {
        self.path().join("it.json")
    }

    fn record(&self) -> Record {
        serde_json::from_slice(&std::fs::read(self.record_path()).unwrap()).unwrap()
    }

    fn write(&self, record: &Record) {
        std::fs::write(self.record_path(), serde_json::to_vec(record).unwrap()).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for process in self.living() {
            process.signal(Signal::KILL);
        }
    }
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        self.cx.clone()
    }

    fn step(&self) -> Box<dyn Step> {
        self.stays()
    }

    fn expected_effects(&self) -> usize {
        1
    }

    async fn effects(&self) -> usize {
        self.living().len()
    }

    /// Killed between the start and the record of the pid.
    async fn leave_half_done(&self, cx: &TestContext) {
        let program = Program {
            params: self.params(STAYS, json!({})),
        };
        let mark = format!("{}/it#{}#1", self.path().display(), cx.context.attempt);
        self.write(&Record::Starting {
            start: Start {
                mark: mark.clone(),
                digest: program.digest(),
                attempt: cx.context.attempt.to_string(),
                boot_id: proc::boot_id(),
            },
        });
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", STAYS])
            .env(PROCESS_MARK, mark)
            .current_dir(self.path())
            .process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The kernel lets the parent go on a moment before it shows the new program's environment.
        let said = child.stdout.as_mut().unwrap().read_u8().await;
        assert_eq!((said.unwrap(), self.living().len()), (b'\n', 1));
        tokio::spawn(async move { child.wait().await });
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        Some(self.with(
            "echo up; exec sleep 1000",
            json!({"ready": {"argv": ["false"]}}),
        ))
    }

    async fn endless_under_way(&self, cx: &TestContext) {
        cx.sink.progress_with("waits for false").await;
    }

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        let never = json!({"ready": {"argv": ["false"]}, "within": "100ms"});
        let busy = json!({"ready": {"tcp": self.busy.local_addr().unwrap().to_string()}});
        vec![
            (
                self.with("echo $TOKEN; exit 3", never.clone()),
                ErrorClass::Permanent,
                "process.exited",
            ),
            (
                self.with("echo $TOKEN; exec sleep 1000", never.clone()),
                ErrorClass::TimedOut,
                "process.not_ready",
            ),
            (
                self.with("true", busy),
                ErrorClass::Permanent,
                "process.occupied",
            ),
            (
                self.with("", json!({"argv": ["no-such-program-at-all"]})),
                ErrorClass::Permanent,
                "shell.not_found",
            ),
            (
                self.with("", json!({"env": {"A": {"secret": "NOPE"}}})),
                ErrorClass::Permanent,
                "secret.unknown",
            ),
            (
                self.with("", json!({"dir": "/proc/nowhere"})),
                ErrorClass::Permanent,
                "process.directory",
            ),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn the_second_run_adopts_what_the_first_started() {
    let world = World::new();
    let first = world.run(&*world.stays()).await;
    let second = world.run(&*world.stays()).await;
    assert_eq!(
        (&first["state"], &second["state"]),
        (&json!("started"), &json!("adopted"))
    );
    assert_eq!(first["pid"], second["pid"]);
    assert!(first["ready_after_ms"].is_u64());
    assert_eq!(world.cx.sink.evidence_text("it.log").unwrap(), "***\n");
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_adopted_by_its_mark() {
    let world = World::new();
    world.leave_half_done(&world.cx).await;
    let pid = world.living()[0].pid;
    let came = world.run(&*world.stays()).await;
    assert_eq!(
        (&came["state"], &came["pid"]),
        (&json!("adopted"), &json!(pid))
    );
    assert!(matches!(world.record(), Record::Running { pid: recorded, .. } if recorded == pid));
}

#[tokio::test]
async fn other_arguments_stop_the_old_one_and_start_anew() {
    let world = World::new();
    world.run(&*world.stays()).await;
    let old = world.living()[0];
    let came = world
        .run(&*world.with(": > up; exec sleep 2000", json!({})))
        .await;
    assert_eq!(came["state"], "started");
    assert!(!old.lives());
    assert_eq!(world.living().len(), 1);
}

#[tokio::test]
async fn one_that_runs_but_is_not_ready_is_started_again() {
    let world = World::new();
    let first = world.run(&*world.stays()).await;
    std::fs::remove_file(world.path().join("up")).unwrap();
    let second = world
        .run(&*world.with(STAYS, json!({"within": "300ms"})))
        .await;
    assert_eq!(second["state"], "started");
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(world.living().len(), 1);
}

#[tokio::test]
async fn one_that_died_is_started_again() {
    let world = World::new();
    world.run(&*world.stays()).await;
    let dead = world.living()[0];
    dead.signal(Signal::KILL);
    until(|| !dead.lives()).await;
    assert_eq!(world.run(&*world.stays()).await["state"], "started");
}

/// A record whose pid now belongs to somebody else, as after many hours or after a restart of the machine.
#[tokio::test]
async fn a_reused_pid_is_neither_adopted_nor_stopped() {
    let change: [fn(&mut Process, &mut Start); 2] = [
        |process, _| process.start_time += 1,
        |_, start| start.boot_id = "another".to_owned(),
    ];
    for change in change {
        let world = World::new();
        world.run(&*world.stays()).await;
        let Record::Running { mut start, .. } = world.record() else {
            panic!("not running")
        };
        world.run(&*world.stopped(json!({}))).await;
        let mut innocent = Command::new("cat")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let real = Process::of(i32::try_from(innocent.id()).unwrap()).unwrap();
        let mut recorded = real;
        change(&mut recorded, &mut start);
        let record = Record::Running {
            pid: recorded.pid,
            start_time: recorded.start_time,
            start,
        };
        world.write(&record);
        assert_eq!(
            world.run(&*world.stopped(json!({}))).await["state"],
            "absent"
        );
        world.write(&record);
        assert_eq!(world.run(&*world.stays()).await["state"], "started");
        assert!(
            real.lives(),
            "a program that merely has the recorded pid was touched"
        );
        drop(innocent.stdin.take());
        innocent.wait().unwrap();
    }
}

#[tokio::test]
async fn stopping_ends_the_children_of_its_group_and_forgets_the_record() {
    let world = World::new();
    let came = world
        .run(&*world.with("sleep 1000 & : > up; sleep 1000", json!({})))
        .await;
    assert!(world.living().len() >= 2);
    let stopped = world.run(&*world.stopped(json!({}))).await;
    assert_eq!(
        (&stopped["state"], &stopped["pid"]),
        (&json!("stopped"), &came["pid"])
    );
    assert_eq!(world.living(), []);
    assert!(!world.record_path().exists());
    assert_eq!(
        world.run(&*world.stopped(json!({}))).await["state"],
        "absent"
    );
}

#[tokio::test]
async fn what_a_dead_leader_left_in_its_group_is_ended() {
    let world = World::new();
    let came = world
        .run(&*world.with("sleep 1000 & : > up; sleep 1000", json!({})))
        .await;
    let leader = Process::of(i32::try_from(came["pid"].as_i64().unwrap()).unwrap()).unwrap();
    leader.signal(Signal::KILL);
    until(|| !leader.lives()).await;
    assert!(!world.living().is_empty());
    assert_eq!(
        world.run(&*world.stopped(json!({}))).await["state"],
        "stopped"
    );
    assert_eq!(world.living(), []);
}

#[tokio::test]
async fn one_that_ignores_the_signal_is_killed() {
    let world = World::new();
    world
        .run(&*world.with(
            "trap '' TERM; : > up; while :; do sleep 1000; done",
            json!({}),
        ))
        .await;
    world
        .run(&*world.stopped(json!({"stop": {"grace": "50ms"}})))
        .await;
    assert_eq!(world.living(), []);
}

#[tokio::test]
async fn the_signal_is_the_one_that_was_asked_for() {
    let world = World::new();
    // The shell itself makes the file: a child of its would be asked to end as well.
    let run =
        "trap ': > interrupted; exit 0' INT; trap '' TERM; : > up; while :; do sleep 0.01; done";
    world.run(&*world.with(run, json!({}))).await;
    world
        .run(&*world.stopped(json!({"stop": {"signal": "INT", "grace": "20s"}})))
        .await;
    assert!(world.path().join("interrupted").exists());
}

#[tokio::test]
async fn undo_stops_it_and_says_so() {
    let world = World::new();
    let came = world.run(&*world.stays()).await;
    let Undone::Restored(what) = world.stays().undo(&world.cx.context).await.unwrap() else {
        panic!("nothing")
    };
    assert_eq!(what, format!("stopped it (pid {})", came["pid"]));
    assert_eq!(world.living(), []);
}

#[tokio::test]
async fn an_early_end_is_told_with_its_last_words() {
    let world = World::new();
    let error = world
        .fails(&*world.with("echo cannot bind >&2; exit 3", json!({})))
        .await;
    assert!(
        error.message.contains("exit status: 3") && error.message.ends_with("cannot bind"),
        "{error}"
    );
    assert!(!world.record_path().exists());
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_no_process() {
    let world = World::new();
    let step = world.with(
        "exec sleep 1000",
        json!({"within": "50ms", "ready": {"argv": ["false"]}}),
    );
    assert_eq!(world.fails(&*step).await.class, ErrorClass::TimedOut);
    assert_eq!(world.living(), []);
}

#[tokio::test]
async fn a_port_is_ready_when_it_accepts() {
    let world = World::new();
    let address = free_address();
    let step = world.with(STAYS, json!({"ready": {"tcp": address}}));
    let listener = async {
        world.cx.sink.progress_with("waits for connect").await;
        TcpListener::bind(&address).unwrap()
    };
    let (result, _listener) = tokio::join!(step.run(&world.cx.context), listener);
    assert_eq!(result.unwrap().value["state"], "started");
}

#[tokio::test]
async fn a_url_is_ready_when_it_answers_with_success_and_not_before() {
    let world = World::new();
    let address = free_address();
    let step = world.with(
        STAYS,
        json!({"ready": {"http": format!("http://{address}/")}}),
    );
    let answers = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(503));
    let shared = answers.clone();
    let service = async {
        world.cx.sink.progress_with("waits for GET").await;
        let app = axum::Router::new().fallback(move || {
            let status = shared.load(std::sync::atomic::Ordering::SeqCst);
            async move { axum::http::StatusCode::from_u16(status).unwrap() }
        });
        let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        world.cx.sink.progress_with("HTTP 503").await;
        answers.store(204, std::sync::atomic::Ordering::SeqCst);
        server
    };
    let (result, server) = tokio::join!(step.run(&world.cx.context), service);
    server.abort();
    assert_eq!(result.unwrap().value["state"], "started");
}

#[tokio::test]
async fn a_damaged_record_is_named_and_nothing_is_started() {
    let world = World::new();
    std::fs::write(world.record_path(), "{").unwrap();
    let error = world.fails(&*world.stays()).await;
    assert_eq!(error.code, "process.record");
    assert!(error.message.contains("it.json"), "{error}");
    assert_eq!(world.living(), []);
}

#[tokio::test]
async fn the_record_and_the_log_are_for_the_owner_and_the_record_holds_no_secret() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.run(&*world.stays()).await;
    let record = std::fs::read_to_string(world.record_path()).unwrap();
    assert!(!record.contains(SECRET), "{record}");
    for file in ["it.json", "it.log"] {
        let mode = std::fs::metadata(world.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[test]
fn incomplete_parameters_are_refused() {
    for with in [
        json!({"name": "a", "dir": "/d", "argv": ["x"]}),
        json!({"name": "a", "dir": "/d", "ready": {"tcp": "h:1"}}),
        json!({"name": "a/b", "dir": "/d", "state": "stopped"}),
        json!({"name": "..", "dir": "/d", "state": "stopped"}),
        json!({"name": "a", "dir": "", "state": "stopped"}),
        json!({"name": "a", "dir": "/d", "argv": ["x"], "ready": {"tcp": "nowhere"}}),
        json!({"name": "a", "dir": "/d", "argv": ["x"], "ready": {"http": "ftp://h"}}),
        json!({"name": "a", "dir": "/d", "argv": ["x"], "ready": {"argv": []}}),
    ] {
        assert!(
            Program::build(serde_json::from_value(with.clone()).unwrap()).is_err(),
            "{with}"
        );
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

/// Waits for what the kernel is about to do; the test hangs, and so fails, when it does not.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
