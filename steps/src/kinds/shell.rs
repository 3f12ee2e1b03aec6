//! `shell`: runs a program. Effect: whatever the program does. Not idempotent by itself: what a killed
//! flowctl left running is found and ended before the program is started again. It is found by `FLOWCTL_STEP` in its
//! environment, and by its process group, which is written down with the start time of its leader. Not found is what has
//! left both: a daemon with an empty environment and a session of its own, neither then nor when its step ends. Nor is,
//! after a `kill -9` of flowctl, a group without the mark whose leader has ended, or that was in its first moments.
//! Permissions: those of the user who runs flowctl.
//!
//! The child and all its descendants end with the step; a program that is to stay is a `process` step.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::ErrorClass;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use crate::child::environment::{self, Variables};
use crate::child::proc::STEP_MARK;
use crate::child::{Capture, Conversation, Group, Leader, Patience, converse, end_left};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

/// How much of each stream goes into the step's output.
const STDOUT: usize = 64 << 10;
const STDERR: usize = 4 << 10;
/// How long descendants may go on printing after the child itself has ended.
const AFTER_EXIT: Duration = Duration::from_secs(2);

/// How long a program must have run before its group is written down. Most end sooner, and a record for each would cost
/// as much as the step.
const LASTING: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The program and its arguments, run directly. Exactly one of `argv` and `run`.
    #[serde(default)]
    pub argv: Option<Vec<String>>,
    /// A command line for `sh -c`. Exactly one of `argv` and `run`.
    #[serde(default)]
    pub run: Option<String>,
    /// Variables on top of flowctl's own environment, which is passed on less its secrets.
    #[serde(default)]
    pub env: Variables,
    /// The directory to run in; left out: flowctl's own.
    #[serde(default)]
    pub cwd: Option<String>,
    /// What the program reads from its standard input; left out: nothing.
    #[serde(default)]
    pub stdin: Option<String>,
    /// What is kept of what it prints.
    #[serde(default)]
    pub output: Kept,
    /// The exit codes that are success.
    #[serde(default = "success")]
    pub success: Vec<i32>,
    /// How long the program may take to end when it is asked to, before it is killed.
    #[serde(default = "grace")]
    pub grace: Span,
}

fn success() -> Vec<i32> {
    vec![0]
}

fn grace() -> Span {
    Span::from_secs(5)
}

/// What is kept of what a program prints.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Bytes of each stream that are kept as evidence: half from the beginning, half from the end.
    #[serde(default = "one_mebibyte")]
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub keep: u64,
}

fn one_mebibyte() -> u64 {
    1 << 20
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            keep: one_mebibyte(),
        }
    }
}

/// What the program came to.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Came {
    /// Its exit code.
    pub exit_code: i32,
    /// What it printed, at most 64 KiB, without the white space at the end.
    pub stdout: String,
    /// The end of what it printed to standard error, at most 4 KiB.
    pub stderr: String,
    /// The same as `stdout`, parsed, when all of it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

/// The step.
#[derive(Debug)]
pub struct Shell {
    params: Params,
}

