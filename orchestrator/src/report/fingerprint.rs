//! What a run ran on, as its steps saw it. Pure.

use flowctl_state::run_state::RunState;
use serde_json::{Map, Value};

use super::model::{Fingerprint, TargetFingerprint};

/// Output fields that tell one platform from another, whatever the step kind.
const TELLING: &[&str] = &[
    "fingerprint",
    "version",
    "nodes",
    "images",
    "chart",
    "chart_version",
    "config_digest",
    "release",
    "environment",
];

/// What the run ran on.
pub(super) fn fingerprint(state: &RunState) -> Fingerprint {
    let plan = &state.plan;
    let platform = state.steps().filter_map(|(step, record)| {
        let output = record.came_to()?.output.as_object()?;
        let telling: Map<String, Value> = TELLING
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), output.get(*name)?.clone())))
            .filter(|(_, value)| !value.is_null())
            .collect();
        (!telling.is_empty()).then(|| (step.id.to_string(), Value::Object(telling)))
    });
    Fingerprint {
        flowctl: state.flowctl.clone(),
        files: plan
            .files
            .iter()
            .map(|file| (file.path.clone(), file.sha256.clone()))
            .collect(),
        target: plan.target.as_ref().map(|target| TargetFingerprint {
            name: target.name.clone(),
            sha256: target.sha256.clone(),
        }),
        params: plan.params.clone(),
        platform: platform.collect(),
    }
}
