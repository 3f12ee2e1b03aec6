//! `alert.fires`: an alert goes its whole way, or the part of it that is asked for: loaded and inactive, pending, firing, in Alertmanager,
//! at the receiver, inactive again, gone, reported as resolved. Each stage with its latency.
//! Effect: none; it only reads. What makes the alert fire is another step. Idempotent: how far the alert had come is written down at each
//! stage, so a resumed step goes on from there. Permissions: to read Prometheus, Alertmanager and the receiver.
//!
//! An alert over a metric that does not exist never fires and is never an error, so each metric of its expression is looked for first.
//! An alert that was active before is no proof of the cause: it must have been seen inactive.

mod look;
mod params;
mod verdict;
mod way;

use async_trait::async_trait;
use flowctl_workflows::result::{ErrorClass, Verdict};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::look::Platform;
pub use self::params::{Delivery, Params, See};
pub use self::way::Stage;
use self::way::Way;
use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::kube::waiting::unless_cancelled;
use crate::clients::prometheus::Presence;
use crate::clients::prometheus::answer::Labels;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// What was seen.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// The alert.
    pub alert: String,
    /// When the last stage was reached that was: what a step that goes on from here gives as `since`.
    pub at: String,
    /// The expression of its rule.
    pub expression: String,
    /// The labels of what fired; empty when nothing did.
    pub labels: Labels,
    /// The stages that were reached, and when.
    pub times: IndexMap<Stage, String>,
    /// Seconds from one stage to the next, for example `pending_to_firing`.
    pub seconds: IndexMap<String, f64>,
    /// What there is of each metric in the expression.
    pub metrics: Vec<Presence>,
}

/// The step.
#[derive(Debug)]
pub struct AlertFires(Params);

impl Kind for AlertFires {
    const INFO: KindInfo = KindInfo {
        name: "alert.fires",
        summary: "Sees an alert go its way: inactive, pending, firing, in Alertmanager, at the receiver, resolved.",
        effect: "None: it only reads. Another step is the cause, beside it or, with `since`, before it.",
        permissions: "To read the target's Prometheus, Alertmanager and alert receiver.",
        measures: true,
        on_resume: OnResume::Attaches,
        writes: false,
        needs_target: true,
        example: "- id: worker_alert\n  uses: alert.fires\n  needs: [lose_worker]\n  with:\n    alert: TrinoWorkerDown\n    see: firing\n    since: \"{{ steps.worker_alert_inactive.output.at }}\"\n    within: 3m\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        params.check()?;
        Ok(Box::new(Self(params)))
    }
}

/// How a watch ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    /// All stages were reached.
    Reached,
    /// Something stands in the way, or the time is up.
    Stopped(Verdict, String),
}

/// What the verdict rests on beside the way of the alert.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    /// Whether there was a receiver to be told.
    has_receiver: bool,
    /// The `for:` of the rule.
    for_seconds: Option<f64>,
    /// The expression of the rule.
    expression: String,
    /// The labels of what fired.
    fired: Labels,
    /// What there is of each metric in the expression.
    metrics: Vec<Presence>,
}

