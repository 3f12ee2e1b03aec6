//! What stands under `with:` of an alert, and which stages it asks for.

use std::time::Duration;

use flowctl_workflows::policy::Span;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::Stage;
use crate::error::StepError;

/// Which alert, and how much of its way.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The alert's name.
    pub alert: String,
    /// Labels that tell it from others of that name.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
    /// Which part of its way must be seen.
    #[serde(default)]
    pub see: See,
    /// When it was seen inactive before, for example by a step with `see: inactive`: then the cause may come before this step.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
    /// How far it must be delivered.
    #[serde(default)]
    pub delivery: Delivery,
    /// How long to wait for the rule to be loaded and for its metrics to have series.
    #[serde(default = "minute")]
    pub loaded_within: Span,
    /// How long from then until it has fired and was delivered (with `see: inactive`: until it is inactive).
    #[serde(default = "five_minutes")]
    pub within: Span,
    /// How long from then until it is resolved everywhere.
    #[serde(default = "five_minutes")]
    pub resolved_within: Span,
    /// How often to look; after each stage more often at first, since the next one may follow at once.
    #[serde(default = "half_a_second")]
    pub every: Span,
    /// Texts that must stand in the expression that is loaded, blanks apart: a rule that was just applied takes a while to be
    /// loaded, and until then Prometheus has the former one of that name.
    #[serde(default)]
    pub expression_has: Vec<String>,
    /// Metrics in its expression that need not exist, for example those of another version, behind an `or`.
    #[serde(default)]
    pub may_be_absent: Vec<String>,
}

/// Which part of an alert's way must be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum See {
    /// Its rule is loaded, its metrics have series, and it does not fire.
    Inactive,
    /// From inactive to its delivery.
    Firing,
    /// From there back to inactive; needs `since`.
    Resolved,
    /// All of it. The cause, and its end, are steps beside this one.
    #[default]
    Cycle,
}

/// How far an alert must be delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// To the target's alert receiver. Without one there, it cannot be seen, and the verdict is INCONCLUSIVE.
    #[default]
    Receiver,
    /// To Alertmanager only.
    Alertmanager,
}

fn minute() -> Span {
    Span::from_secs(60)
}

fn five_minutes() -> Span {
    Span::from_secs(300)
}

fn half_a_second() -> Span {
    Span::from_millis(500)
}

/// The first pause is so many times shorter than the longest.
const DENSE: u32 = 8;

/// Pauses that grow.
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// The pause that is due.
    pub(super) fn next(&mut self) -> Duration {
        let next = self.next;
        self.next = (next * 2).min(self.longest);
        next
    }
}

impl Params {
    /// Says why the parameters make no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.alert.trim().is_empty() {
            return Err("`alert` is empty".to_owned());
        }
        if self.every.millis() < 100 {
            return Err("`every` must be at least 100ms".to_owned());
        }
        if self.see == See::Resolved && self.since.is_none() {
            return Err("`see: resolved` needs `since`: when the alert was inactive".to_owned());
        }
        if self.see == See::Inactive && self.since.is_some() {
            return Err("`since` has no meaning with `see: inactive`".to_owned());
        }
        Ok(())
    }

    /// The pauses between looks.
    pub(super) fn pauses(&self) -> Pauses {
        let longest = self.every.duration();
        Pauses {
            next: longest / DENSE,
            longest,
        }
    }

    /// The first text that does not stand in the expression of the rule that is loaded.
    pub(super) fn not_in(&self, expression: &str) -> Option<&str> {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let expression = bare(expression);
        let missing = |text: &&String| !expression.contains(&bare(text));
        self.expression_has.iter().find(missing).map(String::as_str)
    }

    /// `since` as a moment; it may come out of another step's output, so it is known only now.
    pub(super) fn since(&self) -> Result<Option<Timestamp>, StepError> {
        let since = self.since.as_deref().map(str::parse).transpose();
        since.map_err(|error| {
            StepError::permanent(
                "alert.since",
                format!("`since` is no time like 2026-11-23T20:00:00Z: {error}"),
            )
        })
    }

    /// The stages that must be seen, in order.
    pub(super) fn stages(&self, has_receiver: bool) -> Vec<Stage> {
        let firing = [
            Stage::Inactive,
            Stage::Pending,
            Stage::Firing,
            Stage::Alertmanager,
            Stage::Receiver,
        ];
        let resolved = [
            Stage::InactiveAgain,
            Stage::Released,
            Stage::ResolvedReceived,
        ];
        let all: Vec<Stage> = match self.see {
            See::Inactive => vec![Stage::Inactive],
            See::Firing => firing.to_vec(),
            See::Resolved => resolved.to_vec(),
            See::Cycle => firing.into_iter().chain(resolved).collect(),
        };
        let delivered = has_receiver && self.delivery == Delivery::Receiver;
        all.into_iter()
            .filter(|stage| {
                delivered || !matches!(stage, Stage::Receiver | Stage::ResolvedReceived)
            })
            .collect()
    }

    pub(super) fn is_of_the_resolution(stage: Stage) -> bool {
        matches!(
            stage,
            Stage::InactiveAgain | Stage::Released | Stage::ResolvedReceived
        )
    }

    /// How long to wait, beginning with this stage.
    pub(super) fn time_for(&self, stage: Option<Stage>) -> Duration {
        if stage.is_some_and(Self::is_of_the_resolution) {
            self.resolved_within.duration()
        } else {
            self.within.duration()
        }
    }

    /// Whether an alert has all the labels that were asked for.
    pub(super) fn matches(
        &self,
        labels: &crate::clients::prometheus::answer::Labels,
        named: bool,
    ) -> bool {
        let name = !named || labels.get("alertname") == Some(&self.alert);
        name && self
            .labels
            .iter()
            .all(|(label, value)| labels.get(label) == Some(value))
    }
}
