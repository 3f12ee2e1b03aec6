//! What a pod is like: ready, in trouble, of which images. Pure.

use serde::Serialize;
use serde_json::Value;

use super::object;

/// A pod, as evidence and outputs show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PodSummary {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// `Running`, `Pending`, …
    pub phase: String,
    /// Whether its condition `Ready` is true and it is not on its way out.
    pub ready: bool,
    /// Whether it is on its way out.
    pub terminating: bool,
    /// How often its containers were started again, in all.
    pub restarts: i64,
    /// The node that it runs on.
    pub node: String,
    /// Its containers' images, with the digests that really run.
    pub images: Vec<Image>,
    /// What is wrong with it, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// The image of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Image {
    /// The container.
    pub container: String,
    /// As the manifest names it.
    pub image: String,
    /// As it was found, by digest.
    pub id: String,
}

/// Something that is wrong with a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The container.
    pub container: String,
    /// `CrashLoopBackOff`, `ImagePullBackOff`, `OOMKilled`, …
    pub reason: String,
    /// In words, without the pod's name.
    pub message: String,
    /// Waiting longer will not help.
    pub hopeless: bool,
}

/// A crash loop is not taken for hopeless before so many restarts: a program may wait for its database that way.
const RESTARTS_BEFORE_HOPELESS: i64 = 3;

/// All containers' states, those that run before the others too.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    object::list(pod, "/status/initContainerStatuses")
        .iter()
        .chain(object::list(pod, "/status/containerStatuses"))
}

/// Whether a pod is on its way out.
#[must_use]
pub fn is_terminating(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// Whether a pod serves: `Ready`, and not on its way out.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    object::is_true(pod, "Ready") && !is_terminating(pod)
}

/// What is wrong with a pod.
#[must_use]
pub fn problems(pod: &Value) -> Vec<Problem> {
    let mut found: Vec<Problem> = containers(pod).filter_map(container_problem).collect();
    if let Some(condition) =
        object::condition(pod, "PodScheduled").filter(|c| c["status"] == "False")
    {
        let message = object::explain(condition);
        found.push(Problem {
            container: String::new(),
            reason: "Unschedulable".into(),
            message,
            hopeless: false,
        });
    }
    if object::text(pod, "/status/phase") == "Failed" {
        let message = format!("failed: {}", object::explain(&pod["status"]));
        let reason = object::text(pod, "/status/reason").to_owned();
        found.push(Problem {
            container: String::new(),
            reason,
            message,
            hopeless: true,
        });
    }
    found
}

fn container_problem(status: &Value) -> Option<Problem> {
    let container = object::text(status, "/name");
    let restarts = object::number(status, "/restartCount").unwrap_or(0);
    let ended = ["/state/terminated", "/lastState/terminated"]
        .iter()
        .find_map(|pointer| status.pointer(pointer))
        .map(|ended| {
            (
                object::text(ended, "/reason"),
                object::number(ended, "/exitCode").unwrap_or(0),
            )
        });
    let waiting = object::text(status, "/state/waiting/reason");
    let words = object::text(status, "/state/waiting/message");
    let was = match ended {
        Some(("OOMKilled", _)) => {
            ", killed for using more memory than its limit (OOMKilled)".to_owned()
        }
        Some((reason, code)) => format!(", ended with exit code {code} ({reason})"),
        None => String::new(),
    };
    let (reason, message, hopeless) = match waiting {
        "CrashLoopBackOff" => {
            let message = format!("keeps ending, {restarts} restarts{was}");
            (
                "CrashLoopBackOff",
                message,
                restarts >= RESTARTS_BEFORE_HOPELESS,
            )
        }
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            let image = object::text(status, "/image");
            // The first pull error may be a network's hiccup; after its back-off it is not.
            (
                waiting,
                format!("image `{image}` cannot be had: {words}"),
                waiting != "ErrImagePull",
            )
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            (waiting, format!("cannot be started: {words}"), false)
        }
        _ => match ended {
            Some(("OOMKilled", _)) => ("OOMKilled", format!("{restarts} restarts{was}"), false),
            Some((_, code)) if code != 0 && restarts > 0 => {
                ("Restarted", format!("{restarts} restarts{was}"), false)
            }
            _ => return None,
        },
    };
    let message = format!("container `{container}` {message}");
    Some(Problem {
        container: container.to_owned(),
        reason: reason.to_owned(),
        message,
        hopeless,
    })
}

