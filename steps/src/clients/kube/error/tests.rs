use ::kube::core::response::{StatusCause, StatusDetails};

use super::*;

fn subject() -> Subject {
    Subject {
        verb: "patch",
        resource: "deployments.apps".into(),
        namespace: Some("shop".into()),
        name: Some("web".into()),
    }
}

fn status(code: u16, reason: &str) -> Status {
    Status::failure("the words of the server", reason).with_code(code)
}

#[test]
fn the_class_follows_code_and_reason() {
    for (code, reason, class, name) in [
        (
            401,
            "Unauthorized",
            ErrorClass::Permanent,
            "kube.unauthorized",
        ),
        (403, "Forbidden", ErrorClass::Permanent, "kube.forbidden"),
        (404, "NotFound", ErrorClass::Permanent, "kube.not_found"),
        (
            404,
            "Failed to parse error data",
            ErrorClass::Transient,
            "kube.not_served",
        ),
        (
            409,
            "AlreadyExists",
            ErrorClass::Permanent,
            "kube.already_exists",
        ),
        (
            409,
            "Conflict",
            ErrorClass::Transient,
            "kube.changed_meanwhile",
        ),
        (410, "Expired", ErrorClass::Transient, "kube.expired"),
        (422, "Invalid", ErrorClass::Permanent, "kube.invalid"),
        (
            429,
            "TooManyRequests",
            ErrorClass::Transient,
            "kube.too_many_requests",
        ),
        (500, "", ErrorClass::Transient, UNNAMED),
        (
            500,
            "InternalError",
            ErrorClass::Transient,
            "kube.server_error",
        ),
        (
            503,
            "ServiceUnavailable",
            ErrorClass::Transient,
            "kube.server_error",
        ),
    ] {
        let error = classify_status(&status(code, reason), &subject());
        assert_eq!(
            (error.class, error.code.as_str()),
            (class, name),
            "{code} {reason}"
        );
    }
}

#[test]
fn forbidden_names_verb_resource_and_the_command_that_tells() {
    let error = classify_status(&status(403, "Forbidden"), &subject());
    assert!(
        error
            .message
            .starts_with("could not patch deployments.apps `web` in namespace `shop`")
    );
    assert_eq!(
        error.help.as_deref(),
        Some("kubectl auth can-i patch deployments.apps -n shop")
    );
    let logs = Subject {
        verb: "get",
        resource: "pods/log".into(),
        namespace: None,
        name: None,
    };
    assert_eq!(
        logs.can_i(),
        "kubectl auth can-i get pods --subresource=log"
    );
}

fn with_cause(code: u16, reason: &str, field: &str, message: &str) -> Status {
    status(code, "").with_details(StatusDetails {
        name: "web".into(),
        group: "apps".into(),
        kind: "deployments".into(),
        uid: String::new(),
        causes: vec![StatusCause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        }],
        retry_after_seconds: 0,
    })
}

#[test]
fn a_field_conflict_names_the_field_and_its_manager() {
    let answer = with_cause(
        409,
        "FieldManagerConflict",
        ".spec.replicas",
        "conflict with \"helm-controller\"",
    );
    let error = classify_status(&answer, &subject());
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.conflict")
    );
    assert!(error.message.contains(".spec.replicas") && error.message.contains("helm-controller"));
}

#[test]
fn a_namespace_on_its_way_out_is_worth_waiting_for() {
    let answer = with_cause(
        403,
        "NamespaceTerminating",
        "",
        "namespace shop is being terminated",
    );
    assert_eq!(
        classify_status(&answer, &subject()).class,
        ErrorClass::Transient
    );
}

#[test]
fn a_broken_connection_is_transient_and_a_bad_certificate_is_not() {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let error = classify(&::kube::Error::Service(Box::new(broken)), &subject());
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "kube.unreachable")
    );

    // As it comes from a real handshake: wrapped more than once.
    let tls = std::io::Error::other(std::io::Error::other(rustls::Error::HandshakeNotComplete));
    let error = classify(&::kube::Error::Service(Box::new(tls)), &subject());
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "kube.tls")
    );
}