impl Kind for Shell {
    const INFO: KindInfo = KindInfo {
        name: "shell",
        summary: "Runs a program, directly or through `sh -c`.",
        effect: "Whatever the program does; flowctl cannot know. The program and its descendants end with the step.",
        permissions: "Those of the user who runs flowctl.",
        measures: false,
        on_resume: OnResume::EndsAndRestarts,
        writes: true,
        needs_target: false,
        example: "- id: build\n  uses: shell\n  with:\n    argv: [make, -j2]\n    cwd: /src\n    env: {TOKEN: {secret: TOKEN}}\n",
    };
    type Params = Params;
    type Output = Came;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        match (&params.argv, &params.run) {
            (Some(argv), None) if argv.first().is_none_or(String::is_empty) => {
                return Err("`argv` needs a program as its first item".to_owned());
            }
            (Some(_), None) => {}
            (None, Some(run)) if run.trim().is_empty() => return Err("`run` is empty".to_owned()),
            (None, Some(_)) => {}
            (None, None) => return Err("one of `argv` and `run` is needed".to_owned()),
            (Some(_), Some(_)) => return Err("`argv` and `run` exclude each other".to_owned()),
        }
        if params.success.is_empty() {
            return Err("`success` needs at least one exit code".to_owned());
        }
        environment::check(&params.env)?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for Shell {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        // Looking at every process of the machine costs more than most programs do.
        if !cx.first {
            end_leftovers(cx, self.params.grace.duration()).await?;
        }
        let mark = cx.attempt.to_string();
        let mut command = self.command();
        environment::apply(&mut command, cx, &self.params.env, Some((STEP_MARK, &mark)))?;
        let mut group =
            Group::spawn(&mut command, mark).map_err(|error| self.cannot_start(&error))?;
        let patience = Patience {
            after_exit: AFTER_EXIT,
            grace: self.params.grace.duration(),
        };
        let input = self.params.stdin.as_deref().map(str::as_bytes);
        let keep = usize::try_from(self.params.output.keep).unwrap_or(usize::MAX);
        let leader = group.leader();
        let conversation = converse(&mut group, cx, input, keep, patience);
        let conversation = while_written_down(conversation, cx, leader)
            .await?
            .map_err(|error| {
                StepError::new(
                    ErrorClass::Lost,
                    "shell.wait",
                    format!("cannot tell how the program ended: {error}"),
                )
            })?;
        for (name, capture) in [
            ("stdout.txt", &conversation.stdout),
            ("stderr.txt", &conversation.stderr),
        ] {
            let bytes = capture.bytes();
            if !bytes.is_empty() {
                cx.evidence(name, "text/plain; charset=utf-8", &bytes)
                    .await?;
            }
        }
        if conversation.ended.left > 0 {
            return Err(StepError::permanent(
                "shell.unkillable",
                format!(
                    "{} processes of `{}` live on although they were killed",
                    conversation.ended.left,
                    self.program()
                ),
            ));
        }
        self.classify(&conversation)
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        end_leftovers(cx, self.params.grace.duration()).await?;
        Ok(Undone::Nothing(
            "flowctl cannot know what a program did; give the step an `undo:` of its own",
        ))
    }
}

