//! The verdict on an alert's way. Pure.

use flowctl_workflows::result::{Finding, Verdict};

use super::way::{ActiveBefore, Sight, Way};
use super::{Delivery, End, Params, See, Seen, Stage};
use crate::clients::prometheus::answer::AlertState;
use crate::finding::{finding, number};

/// From which stage to which a latency is told.
const LATENCIES: &[(&str, Stage, Stage)] = &[
    ("inactive_to_pending", Stage::Inactive, Stage::Pending),
    ("pending_to_firing", Stage::Pending, Stage::Firing),
    ("firing_to_alertmanager", Stage::Firing, Stage::Alertmanager),
    ("firing_to_receiver", Stage::Firing, Stage::Receiver),
    (
        "inactive_again_to_released",
        Stage::InactiveAgain,
        Stage::Released,
    ),
    (
        "inactive_again_to_resolved_received",
        Stage::InactiveAgain,
        Stage::ResolvedReceived,
    ),
];

/// The latencies that were measured.
pub(super) fn latencies(way: &Way) -> Vec<(&'static str, f64)> {
    LATENCIES
        .iter()
        .filter_map(|(name, from, to)| Some((*name, way.seconds(*from, *to)?)))
        .collect()
}

/// It was active before anybody saw it inactive.
pub(super) fn active_before(active: &ActiveBefore) -> (Verdict, String) {
    (
        Verdict::Inconclusive,
        format!(
            "it was active since {} already, before it was seen inactive, so nothing shows that the cause made it fire",
            active.0
        ),
    )
}

/// How things stand, in words.
pub(super) fn stands(sight: &Sight, waiting_for: Stage) -> String {
    let state = sight
        .alerts
        .iter()
        .map(|alert| alert.state)
        .max()
        .unwrap_or(AlertState::Inactive);
    let suppressed = sight
        .held
        .iter()
        .flatten()
        .any(|alert| alert.status.state == "suppressed");
    let mut words = match &sight.rule {
        Some(_) => format!("it is {}", state.as_str()),
        None => "its rule is not loaded, or was not evaluated since".to_owned(),
    };
    if waiting_for == Stage::Receiver && suppressed {
        words.push_str(", and Alertmanager is silenced or inhibited");
    }
    words
}

/// The time is up before a stage was reached.
pub(super) fn too_late(
    params: &Params,
    way: &Way,
    waiting_for: Stage,
    stands: &str,
    values: &str,
) -> (Verdict, String) {
    let time = params.time_for(Some(waiting_for)).as_secs_f64();
    let mut reason = format!("not {} within {time} s: {stands}", waiting_for.words());
    if way.faltered > 0 {
        reason.push_str(&format!(
            "; it was pending {} times without firing",
            way.faltered
        ));
    }
    if waiting_for <= Stage::Firing && !values.is_empty() {
        reason.push_str(&format!("; {values}"));
    }
    // Before the cause there is nothing to judge the alert by.
    let verdict = if waiting_for == Stage::Inactive {
        Verdict::Inconclusive
    } else {
        Verdict::Fail
    };
    (verdict, reason)
}

/// The finding, without its evidence.
pub(super) fn finding_of(
    params: &Params,
    way: &Way,
    stages: &[Stage],
    seen: &Seen,
    end: &End,
) -> Finding {
    let no_receiver =
        params.delivery == Delivery::Receiver && params.see != See::Inactive && !seen.has_receiver;
    let (verdict, reason) = match end {
        End::Stopped(verdict, reason) => (*verdict, reason.clone()),
        End::Reached if no_receiver => (
            Verdict::Inconclusive,
            format!(
                "{}; but the target names no `alert_receiver`, so nobody saw it delivered",
                told(way, stages)
            ),
        ),
        End::Reached => (Verdict::Pass, told(way, stages)),
    };
    let mut found = finding(format!("alert {}", params.alert), verdict, reason);
    let hold = seen.for_seconds;
    found.numbers = latencies(way)
        .into_iter()
        .map(|(name, seconds)| {
            let mut number = number(name.replace('_', " "), seconds, "s");
            if name == "pending_to_firing" {
                number.target = hold.map(|hold| format!(">= {hold} s (its `for:`)"));
            }
            number
        })
        .collect();
    found
}

/// The stages with the time that each took after the one before.
fn told(way: &Way, stages: &[Stage]) -> String {
    let mut words = Vec::new();
    let mut before = None;
    for stage in stages {
        let Some(at) = way.times.get(stage) else {
            continue;
        };
        let after = before.map_or_else(String::new, |before| {
            let seconds = at.duration_since(before).as_secs_f64();
            format!(" after {seconds:.1} s")
        });
        words.push(format!("{}{after}", stage.words()));
        before = Some(*at);
    }
    words.join(", ")
}
