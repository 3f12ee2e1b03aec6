//! `process`: a program that stays after the step, such as a daemon of the lab. Effect: it runs, or it does
//! not run any more. Idempotent: one that runs already as asked is adopted, never started twice; a killed
//! flowctl leaves a record by which the next one finds it. Permissions: those of the user who runs flowctl.
//!
//! It is in a process group of its own, so ctrl-C at flowctl does not reach it. It is never told from
//! another program by its pid alone.

mod lifecycle;
mod log;
mod ready;
mod record;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use self::ready::Looker;
use self::record::Place;
use crate::child::environment::{self, Variables};
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output, Step, Undone};

pub use self::ready::Check;

/// Which program, and whether it is to run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What its record (`NAME.json`) and log (`NAME.log`) are called.
    pub name: String,
    /// The directory of record and log.
    pub dir: String,
    /// Whether it is to run.
    #[serde(default)]
    pub state: State,
    /// The program and its arguments; not needed to stop it.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Variables on top of flowctl's own environment, which is passed on less its secrets.
    #[serde(default)]
    pub env: Variables,
    /// The directory to run in; left out: flowctl's own.
    #[serde(default)]
    pub cwd: Option<String>,
    /// When it is ready; not needed to stop it.
    #[serde(default)]
    pub ready: Option<Check>,
    /// How long it may take to become ready.
    #[serde(default = "within")]
    pub within: Span,
    /// How it is stopped.
    #[serde(default)]
    pub stop: Stop,
}

fn within() -> Span {
    Span::from_secs(60)
}

/// Whether a program is to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs and is ready.
    #[default]
    Running,
    /// It does not run.
    Stopped,
}

/// How a program is stopped.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// What asks it to end.
    #[serde(default)]
    pub signal: StopSignal,
    /// How long it may take before it is killed.
    #[serde(default = "grace")]
    pub grace: Span,
}

fn grace() -> Span {
    Span::from_secs(10)
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            signal: StopSignal::default(),
            grace: grace(),
        }
    }
}

/// A signal that asks a program to end.
#[derive(Debug, Clone, Copy, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the kernel's own")]
pub enum StopSignal {
    #[default]
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
    Kill,
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Term => Signal::TERM,
            StopSignal::Int => Signal::INT,
            StopSignal::Quit => Signal::QUIT,
            StopSignal::Hup => Signal::HUP,
            StopSignal::Usr1 => Signal::USR1,
            StopSignal::Usr2 => Signal::USR2,
            StopSignal::Kill => Signal::KILL,
        }
    }
}

/// What the step came to.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Came {
    /// How the program came to be as it was asked to be.
    pub state: How,
    /// Its pid, if it runs or ran.
    pub pid: Option<i32>,
    /// How long it was waited for, if it runs.
    pub ready_after_ms: Option<u64>,
}

/// How a program came to be as it was asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It did not run, or not as asked, and was started.
    Started,
    /// It ran already, as asked.
    Adopted,
    /// It ran and was stopped.
    Stopped,
    /// It was to be stopped and did not run.
    Absent,
}

/// The step.
#[derive(Debug)]
pub struct Program {
    params: Params,
}

impl Kind for Program {
    const INFO: KindInfo = KindInfo {
        name: "process",
        summary: "Starts a program that stays, or stops one.",
        effect: "The program runs and is ready, or does not run. A second time changes nothing.",
        permissions: "Those of the user who runs flowctl.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: false,
        example: "- id: etcd\n  uses: process\n  with:\n    name: etcd\n    dir: /var/lib/lab/run\n    argv: [etcd, --data-dir=/var/lib/lab/etcd]\n    ready: {http: \"http://127.0.0.1:2379/health\"}\n    within: 30s\n  undo: {on: always}\n",
    };
    type Params = Params;
    type Output = Came;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if params.name.is_empty() || params.name.starts_with('.') || !params.name.bytes().all(plain)
        {
            return Err(format!(
                "`name` must be of letters, digits, `_`, `-` and `.`: {:?}",
                params.name
            ));
        }
        if params.dir.is_empty() {
            return Err("`dir` is empty".to_owned());
        }
        if params.state == State::Running {
            if params.argv.first().is_none_or(String::is_empty) {
                return Err("`argv` is needed to start a program".to_owned());
            }
            match &params.ready {
                None => {
                    return Err(
                        "`ready` is needed to start a program: started is not yet ready".to_owned(),
                    );
                }
                Some(check) => check.validate()?,
            }
        }
        environment::check(&params.env)?;
        Ok(Box::new(Self { params }))
    }
}

#[async_trait]
impl Step for Program {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let place = Place::open(&self.params.dir, &self.params.name)?;
        let came = match (self.params.state, &self.params.ready) {
            (State::Running, Some(check)) => {
                let looker = Looker::new(check, &self.params.env, self.params.cwd.as_deref())?;
                self.up(cx, &place, &looker).await?
            }
            _ => self.down(cx, &place).await?,
        };
        serde_json::to_value(came)
            .map(Output::of)
            .map_err(|error| StepError::permanent("process.output", error.to_string()))
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        if self.params.state == State::Stopped {
            return Ok(Undone::Nothing(
                "a program that was stopped is not started again",
            ));
        }
        let place = Place::open(&self.params.dir, &self.params.name)?;
        let came = self.down(cx, &place).await?;
        Ok(Undone::Restored(match came.pid {
            Some(pid) => format!("stopped {} (pid {pid})", self.params.name),
            None => format!("{} was not running", self.params.name),
        }))
    }
}

#[cfg(test)]
mod tests;
