//! What is wrong with the pods behind a workload, with the last words of those that fail: the
//! reason that "not ready in time" hides. Reads only; keeps what it read as evidence.

use serde_json::Value;

use super::pods::{Problem, is_terminating, problems};
use super::{Kube, LogWindow, Resource, Selection, object};
use crate::context::StepContext;
use crate::error::StepError;

/// How much of a failing container's log is kept.
const TAIL: i64 = 50;
/// How many failing pods are looked into.
const MOST: usize = 3;

/// A pod with something wrong.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// What is wrong.
    pub problem: Problem,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "pod `{}` {}: {}",
            self.pod, self.problem.reason, self.problem.message
        )
    }
}

/// The troubles of these pods, the hopeless ones first. Pods on their way out have none.
#[must_use]
pub fn among(pods: &[Value]) -> Vec<Trouble> {
    let mut found: Vec<Trouble> = pods
        .iter()
        .filter(|pod| !is_terminating(pod))
        .flat_map(|pod| {
            problems(pod).into_iter().map(|problem| Trouble {
                namespace: object::namespace(pod).unwrap_or_default().to_owned(),
                pod: object::name(pod).to_owned(),
                problem,
            })
        })
        .collect();
    found.sort_by_key(|trouble| !trouble.problem.hopeless);
    found
}

/// The selector of the pods that a workload makes.
#[must_use]
pub fn selector_of(workload: &Value) -> Option<String> {
    object::match_labels(workload.pointer("/spec/selector")?)
}

/// The troubles of the pods behind these workloads; objects that make no pods have none.
///
/// # Errors
/// [`StepError`] by class.
pub async fn behind(kube: &Kube, workloads: &[Value]) -> Result<Vec<Trouble>, StepError> {
    let mut found = Vec::new();
    for workload in workloads {
        let (Some(namespace), Some(selector)) =
            (object::namespace(workload), selector_of(workload))
        else {
            continue;
        };
        let pods = kube
            .list(
                &Resource::pods(),
                &Selection::labelled(namespace, &selector),
            )
            .await?;
        found.extend(among(&pods));
    }
    found.sort_by_key(|trouble| !trouble.problem.hopeless);
    Ok(found)
}

/// One sentence on the troubles, with the last line of the first failing container's log. The logs
/// become evidence. Without trouble an empty text. Never fails: it only adds to another error.
pub async fn explain(cx: &StepContext, kube: &Kube, troubles: &[Trouble]) -> String {
    let mut words = Vec::new();
    for trouble in troubles.iter().take(MOST) {
        let mut sentence = trouble.to_string();
        if let Some(line) = last_words(cx, kube, trouble).await {
            sentence.push_str(&format!("; its last words: {line}"));
        }
        words.push(sentence);
    }
    if troubles.len() > MOST {
        words.push(format!("and {} more", troubles.len() - MOST));
    }
    words.join("; ")
}

/// The last line that says something in a failing container's log.
async fn last_words(cx: &StepContext, kube: &Kube, trouble: &Trouble) -> Option<String> {
    if trouble.problem.container.is_empty() {
        return None;
    }
    let mut window = LogWindow {
        container: Some(trouble.problem.container.clone()),
        tail: Some(TAIL),
        previous: true,
        ..LogWindow::default()
    };
    // A container that has not ended yet has no former log, and one that never began has none at all.
    let mut log = kube
        .log(&trouble.namespace, &trouble.pod, &window)
        .await
        .ok()
        .flatten();
    if log.as_deref().is_none_or(|log| log.trim().is_empty()) {
        window.previous = false;
        log = kube
            .log(&trouble.namespace, &trouble.pod, &window)
            .await
            .ok()
            .flatten();
    }
    let log = cx.secrets.redact(&log?);
    let name = format!("{}-{}.log", trouble.pod, trouble.problem.container);
    // Lost evidence must not hide the error that it was to explain.
    let _ = cx.evidence(&name, "text/plain", log.as_bytes()).await;
    let line = log.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hopeless_come_first_and_pods_on_their_way_out_do_not_count() {
        let pod = |name: &str, reason: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"containerStatuses": [
                {"name": "c", "image": "i", "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "m"}}}]}})
        };
        let mut leaving = pod("c", "ImagePullBackOff");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
        let found = among(&[
            pod("a", "CreateContainerConfigError"),
            pod("b", "ImagePullBackOff"),
            leaving,
        ]);
        assert_eq!(
            found
                .iter()
                .map(|trouble| trouble.pod.as_str())
                .collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert!(
            found[0]
                .to_string()
                .starts_with("pod `b` ImagePullBackOff: container `c` image `i`")
        );
    }

    #[test]
    fn a_workload_tells_the_selector_of_its_pods() {
        let workload = json!({"spec": {"selector": {"matchLabels": {"app": "web", "tier": "x"}}}});
        assert_eq!(selector_of(&workload).as_deref(), Some("app=web,tier=x"));
        assert_eq!(
            selector_of(&json!({"spec": {"selector": {"app": "a-service-has-no-match-labels"}}})),
            None
        );
    }
}
