//! A rule over a metric that does not exist never fires and is no error to Prometheus: here it is a FAIL that names the metric.

use crate::World;
use crate::check::{Outcome, then_always};

/// The rules are loaded with a metric that no Trino has.
pub(crate) fn rule_over_a_missing_metric(world: &World) -> Outcome {
    let params = [
        "latency_metric=trino_execution_name_QueryManager_NoSuchTime",
        "alert_loaded_within=20s",
    ];
    let judged = world
        .flowctl
        .only(&["alert_rules", "latency_alert_inactive"], &params)
        .and_then(|report| {
            report.must_say(
                "monitoring_operational",
                "FAIL",
                &["trino_execution_name_QueryManager_NoSuchTime"],
            )
        });
    let put_back = world.flowctl.only(&["alert_rules"], &[]).map(|_| ());
    then_always(judged, put_back)
}
