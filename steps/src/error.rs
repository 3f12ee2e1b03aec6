//! How a step fails: a class that decides retry, a stable code, one sentence, and what helps.

use flowctl_workflows::result::{ErrorClass, Failure};

/// A failed attempt. Its texts go to the log and the report: never put a secret in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// Decides retry. Never decide by the message.
    pub class: ErrorClass,
    /// Stable, `<kind family>.<name>`, for example `kube.too_few_matches`.
    pub code: String,
    /// One sentence: what happened to what.
    pub message: String,
    /// What the reader can do.
    pub help: Option<String>,
}

impl StepError {
    /// An error of this class.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            help: None,
        }
    }

    /// The same request may work later.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }

    /// The same request will fail again.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// The time was used up.
    pub fn timed_out(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::TimedOut, code, message)
    }

    /// It was asked to stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(ErrorClass::Cancelled, "cancelled", "cancelled on request")
    }

    /// The same error with a line on what helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Failure {
            class: error.class,
            code: error.code,
            message: error.message,
            help: error.help,
        }
    }
}
