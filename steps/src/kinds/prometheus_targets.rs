//! `prometheus.targets`: what Prometheus scrapes is there and up.
//! Effect: none; it only reads. Idempotent. Permissions: to read the target's Prometheus.
//!
//! A target that vanished is not down, it is gone: no series of it is left, and nothing is wrong to Prometheus. So there is a
//! least number of targets, and fewer is a FAIL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::Verdict;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clients::kube::waiting::{Look, Wait, Waited, enumerate, unless_cancelled};
use crate::clients::prometheus::Prometheus;
use crate::clients::prometheus::answer::{Labels, ScrapeTarget};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding, number};
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which targets, and how many.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Targets of this job.
    #[serde(default)]
    pub job: Option<String>,
    /// Targets with these labels.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
    /// At least so many must be up.
    #[schemars(range(min = 1))]
    pub min: usize,
    /// Others of them may be down, as long as `min` are up.
    #[serde(default)]
    pub allow_down: bool,
    /// A scrape longer ago than this counts as none.
    #[serde(default = "minute")]
    pub fresh: Span,
    /// How long to wait for them.
    #[serde(default = "minute")]
    pub within: Span,
}

fn minute() -> Span {
    Span::from_secs(60)
}

/// What is scraped.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many are up, freshly scraped.
    pub up: usize,
    /// The targets that match.
    pub targets: Vec<TargetOutput>,
}

/// One target.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TargetOutput {
    /// Its labels.
    pub labels: Labels,
    /// Where it is scraped.
    pub url: String,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// Why it is not up.
    pub last_error: String,
    /// How long ago it was scraped; none when it never was.
    pub age_seconds: Option<f64>,
    /// Whether it counts: up, and scraped lately.
    pub counts: bool,
}

/// The step.
#[derive(Debug)]
pub struct PrometheusTargets(Params);

impl Kind for PrometheusTargets {
    const INFO: KindInfo = KindInfo {
        name: "prometheus.targets",
        summary: "Checks that Prometheus scrapes what it should, and that it is up.",
        effect: "None: it only reads.",
        permissions: "To read the target's Prometheus.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        example: "- id: workers_scraped\n  uses: prometheus.targets\n  with: {job: trino-worker, min: 2}\n",
    };
    type Params = Params;
    type Output = Output;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        if params.job.is_none() && params.labels.is_empty() {
            return Err("one of `job` and `labels` is needed".to_owned());
        }
        if params.min == 0 {
            return Err("`min` must be at least 1: there is no pass for nothing".to_owned());
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for PrometheusTargets {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.look_until_up(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl PrometheusTargets {
    async fn look_until_up(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let prometheus = Prometheus::connect(cx).await?;
        let mut wait = Wait::begin(cx, self.0.within.duration());
        let mut seen = Vec::new();
        let waited = loop {
            let look = prometheus.targets(cx).await.map(|all| {
                let look = self.judge(&all, cx.clock.now());
                seen = all;
                look
            });
            if let Some(waited) = wait.after(look).await? {
                break waited;
            }
        };
        let matching = self.matching(&seen, cx.clock.now());
        let up = matching.iter().filter(|target| target.counts).count();
        let record = json!({"targets": matching});
        let evidence = cx.evidence_json("targets.json", &record).await?;
        let (verdict, reason) = match waited {
            Waited::Held(()) => (Verdict::Pass, format!("{up} targets are up")),
            Waited::Expired(missing) => (Verdict::Fail, missing),
        };
        let mut found = finding(
            format!("targets {}", self.name()),
            verdict,
            cx.secrets.redact(&reason),
        );
        found.numbers = vec![
            count("targets", matching.len()),
            count("up", up),
            number("least", self.0.min as f64, ""),
        ];
        found.evidence = vec![evidence.sha256];
        let targets = matching;
        Ok(StepOutput {
            value: json!(Output { up, targets }),
            findings: vec![found],
        })
    }

    fn judge(&self, all: &[ScrapeTarget], now: jiff::Timestamp) -> Look<()> {
        let matching = self.matching(all, now);
        let up = matching.iter().filter(|target| target.counts).count();
        let down: Vec<String> = matching
            .iter()
            .filter(|target| !target.counts)
            .map(TargetOutput::complaint)
            .collect();
        if matching.len() < self.0.min {
            let jobs: BTreeSet<&str> = all
                .iter()
                .filter_map(|target| target.labels.get("job"))
                .map(String::as_str)
                .collect();
            let jobs: Vec<&str> = jobs.into_iter().collect();
            return Look::NotYet(format!(
                "Prometheus has {} of at least {} targets {}; its jobs are: {}",
                matching.len(),
                self.0.min,
                self.name(),
                jobs.join(", ")
            ));
        }
        if up < self.0.min || !(down.is_empty() || self.0.allow_down) {
            return Look::NotYet(format!(
                "{up} of {} targets {} are up: {}",
                matching.len(),
                self.name(),
                enumerate(&down)
            ));
        }
        Look::Done(())
    }

    fn matching(&self, all: &[ScrapeTarget], now: jiff::Timestamp) -> Vec<TargetOutput> {
        let fresh = self.0.fresh.duration().as_secs_f64();
        all.iter()
            .filter(|target| {
                let job = self.0.job.as_ref();
                job.is_none_or(|job| target.labels.get("job") == Some(job))
                    && self
                        .0
                        .labels
                        .iter()
                        .all(|(label, value)| target.labels.get(label) == Some(value))
            })
            .map(|target| {
                let scraped = target.last_scrape > jiff::Timestamp::UNIX_EPOCH;
                let age = now
                    .duration_since(target.last_scrape)
                    .as_secs_f64()
                    .max(0.0);
                let age_seconds = scraped.then_some(age);
                TargetOutput {
                    labels: target.labels.clone(),
                    url: target.scrape_url.clone(),
                    health: target.health.clone(),
                    last_error: target.last_error.clone(),
                    counts: target.health == "up" && age_seconds.is_some_and(|age| age <= fresh),
                    age_seconds,
                }
            })
            .collect()
    }

    /// As PromQL would write it.
    fn name(&self) -> String {
        let job = self.0.job.iter().map(|job| format!("job={job:?}"));
        let labels = self.0.labels.iter();
        let labels = labels.map(|(label, value)| format!("{label}={value:?}"));
        format!("{{{}}}", job.chain(labels).collect::<Vec<_>>().join(", "))
    }
}

impl TargetOutput {
    fn complaint(&self) -> String {
        let instance = self.labels.get("instance").unwrap_or(&self.url);
        match (self.health.as_str(), self.age_seconds) {
            (_, None) => format!("{instance} was never scraped"),
            ("up", Some(age)) => format!("{instance} was last scraped {age:.0} s ago"),
            (health, _) => format!("{instance} is {health} ({})", self.last_error),
        }
    }
}

#[cfg(test)]
mod tests;
