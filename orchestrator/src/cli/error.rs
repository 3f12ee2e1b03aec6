//! What ends a command early: one sentence, one line of help, one exit code.

use flowctl_state::LogError;
use flowctl_state::run_state::IllegalEvent;
use flowctl_workflows::Diagnostic;

use super::exit_code::ExitCode;
use crate::executor;

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done as it was asked.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        help: Option<String>,
    },
    /// Mistakes in an author's files.
    #[error("{} found", mistakes(.0.len()))]
    Invalid(Vec<Diagnostic>),
    /// The state cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Stored events do not fit together.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The process that holds the state did not answer as expected.
    #[error("the process that holds the state {0}")]
    Holder(String),
    /// The process that holds the state was asked and did not answer.
    #[error("the state is held by {0}, which does not answer on its socket")]
    Silent(String),
    /// Another flowctl works with this workflow on the target.
    #[error("{0}")]
    Leased(String),
    /// The cluster did not let its lease be taken.
    #[error("the lease of this run cannot be taken: {message}")]
    NoLease {
        /// What the cluster said.
        message: String,
        /// What helps.
        help: Option<String>,
    },
    /// Standard output cannot be written.
    #[error("standard output cannot be written")]
    Output(#[source] std::io::Error),
    /// A file or a resource of the system could not be used.
    #[error("cannot {doing}")]
    System {
        /// What was tried, and on what.
        doing: String,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// Nobody reads what is printed; not an error of ours.
    #[error("nobody reads any more")]
    Closed,
    /// A bug.
    #[error("{0}")]
    Bug(String),
}

impl Error {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: None,
        }
    }

    /// Wrong usage, and what would be right.
    pub fn usage_with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// Something that cannot be.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::Bug(message.into())
    }

    /// The system refused.
    pub fn system(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::System {
            doing: doing.into(),
            source,
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Usage { help, .. } => help.clone(),
            Self::Log(error) => error.help(),
            Self::Illegal(_) => Some("see what is left with `flowctl state check`".to_owned()),
            Self::Holder(_) => {
                Some("its version may differ from this one; `flowctl --version` tells".to_owned())
            }
            Self::NoLease { help, .. } => help.clone(),
            Self::Leased(_) => Some(
                "look at what that run does, or cancel it there; one that is dead is replaced 30 s after its last renewal"
                    .to_owned(),
            ),
            Self::Silent(_) => Some(
                "try again; if it hangs, --take-over on `run`, `resume`, `cancel` or `undo` ends it and takes the state over"
                    .to_owned(),
            ),
            Self::Bug(_) => {
                Some("this is a bug in flowctl; please report it with this message".to_owned())
            }
            Self::Invalid(_) | Self::Output(_) | Self::System { .. } | Self::Closed => None,
        }
    }

    /// How flowctl ends.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } | Self::Invalid(_) | Self::Log(LogError::UnknownRun { .. }) => {
                ExitCode::Usage
            }
            Self::Log(
                LogError::Conflict { .. }
                | LogError::Unstorable { .. }
                | LogError::ReadingOnly { .. },
            ) => ExitCode::Bug,
            Self::Log(_)
            | Self::Illegal(_)
            | Self::Holder(_)
            | Self::Silent(_)
            | Self::Leased(_) => ExitCode::State,
            Self::Output(_) | Self::System { .. } | Self::NoLease { .. } => ExitCode::Failed,
            Self::Closed => ExitCode::Success,
            Self::Bug(_) => ExitCode::Bug,
        }
    }
}

impl From<executor::Error> for Error {
    fn from(error: executor::Error) -> Self {
        match error {
            executor::Error::Log(error) => Self::Log(error),
            executor::Error::Illegal(error) => Self::Illegal(error),
            executor::Error::Empty => Self::bug(error.to_string()),
            executor::Error::Complete { .. } => Self::usage_with_help(
                error.to_string(),
                "`flowctl run` starts a new one, `flowctl report` renders its report again",
            ),
        }
    }
}

/// The whole chain of causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn mistakes(count: usize) -> String {
    match count {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    }
}
