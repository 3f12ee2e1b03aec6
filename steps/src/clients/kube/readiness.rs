//! Whether an applied object has come to what it asks for. Pure; for any kind.
//!
//! A status that was written for an older generation says nothing about the change that was just
//! made: right after an upgrade it still reports the former rollout as complete.

use serde_json::Value;

use super::object::{self, condition, explain, is_true, kind, number, text};

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is what it asks for, or there is nothing to wait for.
    Ready,
    /// Not yet, and what is missing.
    Waiting(String),
    /// It will not come to it by waiting.
    Failed(String),
}

use Readiness::{Failed, Ready, Waiting};

/// How far this object is.
#[must_use]
pub fn readiness(object: &Value) -> Readiness {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Waiting("is being deleted".into());
    }
    let group = object::api_version(object)
        .split_once('/')
        .map_or("", |(group, _)| group);
    if let Some(waiting) = stale(object, group) {
        return waiting;
    }
    match (group, kind(object)) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "Namespace") => awaited(
            text(object, "/status/phase") == "Active",
            "is not active yet",
        ),
        ("", "PersistentVolumeClaim") => match text(object, "/status/phase") {
            "Lost" => Failed("has lost its volume".into()),
            // Many are bound only once a pod wants them; that pod's own readiness covers it.
            _ => Ready,
        },
        ("apiextensions.k8s.io", _) => {
            awaited(is_true(object, "Established"), "is not established yet")
        }
        _ => by_conditions(object, group),
    }
}

fn awaited(holds: bool, missing: &str) -> Readiness {
    if holds {
        Ready
    } else {
        Waiting(missing.into())
    }
}

/// The controller has not looked at the newest change yet.
fn stale(object: &Value, group: &str) -> Option<Readiness> {
    let generation = number(object, "/metadata/generation")?;
    // Flux writes -1 before its first look.
    let observed = number(object, "/status/observedGeneration");
    let watched = group == "apps" || group.ends_with(".toolkit.fluxcd.io");
    match observed {
        Some(observed) if observed < generation => Some(Waiting(format!(
            "its controller has seen generation {observed} of {generation}"
        ))),
        None if watched => Some(Waiting("its controller has not looked at it yet".into())),
        _ => None,
    }
}

fn wanted(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn status(object: &Value, field: &str) -> i64 {
    number(object, &format!("/status/{field}")).unwrap_or(0)
}

fn deployment(object: &Value) -> Readiness {
    if let Some(progress) = condition(object, "Progressing")
        && progress["reason"] == "ProgressDeadlineExceeded"
    {
        return Failed(explain(progress));
    }
    let (wanted, updated) = (wanted(object), status(object, "updatedReplicas"));
    let (all, available) = (
        status(object, "replicas"),
        status(object, "availableReplicas"),
    );
    if updated < wanted {
        Waiting(format!("{updated} of {wanted} pods are of the new version"))
    } else if all > updated {
        Waiting(format!(
            "{} pods of the old version are still there",
            all.saturating_sub(updated)
        ))
    } else if available < updated {
        Waiting(format!("{available} of {updated} pods are available"))
    } else {
        Ready
    }
}

fn stateful_set(object: &Value) -> Readiness {
    let (wanted, ready) = (wanted(object), status(object, "readyReplicas"));
    let updated = status(object, "updatedReplicas");
    let rolling = text(object, "/spec/updateStrategy/type") != "OnDelete";
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    if ready < wanted {
        Waiting(format!("{ready} of {wanted} pods are ready"))
    } else if rolling && updated < wanted.saturating_sub(partition) {
        Waiting(format!(
            "{updated} of {} pods are of the new version",
            wanted.saturating_sub(partition)
        ))
    } else {
        Ready
    }
}

fn daemon_set(object: &Value) -> Readiness {
    let wanted = status(object, "desiredNumberScheduled");
    let updated = status(object, "updatedNumberScheduled");
    let available = status(object, "numberAvailable");
    if text(object, "/spec/updateStrategy/type") != "OnDelete" && updated < wanted {
        Waiting(format!("{updated} of {wanted} pods are of the new version"))
    } else if available < wanted {
        Waiting(format!("{available} of {wanted} pods are available"))
    } else {
        Ready
    }
}

fn job(object: &Value) -> Readiness {
    if let Some(failed) = condition(object, "Failed").filter(|failed| failed["status"] == "True") {
        return Failed(explain(failed));
    }
    awaited(is_true(object, "Complete"), "has not completed yet")
}

fn pod(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Succeeded" => Ready,
        "Failed" => Failed(
            format!("failed {}", explain(&object["status"]))
                .trim_end()
                .to_owned(),
        ),
        phase => awaited(
            is_true(object, "Ready"),
            &format!(
                "is {} and not ready",
                if phase.is_empty() { "new" } else { phase }
            ),
        ),
    }
}

