//! What each panel shows: asked of Grafana or of Prometheus, and judged alike.

use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Params;
use super::dashboard::{Dashboard, Panel, PanelQuery};
use crate::clients::grafana::{self, Grafana};
use crate::clients::prometheus::answer::Reading;
use crate::clients::prometheus::{Presence, Prometheus};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{count, finding};
use crate::kinds::prometheus_query::{self, Judgement};

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
}

/// What a query was answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Values.
    Values {
        /// As they came.
        raw: Value,
        /// What there is of each metric.
        metrics: Vec<Presence>,
    },
    /// That it cannot be evaluated, and why.
    Refused(String),
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

/// Asks for every query of every panel.
///
/// # Errors
/// When there is no answer.
pub(super) async fn ask_all(
    cx: &StepContext,
    source: &Source,
    params: &Params,
    board: &Dashboard,
) -> Result<Vec<Vec<Option<Answer>>>, StepError> {
    let mut panels = Vec::new();
    for panel in &board.panels {
        let mut answers = Vec::new();
        for query in &panel.queries {
            let may_ask = query.unknown.is_empty();
            let answer = match may_ask {
                true => Some(ask(cx, source, params, query).await?),
                false => None,
            };
            answers.push(answer);
        }
        panels.push(answers);
    }
    Ok(panels)
}

async fn ask(
    cx: &StepContext,
    source: &Source,
    params: &Params,
    query: &PanelQuery,
) -> Result<Answer, StepError> {
    match read(cx, source, &as_query(params, query), query).await {
        Ok((reading, metrics)) => Ok(Answer::Values {
            raw: reading.raw,
            metrics,
        }),
        // A query that cannot be evaluated is the panel's fault, not the service's.
        Err(error) if is_of_the_query(&error) => Ok(Answer::Refused(error.message)),
        Err(error) => Err(error),
    }
}

/// What these answers make of a panel. Pure.
pub(super) fn judge(
    params: &Params,
    panel: &Panel,
    answers: &[Option<Answer>],
    of_grafana: bool,
) -> PanelResult {
    let mut result = PanelResult {
        title: panel.title.clone(),
        verdict: Verdict::Inconclusive,
        reason: "it has no query".to_owned(),
        queries: Vec::new(),
        series: 0,
        samples: 0,
    };
    let mut judged = Vec::new();
    let none = std::iter::repeat(&None);
    for (query, answer) in panel.queries.iter().zip(answers.iter().chain(none)) {
        result.queries.push(query.expression.clone());
        let reading = match answer {
            Some(Answer::Values { raw, .. }) if of_grafana => grafana::reading(raw),
            Some(Answer::Values { raw, .. }) => Reading::parse(raw.clone()),
            _ => None,
        };
        judged.push(match (answer, &reading) {
            (Some(Answer::Values { metrics, .. }), Some(reading)) => {
                result.series += reading.series.len();
                result.samples += reading.values().count();
                judge_one(params, panel, &as_query(params, query), reading, metrics)
            }
            (Some(Answer::Refused(why)), _) => Judgement {
                verdict: Verdict::Fail,
                reason: why.clone(),
            },
            _ if query.unknown.is_empty() => Judgement {
                verdict: Verdict::Inconclusive,
                reason: format!("`{}` has no answer that can be read", query.expression),
            },
            _ => Judgement {
                verdict: Verdict::Inconclusive,
                reason: format!("the variables {} have no value", query.unknown.join(", ")),
            },
        });
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
    result
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
    let judged = prometheus_query::judge(asked, reading, metrics);
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
