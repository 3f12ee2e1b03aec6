//! What a failed call to the API server means: status code, reason and causes to a class and a code.
//! Pure; never decides the class by a message.

use std::fmt;

use ::kube::client::UpgradeConnectionError;
use ::kube::core::Status;
use flowctl_workflows::result::ErrorClass;

use crate::error::StepError;

/// What a call was about, for its error: the words that `kubectl auth can-i` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `get`, `list`, `patch`, `create`, `delete`.
    pub verb: &'static str,
    /// `deployments.apps`, `pods/log`.
    pub resource: String,
    /// The namespace, if the resource lives in one.
    pub namespace: Option<String>,
    /// The name, if it is about one object.
    pub name: Option<String>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace `{namespace}`"),
            None => Ok(()),
        }
    }
}

impl Subject {
    /// The command that tells whether the right is there.
    fn can_i(&self) -> String {
        let namespace = self
            .namespace
            .as_ref()
            .map(|n| format!(" -n {n}"))
            .unwrap_or_default();
        let (resource, sub) = match self.resource.split_once('/') {
            Some((resource, sub)) => (resource, format!(" --subresource={sub}")),
            None => (self.resource.as_str(), String::new()),
        };
        format!(
            "kubectl auth can-i {} {resource}{sub}{namespace}",
            self.verb
        )
    }
}

/// The code of an error that the server gives no reason for.
pub(super) const UNNAMED: &str = "kube.unnamed_error";

/// Whether the call failed because the object is not there.
#[must_use]
pub fn is_not_found(error: &::kube::Error) -> bool {
    matches!(error, ::kube::Error::Api(status) if status.is_not_found())
}

/// What the error means for the attempt.
#[must_use]
pub fn classify(error: &::kube::Error, subject: &Subject) -> StepError {
    use ::kube::Error;
    match error {
        Error::Api(status) => classify_status(status, subject),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) => {
            unreachable_server(error, subject)
        }
        Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => classify_status(
            &Status::failure("the connection was not upgraded", "").with_code(code.as_u16()),
            subject,
        ),
        Error::UpgradeConnection(_) => {
            StepError::transient("kube.upgrade", format!("could not {subject}: {error}"))
        }
        Error::Auth(_) => {
            StepError::permanent("kube.credentials", format!("could not {subject}: {error}")).help(
                "the kubeconfig's credentials could not be used; try the same context with kubectl",
            )
        }
        _ => StepError::permanent("kube.protocol", format!("could not {subject}: {error}")),
    }
}

/// The server was not reached, or the connection broke. A certificate that is not trusted stays so.
fn unreachable_server(error: &::kube::Error, subject: &Subject) -> StepError {
    let message = format!("could not {subject}: {}", chain(error));
    if has_tls_error(error) {
        StepError::permanent("kube.tls", message)
            .help("the API server's certificate and the CA in the kubeconfig do not fit together")
    } else {
        StepError::transient("kube.unreachable", message)
    }
}

/// The innermost words of an error: the outer ones repeat them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn has_tls_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An I/O error does not name what it wraps as its source, only that one's source.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

/// What a status object means for the attempt.
#[must_use]
pub fn classify_status(status: &Status, subject: &Subject) -> StepError {
    let said = if status.message.is_empty() {
        &status.reason
    } else {
        &status.message
    };
    let causes = status
        .details
        .as_ref()
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    let cause = |reason: &str| causes.iter().any(|cause| cause.reason == reason);
    let new =
        |class, code: &str| StepError::new(class, code, format!("could not {subject}: {said}"));
    use ErrorClass::{Permanent, Transient};
    match status.code {
        401 => new(Permanent, "kube.unauthorized").help(
            "the API server does not accept the context's credentials; they may have expired",
        ),
        403 if cause("NamespaceTerminating") => new(Transient, "kube.namespace_terminating"),
        403 => new(Permanent, "kube.forbidden").help(subject.can_i()),
        // A path that nobody serves, not an object that is not there: so answers a server that is still starting.
        404 if !status.is_not_found() => new(Transient, "kube.not_served"),
        404 => new(Permanent, "kube.not_found"),
        409 if cause("FieldManagerConflict") => {
            let fields: Vec<String> = causes
                .iter()
                .map(|cause| format!("{} ({})", cause.field, cause.message))
                .collect();
            StepError::permanent(
                "kube.conflict",
                format!(
                    "could not {subject}: other managers own these fields: {}",
                    fields.join("; ")
                ),
            )
            .help("leave these fields to their owner, or set `force: true` to take them over")
        }
        409 if status.is_already_exists() => new(Permanent, "kube.already_exists"),
        // Someone changed the object in between: the next attempt reads it again.
        409 => new(Transient, "kube.changed_meanwhile"),
        410 => new(Transient, "kube.expired"),
        400 => new(Permanent, "kube.bad_request"),
        422 => new(Permanent, "kube.invalid"),
        429 => new(Transient, "kube.too_many_requests"),
        // What the server itself has no name for. An apply that does not fit the schema is among it.
        500 if status.reason.is_empty() => new(Transient, UNNAMED),
        500..=599 => new(Transient, "kube.server_error"),
        _ => new(Permanent, "kube.refused"),
    }
}

#[cfg(test)]
#[path = "error/tests.rs"]
mod tests;
