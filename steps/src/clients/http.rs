//! HTTP over rustls: the one place that picks the cryptography and the defaults that all HTTP clients share.
//!
//! Never follows a redirect unless asked: a login page that answers 200 is not the service that was
//! meant. Knows nothing of any service's paths.

use std::path::Path;
use std::time::Duration;

use reqwest::Url;

use super::endpoint::is_loopback;
use crate::error::StepError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A builder with the shared defaults: ring, system roots and those of `ca_file`, no redirects.
///
/// # Errors
/// Permanent, `http.ca_file`, when the file of the private CA cannot be read or holds no certificate.
pub fn builder(ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, StepError> {
    install_provider();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("flowctl/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    Ok(builder)
}

/// A builder for a client that speaks to `base` only. A proxy out of the environment cannot reach this machine's
/// loopback; and what is spoken there without TLS needs none of the system's roots, which are a hundred and fifty files.
///
/// # Errors
/// As [`builder`].
pub fn builder_for(
    base: &Url,
    ca_file: Option<&Path>,
) -> Result<reqwest::ClientBuilder, StepError> {
    let mut builder = builder(ca_file)?;
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if !needs_roots(base) {
        builder = builder.tls_certs_only([]);
    }
    Ok(builder)
}

/// Elsewhere a proxy may be in between, and be spoken to with TLS.
fn needs_roots(base: &Url) -> bool {
    !(is_loopback(base) && base.scheme() == "http")
}

/// A client with the shared defaults.
///
/// # Errors
/// As [`builder`], and `http.client` when TLS cannot be set up.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, StepError> {
    finish(builder(ca_file)?)
}

/// Builds the client.
///
/// # Errors
/// Permanent, `http.client`, when TLS cannot be set up.
pub fn finish(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, StepError> {
    builder.build().map_err(|error| {
        StepError::permanent(
            "http.client",
            format!("cannot set up HTTP: {}", chain(&error)),
        )
    })
}

/// An error with all its causes in one line: reqwest's own text leaves out why.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Why there is no answer, and whether there may be one later.
#[must_use]
pub fn no_answer(error: &reqwest::Error, address: &str) -> StepError {
    if let Some(reason) = certificate_error(error) {
        return StepError::permanent("http.tls", format!("{address}: {reason}"))
            .help("if the service has a private CA, give its PEM file as `ca_file:`");
    }
    // reqwest repeats the URL, which the address already has, and without redaction.
    let why = chain(error).replace(error.url().map_or("", reqwest::Url::as_str), "");
    let why = why.replace(" for url ()", "");
    if error.is_timeout() {
        StepError::timed_out("http.timeout", format!("{address}: no answer in time"))
    } else if error.is_builder() {
        StepError::permanent("http.request", format!("{address}: {why}"))
    } else {
        StepError::transient("http.unreachable", format!("{address}: {why}"))
    }
}

/// A certificate that is refused now is refused later too; every other failure of a connection may pass.
fn certificate_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(tls @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>()
    {
        return Some(tls.to_string());
    }
    // What an I/O error wraps is not its source, but it may itself wrap another.
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    wrapped
        .and_then(|wrapped| certificate_error(wrapped))
        .or_else(|| error.source().and_then(certificate_error))
}

/// Installs ring for the whole process; a second time is a no-op.
pub fn install_provider() {
    // An error only says that somebody else was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, StepError> {
    let bad = |what: String| {
        StepError::permanent(
            "http.ca_file",
            format!("the CA file {} {what}", path.display()),
        )
        .help("give `ca_file:` the path of a PEM file with the certificates to trust")
    };
    let pem = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| bad(format!("is not PEM: {}", chain(&error))))?;
    if certificates.is_empty() {
        return Err(bad("holds no certificate".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_built_twice() {
        assert!(client(None).is_ok());
        assert!(client(None).is_ok());
    }

    #[test]
    fn only_plain_loopback_needs_no_roots() {
        for (base, expected) in [
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("https://127.0.0.1:8443", true),
            ("http://trino.example", true),
            ("https://trino.example", true),
        ] {
            assert_eq!(needs_roots(&Url::parse(base).unwrap()), expected, "{base}");
        }
    }

    #[test]
    fn an_empty_ca_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = client(Some(file.path())).unwrap_err();
        assert_eq!(error.code, "http.ca_file");
        assert!(error.message.contains("no certificate"), "{error}");
    }

    #[test]
    fn a_missing_ca_file_is_named() {
        let error = client(Some(Path::new("/nowhere/ca.pem"))).unwrap_err();
        assert!(error.message.contains("/nowhere/ca.pem"), "{error}");
    }
}
