//! `prometheus.query`: a PromQL expression, with the least evidence that it must stand on and what its values must be like.
//! Effect: none; it only reads. Idempotent. Permissions: to query the target's Prometheus.
//!
//! An expression over a metric that does not exist is no error to Prometheus: it gives nothing. So it is with a filter that
//! leaves nothing, and with a value that is minutes old. None of these is a pass, and the reason tells them apart.

mod judge;

use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use self::judge::{Judgement, judge};
use crate::again::{self, Again, JudgeAgain, NotJudged, Records};
use crate::clients::kube::waiting::{Look, Wait, Waited, unless_cancelled};
use crate::clients::prometheus::answer::{Labels, Reading, Series};
use crate::clients::prometheus::{Presence, Prometheus};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding, number};
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// How many series the output holds; the evidence holds them all.
const SHOWN: usize = 100;

/// What to ask, and what there must be.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The expression.
    pub query: String,
    /// The values over a time, instead of those of now.
    #[serde(default)]
    pub range: Option<Range>,
    /// With fewer series nothing is proven.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub min_series: usize,
    /// With fewer samples in a series it counts as none; more than one needs `range`.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub min_samples: usize,
    /// The newest sample of each metric that the expression reads must be at most so old.
    #[serde(default = "minute")]
    pub fresh: Span,
    /// What every value must be like.
    #[serde(default)]
    pub each: Option<Bound>,
    /// What at least one value must be like, for example `{above: 0}`.
    #[serde(default)]
    pub some: Option<Bound>,
    /// Ask again until all of it holds, for at most so long; left out: ask once.
    #[serde(default)]
    pub within: Option<Span>,
    /// Only samples count that were scraped after the step began: what came just before it is surely among them.
    #[serde(default)]
    pub scraped_anew: bool,
}

/// A time up to now.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// How far back.
    pub last: Span,
    /// One value every so often.
    #[serde(default = "five_seconds")]
    pub step: Span,
}

/// What a value must be like; at least one.
#[derive(Debug, Clone, Copy, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// More than this.
    #[serde(default)]
    pub above: Option<f64>,
    /// Less than this.
    #[serde(default)]
    pub below: Option<f64>,
    /// This or more.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// This or less.
    #[serde(default)]
    pub at_most: Option<f64>,
}

fn one() -> usize {
    1
}

fn minute() -> Span {
    Span::from_secs(60)
}

fn five_seconds() -> Span {
    Span::from_secs(5)
}

/// What there was.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// How many series have samples enough.
    pub series_count: usize,
    /// How many samples they have together.
    pub sample_count: usize,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// How old the newest sample is of the metric that was updated longest ago.
    pub age_seconds: Option<f64>,
    /// The first hundred series.
    pub series: Vec<SeriesOutput>,
    /// What there is of each metric that the expression reads.
    pub metrics: Vec<Presence>,
}

/// One series.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SeriesOutput {
    /// Its labels.
    pub labels: Labels,
    /// Its newest value.
    pub last: Option<f64>,
    /// Its smallest value.
    pub min: Option<f64>,
    /// Its largest value.
    pub max: Option<f64>,
    /// How many values it has.
    pub samples: usize,
}

/// The step.
#[derive(Debug)]
pub struct PrometheusQuery(Params);

