//! What the store answers when it does not do what it was asked to, and what follows from it: whether asking again may
//! help, and what the reader can do.

use flowctl_workflows::result::ErrorClass;
use reqwest::Response;
use serde::{Deserialize, Serialize};

use super::words::Document;
use crate::clients::http;
use crate::error::StepError;

/// How much of an error's body is read.
const READ: usize = 64 << 10;

/// A status that is no success, with the store's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// For example `NoSuchKey`; the status' name when the body gives none.
    pub code: String,
    /// The store's words.
    pub message: String,
    /// The store's name for the request.
    pub request_id: Option<String>,
}

impl Refusal {
    /// Reads the error that an answer carries.
    pub(super) async fn read(mut response: Response) -> Self {
        let status = response.status();
        let request_id = request_id(&response);
        let mut body = Vec::new();
        // What cannot be read of the body is not waited for: the status says enough.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(READ - body.len())]);
            if body.len() == READ {
                break;
            }
        }
        let (code, message) = error_in(&body).unwrap_or_else(|| {
            let name = status.canonical_reason().unwrap_or("Error");
            (name.replace(' ', ""), excerpt(&body))
        });
        Self {
            status: status.as_u16(),
            code,
            message,
            request_id,
        }
    }

    /// Whether the same request may work later.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// The refusal in one sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let message = if self.message.is_empty() {
            String::new()
        } else {
            format!(": {}", self.message)
        };
        format!("HTTP {} {}{message}", self.status, self.code)
    }

    /// The refusal of `what` as a failure; its code is the store's.
    #[must_use]
    pub fn error(&self, what: &str) -> StepError {
        let class = if self.passes() {
            ErrorClass::Transient
        } else {
            ErrorClass::Permanent
        };
        let error = StepError::new(
            class,
            format!("s3.{}", self.code),
            format!("{what}: {}", self.words()),
        );
        match help(&self.code) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

fn help(code: &str) -> Option<&'static str> {
    Some(match code {
        "NoSuchBucket" => "make the bucket first, or correct `bucket:`",
        "NoSuchKey" => "an earlier step must write the object: see `s3.put`",
        "AccessDenied" | "Forbidden" => {
            "the target's S3 user needs the right to do this to this object"
        }
        "InvalidAccessKeyId" => "the store does not know the `access_key` of the target",
        "SignatureDoesNotMatch" => {
            "the `secret_key` or the `region` of the target is another one, or a proxy changes the request"
        }
        "RequestTimeTooSkewed" => {
            "the clocks of this machine and of the store are apart: compare `date`"
        }
        _ => return None,
    })
}

/// Code and message of an error document; `None` when it is none.
pub(super) fn error_in(body: &[u8]) -> Option<(String, String)> {
    let document = Document::read(body).filter(|document| document.root == "Error")?;
    let code = document.text("Code").to_owned();
    (!code.is_empty()).then(|| (code, document.text("Message").to_owned()))
}

/// The beginning of what should have been something else, fit for a sentence.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = words
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    match plain.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

pub(super) fn request_id(response: &Response) -> Option<String> {
    let value = response.headers().get("x-amz-request-id")?;
    Some(value.to_str().ok()?.to_owned())
}

/// No answer, or one that broke off.
pub(super) fn lost(what: &str, error: &reqwest::Error) -> StepError {
    let why = http::chain(error);
    if error.is_timeout() {
        StepError::timed_out("s3.timeout", format!("{what}: no answer in time"))
    } else if error.is_builder() {
        StepError::permanent("s3.request", format!("{what}: {why}"))
    } else {
        StepError::transient("s3.unreachable", format!("{what}: {why}"))
            .help("is the address of `s3:` in the target right, and the gateway up?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_gives_its_code_and_words() {
        let xml = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>s3select-Syntax-Error</Code><Message>failure --&gt;x&lt;---</Message><RequestId>1</RequestId></Error>";
        assert_eq!(
            error_in(xml),
            Some(("s3select-Syntax-Error".into(), "failure -->x<---".into()))
        );
        assert_eq!(error_in(b"<Stats><Code>A</Code></Stats>"), None);
        assert_eq!(error_in(b"<Error></Error>"), None);
    }

    #[test]
    fn the_status_decides_whether_it_passes_and_the_code_what_helps() {
        let refusal = |status, code: &str| Refusal {
            status,
            code: code.into(),
            message: String::new(),
            request_id: None,
        };
        let busy = refusal(503, "SlowDown").error("GET s3://b/k");
        assert_eq!(
            (busy.class, busy.code.as_str()),
            (ErrorClass::Transient, "s3.SlowDown")
        );
        let gone = refusal(404, "NoSuchKey").error("GET s3://b/k");
        assert_eq!(gone.class, ErrorClass::Permanent);
        assert_eq!(gone.message, "GET s3://b/k: HTTP 404 NoSuchKey");
        assert!(gone.help.is_some());
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(b"a\n\n  b\x1b[31m\x00c"), "a b[31mc");
        assert_eq!(excerpt(&[b'x'; 900]).chars().count(), 201);
        assert!(excerpt(&[0xff; 3]).contains('\u{fffd}'));
    }
}