/// The pod in short.
#[must_use]
pub fn summary(pod: &Value) -> PodSummary {
    let images = object::list(pod, "/status/containerStatuses")
        .iter()
        .map(|status| Image {
            container: object::text(status, "/name").to_owned(),
            image: object::text(status, "/image").to_owned(),
            id: object::text(status, "/imageID").to_owned(),
        })
        .collect();
    PodSummary {
        name: object::name(pod).to_owned(),
        uid: object::uid(pod).to_owned(),
        phase: object::text(pod, "/status/phase").to_owned(),
        ready: is_ready(pod),
        terminating: is_terminating(pod),
        restarts: containers(pod)
            .filter_map(|status| object::number(status, "/restartCount"))
            .fold(0, i64::saturating_add),
        node: object::text(pod, "/spec/nodeName").to_owned(),
        images,
        problems: problems(pod)
            .into_iter()
            .map(|problem| format!("{}: {}", problem.reason, problem.message))
            .collect(),
    }
}

/// The labels that pods do have, `key=value` each once, sorted; for a selector that finds nothing.
#[must_use]
pub fn labels(pods: &[Value]) -> Vec<String> {
    let mut labels: Vec<String> = pods
        .iter()
        .filter_map(|pod| pod.pointer("/metadata/labels")?.as_object())
        .flatten()
        // Hashes of templates differ from pod to pod and select nothing of use.
        .filter(|(key, _)| !key.ends_with("-hash") && !key.ends_with("/pod-index"))
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    labels.sort();
    labels.dedup();
    labels
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(container: Value) -> Value {
        json!({"metadata": {"name": "p"}, "status": {"phase": "Running", "containerStatuses": [container]}})
    }

    #[test]
    fn a_crash_loop_is_hopeless_only_after_some_restarts_and_says_why() {
        let at = |restarts: i64| {
            problems(&pod(json!({"name": "c", "restartCount": restarts,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}})))
        };
        assert!(!at(2)[0].hopeless && at(3)[0].hopeless);
        assert!(at(3)[0].message.contains("OOMKilled"), "{:?}", at(3));
    }

    #[test]
    fn an_image_that_cannot_be_had_is_hopeless_after_its_back_off() {
        let with = |reason: &str| {
            problems(&pod(
                json!({"name": "c", "image": "nowhere/x:1", "restartCount": 0, "state": {"waiting": {"reason": reason}}}),
            ))
        };
        assert!(with("ImagePullBackOff")[0].hopeless && !with("ErrImagePull")[0].hopeless);
        assert!(with("ImagePullBackOff")[0].message.contains("nowhere/x:1"));
        assert!(with("ContainerCreating").is_empty());
    }

    #[test]
    fn a_running_container_that_was_killed_for_memory_is_a_problem_still() {
        let found = problems(&pod(
            json!({"name": "c", "restartCount": 1, "state": {"running": {}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}),
        ));
        assert_eq!(found[0].reason, "OOMKilled");
        assert!(!found[0].hopeless);
    }

    #[test]
    fn a_pod_on_its_way_out_is_not_ready() {
        let mut pod = json!({"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(is_ready(&pod));
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
        assert!(!is_ready(&pod));
    }

    #[test]
    fn labels_are_told_once_and_without_hashes() {
        let pod = json!({"metadata": {"labels": {"app": "trino", "pod-template-hash": "5d8f"}}});
        assert_eq!(labels(&[pod.clone(), pod]), ["app=trino"]);
    }
}
