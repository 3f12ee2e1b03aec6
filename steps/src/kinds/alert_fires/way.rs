//! The way of an alert, from inactive to its resolution at the receiver. Pure: it takes what was seen and says how far the alert has come.
//!
//! Moments that the platform itself wrote down count where they can be true, that is between the stage before and the moment at which
//! it was seen; else the moment at which it was seen.

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clients::alertmanager::{HeldAlert, Received};
use crate::clients::prometheus::answer::{ActiveAlert, AlertState, Rule};

/// An alert that began to be active this long before it was seen inactive is the same one: clocks differ a little.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(2);

/// How far an alert has come.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The rule is evaluated and gives nothing.
    Inactive,
    /// It gives something.
    Pending,
    /// It has for as long as its `for:` says.
    Firing,
    /// Alertmanager holds it.
    Alertmanager,
    /// The receiver was told of it.
    Receiver,
    /// The rule gives nothing again.
    InactiveAgain,
    /// Alertmanager holds it no longer.
    Released,
    /// The receiver was told that it is over.
    ResolvedReceived,
}

impl Stage {
    /// What is waited for, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Alertmanager => "in Alertmanager",
            Self::Receiver => "at the receiver",
            Self::InactiveAgain => "inactive again",
            Self::Released => "gone from Alertmanager",
            Self::ResolvedReceived => "reported to the receiver as resolved",
        }
    }
}

/// How far an alert has come, and when it came there. It is written down at each stage, so that a resumed step goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Way {
    /// The moments, by flowctl's clock.
    pub(super) times: IndexMap<Stage, Timestamp>,
    /// Since when the alert is active, by Prometheus' clock: it tells this alert from earlier ones.
    pub(super) active_at: Option<Timestamp>,
    /// How often it was pending and became inactive without having fired.
    pub(super) faltered: u32,
}

/// One look at the platform; only what matches the labels.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// When, by flowctl's clock.
    pub(super) now: Timestamp,
    /// How far Prometheus' clock is ahead.
    pub(super) ahead: SignedDuration,
    /// The rule, if it is loaded and was evaluated after the step began.
    pub(super) rule: Option<Rule>,
    /// Its alerts that are pending or firing.
    pub(super) alerts: Vec<ActiveAlert>,
    /// What Alertmanager holds; `None` when it was not asked.
    pub(super) held: Option<Vec<HeldAlert>>,
    /// What arrived; `None` when it was not asked.
    pub(super) received: Option<Vec<Received>>,
}

/// Why the alert's way cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActiveBefore(pub(super) Timestamp);

impl Way {
    /// The first of these stages that was not reached.
    pub(super) fn next(&self, stages: &[Stage]) -> Option<Stage> {
        stages
            .iter()
            .copied()
            .find(|stage| !self.times.contains_key(stage))
    }

    /// Takes a look into account: how many stages were reached by it.
    ///
    /// # Errors
    /// [`ActiveBefore`]: it was active before it was seen inactive, so whatever follows shows nothing of the cause.
    pub(super) fn advance(
        &mut self,
        stages: &[Stage],
        sight: &Sight,
    ) -> Result<usize, ActiveBefore> {
        self.falter(sight);
        let before = self.times.len();
        while let Some(stage) = self.next(stages) {
            let Some(at) = self.reached(stage, sight)? else {
                break;
            };
            self.times.insert(stage, at);
        }
        self.refine(sight);
        Ok(self.times.len().saturating_sub(before))
    }

    fn reached(&mut self, stage: Stage, sight: &Sight) -> Result<Option<Timestamp>, ActiveBefore> {
        let quiet = sight.rule.is_some() && sight.alerts.is_empty();
        Ok(match stage {
            Stage::Inactive | Stage::InactiveAgain => quiet.then_some(sight.now),
            Stage::Pending => match sight.gravest() {
                Some(alert) => {
                    let began = sight.by_own_clock(alert.active_at);
                    if let Some(inactive) = self.times.get(&Stage::Inactive)
                        && began < *inactive - CLOCKS_DIFFER
                    {
                        return Err(ActiveBefore(began));
                    }
                    self.active_at = Some(alert.active_at);
                    Some(self.after(Stage::Inactive, began, sight.now))
                }
                None => None,
            },
            Stage::Firing => sight
                .gravest()
                .is_some_and(|alert| alert.state == AlertState::Firing)
                .then_some(sight.now),
            // Who was told by Alertmanager knows that it had it, however short.
            Stage::Alertmanager => {
                let held = self.held(sight).is_some_and(|held| !held.is_empty());
                let told = self.arrival("firing", Stage::Pending, sight);
                (held || told.is_some()).then_some(sight.now)
            }
            Stage::Receiver => self.arrival("firing", Stage::Pending, sight),
            Stage::Released => self
                .held(sight)
                .is_some_and(|held| held.is_empty())
                .then_some(sight.now),
            Stage::ResolvedReceived => self.arrival("resolved", Stage::Firing, sight),
        })
    }