/// Any other kind: by the conditions that most controllers keep.
fn by_conditions(object: &Value, group: &str) -> Readiness {
    if let Some(stalled) =
        condition(object, "Stalled").filter(|stalled| stalled["status"] == "True")
    {
        return Failed(explain(stalled));
    }
    for kind in ["Ready", "Available"] {
        if let Some(found) = condition(object, kind) {
            return match found["status"].as_str() {
                Some("True") => Ready,
                _ => Waiting(format!("is not {kind}: {}", explain(found))),
            };
        }
    }
    // Flux always sets `Ready` in the end; other kinds without conditions have nothing to wait for.
    awaited(
        !group.ends_with(".toolkit.fluxcd.io"),
        "has no condition Ready yet",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment_with(status: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 2}, "status": status})
    }

    fn waits_for(object: &Value, words: &str) {
        match readiness(object) {
            Waiting(missing) => assert!(missing.contains(words), "{missing}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_status_of_the_old_generation_proves_nothing() {
        let done = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        waits_for(&deployment_with(done), "generation 1 of 2");
        waits_for(&deployment_with(json!({})), "not looked");
    }

    #[test]
    fn a_rollout_is_done_when_the_old_pods_are_gone_and_the_new_ones_serve() {
        let at = |all, updated, available| {
            deployment_with(
                json!({"observedGeneration": 2, "replicas": all, "updatedReplicas": updated, "availableReplicas": available}),
            )
        };
        waits_for(&at(2, 1, 2), "1 of 2 pods are of the new version");
        waits_for(&at(3, 2, 3), "1 pods of the old version");
        waits_for(&at(2, 2, 1), "1 of 2 pods are available");
        assert_eq!(readiness(&at(2, 2, 2)), Ready);
    }

    #[test]
    fn a_rollout_past_its_deadline_has_failed() {
        let object = deployment_with(json!({"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]}));
        assert!(matches!(readiness(&object), Failed(_)));
    }

    #[test]
    fn a_job_is_done_when_complete_and_failed_when_it_says_so() {
        let job = |conditions: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generation": 1}, "status": {"conditions": conditions}});
        waits_for(&job(json!([])), "not completed");
        assert_eq!(
            readiness(&job(json!([{"type": "Complete", "status": "True"}]))),
            Ready
        );
        assert!(matches!(
            readiness(&job(
                json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}])
            )),
            Failed(_)
        ));
    }

    #[test]
    fn a_flux_object_is_never_ready_before_its_controller_looked() {
        let release = |status: Value| {
            json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"generation": 3}, "status": status})
        };
        waits_for(&release(json!({})), "not looked");
        waits_for(
            &release(json!({"observedGeneration": -1})),
            "generation -1 of 3",
        );
        let ready = json!([{"type": "Ready", "status": "True"}]);
        waits_for(
            &release(json!({"observedGeneration": 2, "conditions": ready})),
            "generation 2 of 3",
        );
        assert_eq!(
            readiness(&release(
                json!({"observedGeneration": 3, "conditions": ready})
            )),
            Ready
        );
        waits_for(&release(json!({"observedGeneration": 3})), "no condition");
    }

    #[test]
    fn other_kinds_go_by_their_conditions_or_need_nothing() {
        let config_map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        assert_eq!(readiness(&config_map), Ready);
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"generation": 1}, "status": {}});
        waits_for(&crd, "not established");
        let thing = json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {}, "status": {"conditions": [{"type": "Available", "status": "False", "reason": "No"}]}});
        waits_for(&thing, "not Available: No");
    }
}
