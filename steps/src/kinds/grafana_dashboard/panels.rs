//! What each panel shows: asked of Grafana or of Prometheus, and judged alike.

use flowctl_workflows::result::{Finding, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::Params;
use super::dashboard::{Dashboard, Panel, PanelQuery};
use crate::clients::grafana::Grafana;
use crate::clients::prometheus::answer::Reading;
use crate::clients::prometheus::{Presence, Prometheus};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding};
use crate::kinds::prometheus_query::{self, Judgement, judge};

/// Who is asked.
pub(super) enum Source {
    Grafana(Grafana),
    Prometheus(Prometheus),
}

/// What a panel shows.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct PanelResult {
    /// Its title.
    pub title: String,
    /// The worst of its queries.
    #[schemars(with = "String")]
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Its queries, with variables filled in.
    pub queries: Vec<String>,
    /// How many series they give together.
    pub series: usize,
    /// How many values.
    pub samples: usize,
    /// What was answered.
    #[serde(skip)]
    pub(super) answers: Vec<Value>,
}

impl PanelResult {
    /// The finding, without its evidence.
    pub(super) fn finding(&self, asked: &str) -> Finding {
        let reason = format!("{} (asked: {asked})", self.reason);
        let mut found = finding(format!("panel {}", self.title), self.verdict, reason);
        found.numbers = vec![count("series", self.series), count("samples", self.samples)];
        found
    }
}

/// Asks for every panel.
///
/// # Errors
/// When there is no answer.
pub(super) async fn ask_all(
    cx: &StepContext,
    source: &Source,
    params: &Params,
    board: &Dashboard,
) -> Result<Vec<PanelResult>, StepError> {
    let mut results = Vec::new();
    for panel in &board.panels {
        results.push(ask(cx, source, params, panel).await?);
    }
    Ok(results)
}

async fn ask(
    cx: &StepContext,
    source: &Source,
    params: &Params,
    panel: &Panel,
) -> Result<PanelResult, StepError> {
    let mut result = PanelResult {
        title: panel.title.clone(),
        verdict: Verdict::Inconclusive,
        reason: "it has no query".to_owned(),
        queries: Vec::new(),
        series: 0,
        samples: 0,
        answers: Vec::new(),
    };
    let mut judged = Vec::new();
    for query in &panel.queries {
        result.queries.push(query.expression.clone());
        if !query.unknown.is_empty() {
            judged.push(Judgement {
                verdict: Verdict::Inconclusive,
                reason: format!("the variables {} have no value", query.unknown.join(", ")),
            });
            continue;
        }
        let asked = as_query(params, query);
        let (reading, metrics) = match read(cx, source, &asked, query).await {
            Ok(read) => read,
            // A query that cannot be evaluated is the panel's fault, not the service's.
            Err(error) if is_of_the_query(&error) => {
                judged.push(Judgement {
                    verdict: Verdict::Fail,
                    reason: error.message,
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        judged.push(judge_one(params, panel, &asked, &reading, &metrics));
        result.series += reading.series.len();
        result.samples += reading.values().count();
        result.answers.push(reading.raw);
    }
    // Each query must show something: the worst one is the panel's.
    let worst = judged
        .iter()
        .map(|judged| judged.verdict)
        .reduce(Verdict::worst);
    if let Some(worst) = worst
        && let Some(first) = judged.into_iter().find(|judged| judged.verdict == worst)
    {
        result.verdict = first.verdict;
        result.reason = first.reason;
    }
    Ok(result)
}

fn is_of_the_query(error: &StepError) -> bool {
    matches!(
        error.code.as_str(),
        "prometheus.bad_data" | "prometheus.execution" | "grafana.query"
    )
}

fn as_query(params: &Params, query: &PanelQuery) -> prometheus_query::Params {
    prometheus_query::Params {
        query: query.expression.clone(),
        range: Some(params.range),
        min_series: 1,
        min_samples: 1,
        fresh: params.fresh,
        each: None,
        some: None,
        within: None,
        scraped_anew: false,
    }
}

async fn read(
    cx: &StepContext,
    source: &Source,
    asked: &prometheus_query::Params,
    query: &PanelQuery,
) -> Result<(Reading, Vec<Presence>), StepError> {
    match source {
        Source::Prometheus(prometheus) => prometheus_query::read(cx, prometheus, asked).await,
        Source::Grafana(grafana) => {
            let range = asked.range.unwrap_or_else(super::five_minutes);
            let reading = grafana
                .query(
                    cx,
                    &query.datasource,
                    &query.expression,
                    range.last.duration(),
                    range.step.duration(),
                )
                .await?;
            let age = newest(&reading).map(|at| (seconds_now(cx) - at).max(0.0));
            let presence = Presence {
                selector: query.expression.clone(),
                metric: None,
                may_be_absent: false,
                series: reading.series.len() as u64,
                series_of_name: 0,
                age_seconds: age,
                near: Vec::new(),
            };
            Ok((reading, vec![presence]))
        }
    }
}

fn newest(reading: &Reading) -> Option<f64> {
    let last = reading
        .series
        .iter()
        .filter_map(|series| series.samples.last());
    last.map(|sample| sample.at).reduce(f64::max)
}

fn seconds_now(cx: &StepContext) -> f64 {
    cx.clock.now().as_duration().as_secs_f64()
}

fn judge_one(
    params: &Params,
    panel: &Panel,
    asked: &prometheus_query::Params,
    reading: &Reading,
    metrics: &[Presence],
) -> Judgement {
    let judged = judge(asked, reading, metrics);
    let zero = reading.values().all(|value| value == 0.0);
    if judged.verdict == Verdict::Pass && zero && !params.may_be_zero.contains(&panel.title) {
        return Judgement {
            verdict: Verdict::Inconclusive,
            reason: format!(
                "all {} values of `{}` are zero, as if nothing had happened",
                reading.values().count(),
                asked.query
            ),
        };
    }
    judged
}