#[async_trait]
impl Step for AlertFires {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.watch(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl AlertFires {
    async fn watch(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let mut platform = Platform::connect(cx, &self.0).await?;
        let mut way = self.begin(cx, &platform).await?;
        let stages = self.0.stages(platform.has_receiver());
        let mut end = self.ready(cx, &mut platform).await?;
        if matches!(end, End::Reached) && self.0.see == See::Resolved && way.active_at.is_none() {
            let reason = "it was not active since then, so there is nothing to resolve";
            end = End::Stopped(Verdict::Inconclusive, reason.to_owned());
        }
        if matches!(end, End::Reached) {
            end = self.follow(cx, &mut platform, &mut way, &stages).await?;
        }
        self.conclude(cx, &platform, &way, &stages, end).await
    }

    /// What an earlier process had seen, or a new way.
    async fn begin(&self, cx: &StepContext, platform: &Platform) -> Result<Way, StepError> {
        let written = cx.handle.clone();
        let way = written.and_then(|handle| serde_json::from_value::<Way>(handle).ok());
        if let Some(way) = way {
            return Ok(way);
        }
        let mut way = Way::default();
        if let Some(since) = self.0.since()? {
            way.times.insert(Stage::Inactive, since);
            if self.0.see == See::Resolved {
                way.active_at = platform.active_since(cx, &self.0, since).await?;
            }
        }
        Ok(way)
    }

    /// Waits until the rule is loaded and evaluated, and every metric that it reads has series.
    async fn ready(&self, cx: &StepContext, platform: &mut Platform) -> Result<End, StepError> {
        let until = Instant::now() + self.0.loaded_within.duration();
        let mut pauses = self.0.pauses();
        loop {
            let late = Instant::now() >= until;
            let lacking = match platform.lacking(cx, &self.0).await {
                Ok(None) => return Ok(End::Reached),
                Ok(Some(lacking)) if late => return Ok(End::Stopped(Verdict::Fail, lacking)),
                Ok(Some(lacking)) => lacking,
                Err(error) => passing(error, late)?,
            };
            cx.sink.progress(&lacking);
            cx.sleep(pauses.next()).await?;
        }
    }

    async fn follow(
        &self,
        cx: &StepContext,
        platform: &mut Platform,
        way: &mut Way,
        stages: &[Stage],
    ) -> Result<End, StepError> {
        let mut until = Instant::now() + self.0.time_for(way.next(stages));
        let mut pauses = self.0.pauses();
        loop {
            let Some(waiting_for) = way.next(stages) else {
                return Ok(End::Reached);
            };
            let late = Instant::now() >= until;
            let sight = match platform.look(cx, &self.0, waiting_for).await {
                Ok(sight) => sight,
                Err(error) => {
                    cx.sink.progress(&passing(error, late)?);
                    cx.sleep(pauses.next()).await?;
                    continue;
                }
            };
            let reached = match way.advance(stages, &sight) {
                Ok(reached) => reached,
                Err(active) => {
                    let (verdict, reason) = verdict::active_before(&active);
                    return Ok(End::Stopped(verdict, reason));
                }
            };
            if reached > 0 {
                cx.sink.checkpoint(json!(way)).await?;
                platform.keep();
                let next = way.next(stages);
                // The time for the resolution begins with it.
                if next.is_some_and(Params::is_of_the_resolution)
                    && !Params::is_of_the_resolution(waiting_for)
                {
                    until = Instant::now() + self.0.time_for(next);
                }
                pauses = self.0.pauses();
                continue;
            }
            let stands = verdict::stands(&sight, waiting_for);
            if late {
                let values = platform.values(cx).await?;
                let (verdict, reason) =
                    verdict::too_late(&self.0, way, waiting_for, &stands, &values);
                return Ok(End::Stopped(verdict, reason));
            }
            cx.sink.progress(&format!(
                "{} is not yet {}: {stands}",
                self.0.alert,
                waiting_for.words()
            ));
            cx.sleep(pauses.next()).await?;
        }
    }

    async fn conclude(
        &self,
        cx: &StepContext,
        platform: &Platform,
        way: &Way,
        stages: &[Stage],
        end: End,
    ) -> Result<StepOutput, StepError> {
        let rule = platform.rule.as_ref();
        let seen = Seen {
            has_receiver: platform.has_receiver(),
            for_seconds: rule.map(|rule| rule.duration),
            expression: rule.map_or_else(String::new, |rule| rule.query.clone()),
            fired: platform.fired.clone(),
            metrics: platform.metrics.clone(),
        };
        let record = json!({
            "alert": self.0.alert, "labels": self.0.labels, "way": way, "rests_on": seen, "ended": end,
            "seen": platform.kept,
        });
        let evidence = cx.evidence_json("alert.json", &record).await?;
        let mut finding = verdict::finding_of(&self.0, way, stages, &seen, &end);
        finding.reason = cx.secrets.redact(&finding.reason);
        finding.evidence = vec![evidence.sha256];
        let now = cx.clock.now();
        let output = output_of(&self.0, way, seen, now);
        let value: Value = json!(output);
        Ok(StepOutput {
            value,
            findings: vec![finding],
        })
    }
}

/// What is put out; `now` counts when no stage was reached. Pure.
fn output_of(params: &Params, way: &Way, seen: Seen, now: jiff::Timestamp) -> Output {
    let at = way.times.values().max().copied();
    Output {
        alert: params.alert.clone(),
        at: at.unwrap_or(now).to_string(),
        expression: seen.expression,
        labels: seen.fired,
        times: way
            .times
            .iter()
            .map(|(stage, at)| (*stage, at.to_string()))
            .collect(),
        seconds: verdict::latencies(way)
            .into_iter()
            .map(|(name, seconds)| (name.to_owned(), seconds))
            .collect(),
        metrics: seen.metrics,
    }
}

/// The record of a watch.
#[derive(Debug, Deserialize)]
struct Recorded {
    way: Way,
    rests_on: Option<Seen>,
    ended: Option<End>,
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Recorded>("alert.json", |name| name == "alert.json")?;
    let Recorded {
        way,
        rests_on,
        ended,
    } = record.value;
    let (Some(seen), Some(end)) = (rests_on, ended) else {
        return Err(NotJudged::lacking("how it ended, and the rule's `for:`"));
    };
    let stages = params.stages(seen.has_receiver);
    if matches!(end, End::Reached) && way.next(&stages).is_some() {
        let reason = "its record says that all stages were reached, and has no time of one";
        return Err(NotJudged::Wrong(reason.to_owned()));
    }
    let mut finding = verdict::finding_of(params, &way, &stages, &seen, &end);
    finding.evidence = vec![record.sha256.to_owned()];
    // With no stage reached its output has the moment at which it gave up, which is in no record.
    let value = match way.times.values().max().copied() {
        Some(at) => again::output(output_of(params, &way, seen, at))?,
        None => None,
    };
    Ok(Again {
        findings: vec![finding],
        value,
    })
}

/// A trouble that may pass does not end the watch before its time: what was seen so far would be lost.
fn passing(error: StepError, late: bool) -> Result<String, StepError> {
    match error.class {
        ErrorClass::Transient | ErrorClass::TimedOut if !late => Ok(error.message),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