impl Shell {
    fn command(&self) -> Command {
        let mut command = match (&self.params.argv, &self.params.run) {
            (Some(argv), _) => {
                let mut command = Command::new(&argv[0]);
                command.args(&argv[1..]);
                command
            }
            (None, run) => {
                let mut command = Command::new("sh");
                command.arg("-c").arg(run.as_deref().unwrap_or_default());
                command
            }
        };
        if let Some(cwd) = &self.params.cwd {
            command.current_dir(cwd);
        }
        let stdin = if self.params.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What messages call it.
    fn program(&self) -> String {
        match (&self.params.argv, &self.params.run) {
            (Some(argv), _) => argv[0].clone(),
            (None, run) => {
                let line = run
                    .as_deref()
                    .unwrap_or_default()
                    .trim()
                    .lines()
                    .next()
                    .unwrap_or_default();
                if line.chars().count() > 60 {
                    line.chars().take(60).chain(['…']).collect()
                } else {
                    line.to_owned()
                }
            }
        }
    }

    fn cannot_start(&self, error: &std::io::Error) -> StepError {
        cannot_start(error, &self.program(), self.params.cwd.as_deref())
    }

    /// What the program's end means.
    fn classify(&self, conversation: &Conversation) -> Result<Output, StepError> {
        let Some(exit) = conversation.exit else {
            return Err(StepError::cancelled());
        };
        match exit.code() {
            Some(code) if self.params.success.contains(&code) => {
                let came = came(code, &conversation.stdout, &conversation.stderr);
                serde_json::to_value(came)
                    .map(Output::of)
                    .map_err(|error| StepError::permanent("shell.output", error.to_string()))
            }
            _ => Err(self.bad_exit(exit, conversation)),
        }
    }

    fn bad_exit(&self, exit: ExitStatus, conversation: &Conversation) -> StepError {
        let how = match (exit.code(), exit.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let mut message = format!("`{}` ended with {how}", self.program());
        let last = last_lines(&conversation.stderr).or_else(|| last_lines(&conversation.stdout));
        if let Some(last) = last {
            message.push_str(": ");
            message.push_str(&last);
        }
        let error = StepError::permanent("shell.exit", message);
        match (exit.code(), exit.signal()) {
            (Some(127), _) if self.params.run.is_some() => error.help("exit code 127 of sh: a command was not found in PATH"),
            (Some(126), _) if self.params.run.is_some() => error.help("exit code 126 of sh: a command is not executable"),
            (None, Some(9)) => error.help("signal 9 is SIGKILL; if nobody sent it, the kernel did, for want of memory: see dmesg"),
            _ => error.help("what it printed is kept as evidence: stdout.txt and stderr.txt"),
        }
    }
}

/// Lives through a program's life; if it lasts, the leader of its group is written down meanwhile.
async fn while_written_down<T>(
    life: impl Future<Output = T>,
    cx: &StepContext,
    leader: impl Fn() -> Option<Leader>,
) -> Result<T, StepError> {
    let written = async {
        tokio::time::sleep(LASTING).await;
        match leader().and_then(|leader| serde_json::to_value(leader).ok()) {
            Some(handle) => cx.sink.checkpoint(handle).await,
            None => Ok(()),
        }
    };
    let mut life = std::pin::pin!(life);
    tokio::select! {
        biased;
        over = &mut life => Ok(over),
        written = written => {
            written?;
            Ok(life.await)
        }
    }
}

/// Ends what an earlier flowctl left of this attempt or of those before it.
async fn end_leftovers(cx: &StepContext, grace: Duration) -> Result<(), StepError> {
    let (run, step, attempt) = (
        cx.attempt.run.clone(),
        cx.attempt.step.clone(),
        cx.attempt.attempt,
    );
    let ours = move |mark: &str| is_attempt_up_to(mark, run.as_str(), step.as_str(), attempt);
    let handle = cx.handle.clone();
    let leader = handle.and_then(|handle| serde_json::from_value(handle).ok());
    let ended = end_left(ours, leader, grace).await;
    if ended.asked > 0 {
        cx.sink.progress(&format!(
            "ended {} processes that an earlier try had left running",
            ended.asked
        ));
    }
    if ended.left > 0 {
        return Err(StepError::transient(
            "shell.leftover",
            format!(
                "{} processes of an earlier try live on although they were killed",
                ended.left
            ),
        ));
    }
    Ok(())
}

/// Whether a mark is `RUN/STEP/N` with N from 1 to `attempt`. A step id may itself hold a slash in its key.
fn is_attempt_up_to(mark: &str, run: &str, step: &str, attempt: u32) -> bool {
    let Some((name, number)) = mark.rsplit_once('/') else {
        return false;
    };
    name.split_once('/') == Some((run, step))
        && number
            .parse::<u32>()
            .is_ok_and(|number| (1..=attempt).contains(&number))
}

/// Why a program could not be started, and whether it may work later.
pub(crate) fn cannot_start(error: &std::io::Error, program: &str, cwd: Option<&str>) -> StepError {
    use std::io::ErrorKind;
    if let Some(cwd) = cwd
        && !std::path::Path::new(cwd).is_dir()
    {
        return StepError::permanent(
            "shell.no_directory",
            format!("cannot run `{program}` in {cwd}: no such directory"),
        );
    }
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => StepError::permanent("shell.not_found", format!("no program `{program}`"))
            .help("give its full path, or see that it is in the PATH that flowctl was started with; a script's `#!` line must name a program that exists"),
        (ErrorKind::PermissionDenied, _) => {
            StepError::permanent("shell.not_executable", format!("`{program}` may not be executed")).help("chmod +x")
        }
        // ENOEXEC has no kind of its own.
        (_, Some(8)) => StepError::permanent("shell.not_executable", format!("`{program}` is no program"))
            .help("a script needs a first line like `#!/bin/sh`"),
        // ETXTBSY: being written; EAGAIN, ENOMEM, EMFILE, ENFILE: too much at once. All of these pass.
        (ErrorKind::ExecutableFileBusy | ErrorKind::WouldBlock | ErrorKind::OutOfMemory, _) | (_, Some(23 | 24)) => {
            StepError::transient("shell.busy", format!("cannot start `{program}` now: {error}"))
        }
        _ => StepError::permanent("shell.cannot_start", format!("cannot start `{program}`: {error}")),
    }
}

fn came(exit_code: i32, stdout: &Capture, stderr: &Capture) -> Came {
    let bytes = stdout.bytes();
    let whole = stdout.dropped() == 0 && bytes.len() <= STDOUT;
    let json = if whole {
        serde_json::from_slice(&bytes).ok()
    } else {
        None
    };
    let mut cut = Capture::new(STDOUT);
    cut.push(&bytes);
    let stdout = String::from_utf8_lossy(&cut.bytes()).trim_end().to_owned();
    Came {
        exit_code,
        stdout,
        stderr: stderr.end(STDERR),
        json,
    }
}

fn last_lines(capture: &Capture) -> Option<String> {
    let end = capture.end(1 << 10);
    let lines: Vec<&str> = end
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(5)..].join(" | ");
    (!last.is_empty()).then_some(last)
}

#[cfg(test)]
mod tests;