impl Kind for PrometheusQuery {
    const INFO: KindInfo = KindInfo {
        name: "prometheus.query",
        summary: "Asks Prometheus, and judges whether there is data, fresh and within bounds.",
        effect: "None: it only reads.",
        permissions: "To query the target's Prometheus.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: queries_seen\n  uses: prometheus.query\n  with:\n    query: trino_execution_name_QueryManager_RunningQueries\n    range: {last: 5m}\n    min_samples: 10\n    fresh: 30s\n    some: {above: 0}\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        judge::validate(&params)?;
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for PrometheusQuery {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.ask(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl PrometheusQuery {
    async fn ask(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let prometheus = Prometheus::connect(cx).await?;
        let mut last = None;
        let begun = cx.clock.elapsed();
        let mut wait = Wait::begin(cx, self.0.within.map(Span::duration).unwrap_or_default());
        loop {
            let look = async {
                let elapsed = cx.clock.elapsed() - begun;
                let (reading, metrics) = read(cx, &prometheus, &self.0).await?;
                let judgement = judged(&self.0, &reading, &metrics, elapsed);
                let look = match judgement.verdict {
                    Verdict::Pass => Look::Done(()),
                    _ => Look::NotYet(judgement.reason.clone()),
                };
                last = Some((reading, metrics, elapsed));
                Ok(look)
            };
            let look = look.await;
            if let Some(Waited::Held(()) | Waited::Expired(_)) = wait.after(look).await? {
                break;
            }
        }
        let Some((reading, metrics, elapsed)) = last else {
            return Err(StepError::permanent(
                "prometheus.protocol",
                "Prometheus was never asked",
            ));
        };
        self.conclude(cx, &reading, metrics, elapsed).await
    }

    async fn conclude(
        &self,
        cx: &StepContext,
        reading: &Reading,
        metrics: Vec<Presence>,
        elapsed: Duration,
    ) -> Result<StepOutput, StepError> {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let record = json!({
            "query": self.0.query, "answer": reading.raw, "metrics": metrics, "nanos_since_begin": nanos,
        });
        let evidence = cx.evidence_json("prometheus.json", &record).await?;
        let (mut found, output) = conclude(&self.0, reading, metrics, elapsed);
        found.about = cx.secrets.redact(&found.about);
        found.reason = cx.secrets.redact(&found.reason);
        found.evidence = vec![evidence.sha256];
        Ok(StepOutput {
            value: json!(output),
            findings: vec![found],
        })
    }
}

/// What was asked and answered, as the record has it.
#[derive(Debug, Deserialize)]
struct Recorded {
    answer: Value,
    metrics: Vec<Presence>,
    nanos_since_begin: Option<u64>,
}

fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Recorded>("prometheus.json", |name| name == "prometheus.json")?;
    let Recorded {
        answer,
        metrics,
        nanos_since_begin,
    } = record.value;
    if params.scraped_anew && nanos_since_begin.is_none() {
        return Err(NotJudged::lacking("how long after its begin it asked"));
    }
    let reading = Reading::parse(answer)
        .ok_or_else(|| NotJudged::Wrong("its record holds no answer of Prometheus".to_owned()))?;
    let elapsed = Duration::from_nanos(nanos_since_begin.unwrap_or_default());
    let (mut found, output) = conclude(params, &reading, metrics, elapsed);
    found.evidence = vec![record.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

/// The verdict on an answer that came so long after the step began.
fn judged(
    params: &Params,
    reading: &Reading,
    metrics: &[Presence],
    elapsed: Duration,
) -> Judgement {
    let mut judgement = judge(params, reading, metrics);
    if params.scraped_anew {
        judge::only_anew(&mut judgement, metrics, elapsed);
    }
    judgement
}

/// What an answer comes to. Pure.
fn conclude(
    params: &Params,
    reading: &Reading,
    metrics: Vec<Presence>,
    elapsed: Duration,
) -> (Finding, Output) {
    let judgement = judged(params, reading, &metrics, elapsed);
    let output = summary(params, reading, metrics);
    let mut found = finding(&params.query, judgement.verdict, judgement.reason);
    found.numbers = vec![
        count("series", output.series_count),
        count("samples", output.sample_count),
    ];
    for (name, value, unit) in [
        ("smallest", output.min, ""),
        ("largest", output.max, ""),
        ("age of the newest sample", output.age_seconds, "s"),
    ] {
        found.numbers.extend(
            value
                .filter(|value| value.is_finite())
                .map(|value| number(name, value, unit)),
        );
    }
    (found, output)
}

/// One look: the values, and what there is of each metric.
///
/// # Errors
/// When the expression cannot be evaluated, or there is no answer.
pub(super) async fn read(
    cx: &StepContext,
    prometheus: &Prometheus,
    params: &Params,
) -> Result<(Reading, Vec<Presence>), StepError> {
    let query = &params.query;
    // First: the values are then at least as new as this says.
    let metrics = prometheus.presence(cx, query).await?;
    let reading = match params.range {
        Some(Range { last, step }) => {
            prometheus
                .range(cx, query, last.duration(), step.duration())
                .await?
        }
        None => prometheus.instant(cx, query).await?,
    };
    Ok((reading, metrics))
}

fn summary(params: &Params, reading: &Reading, metrics: Vec<Presence>) -> Output {
    let good: Vec<&Series> = judge::with_samples(params, reading).collect();
    let of = |series: &Series| {
        let values: Vec<f64> = series.values().collect();
        SeriesOutput {
            labels: series.labels.clone(),
            last: values.last().copied(),
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
            samples: values.len(),
        }
    };
    let values = || good.iter().flat_map(|series| series.values());
    Output {
        series_count: good.len(),
        sample_count: values().count(),
        min: values().reduce(f64::min),
        max: values().reduce(f64::max),
        age_seconds: judge::age(&metrics),
        series: good.iter().take(SHOWN).map(|series| of(series)).collect(),
        metrics,
    }
}

#[cfg(test)]
mod tests;