    /// An alert that is not pending any more although it never fired has to begin anew.
    fn falter(&mut self, sight: &Sight) {
        let quiet = sight.rule.is_some() && sight.alerts.is_empty();
        if quiet
            && self.times.contains_key(&Stage::Pending)
            && !self.times.contains_key(&Stage::Firing)
        {
            self.times.shift_remove(&Stage::Pending);
            self.active_at = None;
            self.faltered += 1;
        }
    }

    /// What is known exactly bounds what was only seen: Prometheus tells Alertmanager since when an alert fires, and what the receiver
    /// was told of had happened by then.
    fn refine(&mut self, sight: &Sight) {
        for (told, before) in [
            (Stage::Receiver, [Stage::Firing, Stage::Alertmanager]),
            (
                Stage::ResolvedReceived,
                [Stage::InactiveAgain, Stage::Released],
            ),
        ] {
            let Some(told) = self.times.get(&told).copied() else {
                continue;
            };
            for stage in before {
                if let Some(seen) = self.times.get_mut(&stage) {
                    *seen = told.min(*seen);
                }
            }
        }
        let fired = self
            .held(sight)
            .and_then(|held| held.iter().map(|alert| alert.starts_at).min());
        let Some(fired) = fired.map(|at| sight.by_own_clock(at)) else {
            return;
        };
        let pending = self.times.get(&Stage::Pending).copied();
        if let Some(seen) = self.times.get_mut(&Stage::Firing)
            && pending.is_none_or(|pending| pending <= fired)
            && fired <= *seen
        {
            *seen = fired;
        }
    }

    /// What Alertmanager holds of this very alert.
    fn held<'a>(&self, sight: &'a Sight) -> Option<Vec<&'a HeldAlert>> {
        let held = sight.held.as_ref()?.iter();
        Some(held.filter(|alert| self.is_this(alert.starts_at)).collect())
    }

    /// When the receiver was first told so of this very alert.
    fn arrival(&self, status: &str, after: Stage, sight: &Sight) -> Option<Timestamp> {
        let received = sight.received.as_ref()?.iter();
        let first = received
            .filter(|received| received.alert.status == status)
            .filter(|received| self.is_this(received.alert.starts_at))
            .map(|received| received.at)
            .min()?;
        Some(self.after(after, first, sight.now))
    }

    /// Whether an alert that fires since then is this one, and not one before it. Both moments are Prometheus' own.
    fn is_this(&self, starts_at: Timestamp) -> bool {
        // The history of alerts knows whole seconds only.
        self.active_at
            .is_some_and(|active| starts_at >= active - SignedDuration::from_secs(1))
    }

    /// A moment of somebody else's clock, if it can be true: after that stage, and before it was seen.
    fn after(&self, stage: Stage, at: Timestamp, seen: Timestamp) -> Timestamp {
        let first = self.times.get(&stage).copied();
        if at <= seen && first.is_none_or(|first| first <= at) {
            at
        } else {
            seen
        }
    }

    /// Seconds from one stage to another.
    pub(super) fn seconds(&self, from: Stage, to: Stage) -> Option<f64> {
        let (from, to) = (self.times.get(&from)?, self.times.get(&to)?);
        Some(to.duration_since(*from).as_secs_f64())
    }
}

impl Sight {
    /// The alert that has come farthest; of those the one that is active longest.
    fn gravest(&self) -> Option<&ActiveAlert> {
        self.alerts
            .iter()
            .min_by_key(|alert| (std::cmp::Reverse(alert.state), alert.active_at))
    }

    fn by_own_clock(&self, at: Timestamp) -> Timestamp {
        at.checked_sub(self.ahead).unwrap_or(at)
    }
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
