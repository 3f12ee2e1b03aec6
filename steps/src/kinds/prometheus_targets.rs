//! `prometheus.targets`: what Prometheus scrapes is there and up.
//! Effect: none; it only reads. Idempotent. Permissions: to read the target's Prometheus.
//!
//! A target that vanished is not down, it is gone: no series of it is left, and nothing is wrong to Prometheus. So there is a
//! least number of targets, and fewer is a FAIL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{Finding, Verdict};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
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

/// What Prometheus scrapes, as the record has it: what follows is worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// When it was asked.
    at: Timestamp,
    /// The targets that match.
    targets: Vec<ScrapeTarget>,
    /// The jobs of all targets.
    jobs: BTreeSet<String>,
}

/// What was seen comes to: the targets, and what is missing.
struct Judged {
    targets: Vec<TargetOutput>,
    up: usize,
    missing: Option<String>,
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
        needs_target: true,
        example: "- id: workers_scraped\n  uses: prometheus.targets\n  with: {job: trino-worker, min: 2}\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

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
        let mut last = None;
        loop {
            let look = prometheus.targets(cx).await.map(|all| {
                let seen = last.insert(self.0.seen(all, cx.clock.now()));
                self.0
                    .judge(seen)
                    .missing
                    .map_or(Look::Done(()), Look::NotYet)
            });
            if let Some(Waited::Held(()) | Waited::Expired(_)) = wait.after(look).await? {
                break;
            }
        }
        let seen = last.ok_or_else(|| {
            StepError::permanent("prometheus.targets", "Prometheus was not asked")
        })?;
        let evidence = cx.evidence_json("scraped.json", &json!(seen)).await?;
        let (mut found, output) = self.0.conclude(&seen);
        found.reason = cx.secrets.redact(&found.reason);
        found.evidence = vec![evidence.sha256];
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>("scraped.json", |name| name == "scraped.json")?;
    let (mut found, output) = params.conclude(&record.value);
    found.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

impl Params {
    /// What is kept of an answer.
    fn seen(&self, all: Vec<ScrapeTarget>, at: Timestamp) -> Seen {
        let jobs = all.iter().filter_map(|target| target.labels.get("job"));
        let jobs = jobs.cloned().collect();
        let mut targets = all;
        targets.retain(|target| self.wants(target));
        Seen { at, targets, jobs }
    }

    fn wants(&self, target: &ScrapeTarget) -> bool {
        let job = self.job.as_ref();
        job.is_none_or(|job| target.labels.get("job") == Some(job))
            && self
                .labels
                .iter()
                .all(|(label, value)| target.labels.get(label) == Some(value))
    }

    /// What a look comes to. Pure.
    fn conclude(&self, seen: &Seen) -> (Finding, Output) {
        let Judged {
            targets,
            up,
            missing,
        } = self.judge(seen);
        let (verdict, reason) = match missing {
            None => (Verdict::Pass, format!("{up} targets are up")),
            Some(missing) => (Verdict::Fail, missing),
        };
        let mut found = finding(format!("targets {}", self.name()), verdict, reason);
        found.numbers = vec![
            count("targets", targets.len()),
            count("up", up),
            number("least", self.min as f64, ""),
        ];
        (found, Output { up, targets })
    }

    fn judge(&self, seen: &Seen) -> Judged {
        // A record may have been changed since: what does not match counts for nothing.
        let matching = seen.targets.iter().filter(|target| self.wants(target));
        let targets: Vec<TargetOutput> = matching
            .map(|target| TargetOutput::of(target, seen.at, self.fresh))
            .collect();
        let up = targets.iter().filter(|target| target.counts).count();
        let down: Vec<String> = targets
            .iter()
            .filter(|target| !target.counts)
            .map(TargetOutput::complaint)
            .collect();
        let (all, least, name) = (targets.len(), self.min, self.name());
        let missing = if all < least {
            let jobs: Vec<&str> = seen.jobs.iter().map(String::as_str).collect();
            let jobs = jobs.join(", ");
            Some(format!(
                "Prometheus has {all} of at least {least} targets {name}; its jobs are: {jobs}"
            ))
        } else if up < least || !(down.is_empty() || self.allow_down) {
            let down = enumerate(&down);
            Some(format!("{up} of {all} targets {name} are up: {down}"))
        } else {
            None
        };
        Judged {
            targets,
            up,
            missing,
        }
    }

    /// As PromQL would write it.
    fn name(&self) -> String {
        let job = self.job.iter().map(|job| format!("job={job:?}"));
        let labels = self.labels.iter();
        let labels = labels.map(|(label, value)| format!("{label}={value:?}"));
        format!("{{{}}}", job.chain(labels).collect::<Vec<_>>().join(", "))
    }
}

impl TargetOutput {
    /// A target as it was at this moment.
    fn of(target: &ScrapeTarget, at: Timestamp, fresh: Span) -> Self {
        let scraped = target.last_scrape > Timestamp::UNIX_EPOCH;
        let age = at.duration_since(target.last_scrape).as_secs_f64().max(0.0);
        let age_seconds = scraped.then_some(age);
        let is_fresh = age_seconds.is_some_and(|age| age <= fresh.duration().as_secs_f64());
        Self {
            labels: target.labels.clone(),
            url: target.scrape_url.clone(),
            health: target.health.clone(),
            last_error: target.last_error.clone(),
            counts: target.health == "up" && is_fresh,
            age_seconds,
        }
    }

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
