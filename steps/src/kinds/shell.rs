//! `shell`: runs a program. Effect: whatever the program does. Not idempotent by itself: what a killed
//! flowctl left running is found and ended before the program is started again. It is found by `FLOWCTL_STEP` in its
//! environment, and by its process group, which is written down with the start time of its leader. Not found is what has
//! left both: a daemon with an empty environment and a session of its own, neither then nor when its step ends. Nor is,
//! after a `kill -9` of flowctl, a group without the mark whose leader has ended, or that was in its first moments.
//! Permissions: those of the user who runs flowctl.
//!
//! The child and all its descendants end with the step; a program that is to stay is a `process` step.

mod leftovers;
mod outcome;

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::ErrorClass;
use serde::Deserialize;
use tokio::process::Command;

use crate::child::environment::{self, Variables};
use crate::child::proc::STEP_MARK;
use crate::child::{Group, Patience, converse};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};
use leftovers::{end_leftovers, while_written_down};

pub use outcome::Came;
pub(crate) use outcome::cannot_start;

/// How long descendants may go on printing after the child itself has ended.
const AFTER_EXIT: Duration = Duration::from_secs(2);

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
}

#[cfg(test)]
mod tests;
