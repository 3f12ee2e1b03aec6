//! `grafana.dashboard`: a dashboard is in a form that Grafana loads, and every query of every panel gives data, fresh and not all zero.
//! Effect: none; it only reads. Idempotent. Permissions: to view the dashboard and query its data source; without a Grafana in the target,
//! to query Prometheus; with `config_map`, to get that ConfigMap.
//!
//! Where the target names a Grafana, it is asked, through the data source that the panel names. Where there is none, the queries go to
//! Prometheus itself; that Grafana would draw them was then not seen, and a finding of its own says so.

mod dashboard;
mod find;
mod panels;
mod seen;

use async_trait::async_trait;
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::panels::{PanelResult, Source};
use self::seen::Seen;
use super::prometheus_query::Range;
use crate::again::JudgeAgain;
use crate::clients::grafana::Grafana;
use crate::clients::kube::waiting::{Look, Wait, Waited, unless_cancelled};
use crate::clients::prometheus::Prometheus;
use crate::context::StepContext;
use crate::error::StepError;
use crate::registry::Kind;
use crate::step::{KindInfo, OnResume, Output as StepOutput, Step, Undone};

/// Which dashboard, and what its panels must show.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The dashboard as Grafana has it. Exactly one of `uid`, `config_map` and `file`; a `uid` needs a Grafana.
    #[serde(default)]
    pub uid: Option<String>,
    /// The dashboard in a ConfigMap, as Grafana's sidecar loads it.
    #[serde(default)]
    pub config_map: Option<ConfigMap>,
    /// The dashboard in a file of the workflow.
    #[serde(default)]
    #[schemars(extend("format" = "flowctl-file"))]
    pub file: Option<String>,
    /// The time that the panels are asked for.
    #[serde(default = "five_minutes")]
    pub range: Range,
    /// The newest sample of each metric must be at most so old.
    #[serde(default = "minute")]
    pub fresh: Span,
    /// Panels of which every value may be zero, by title.
    #[serde(default)]
    pub may_be_zero: Vec<String>,
    /// Ask again until every panel has its data, for at most so long; left out: ask once.
    #[serde(default)]
    pub within: Option<Span>,
    /// Whether there must be a Grafana that has the dashboard. Without it: INCONCLUSIVE; `false`: only the queries are judged.
    #[serde(default = "yes")]
    pub needs_grafana: bool,
}

/// A ConfigMap with a dashboard.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigMap {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key; left out: the only one.
    #[serde(default)]
    pub key: Option<String>,
    /// The label that the sidecar looks for.
    #[serde(default = "sidecar_label")]
    pub label: String,
}

fn sidecar_label() -> String {
    "grafana_dashboard".to_owned()
}

fn five_minutes() -> Range {
    Range {
        last: Span::from_secs(300),
        step: Span::from_secs(5),
    }
}

fn minute() -> Span {
    Span::from_secs(60)
}

fn yes() -> bool {
    true
}

/// What was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Output {
    /// The dashboard's title.
    pub title: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Who was asked: `Grafana 11.2.0`, or `Prometheus, for the target names no Grafana`.
    pub asked: String,
    /// Each panel.
    pub panels: Vec<PanelResult>,
}

/// The step.
#[derive(Debug)]
pub struct GrafanaDashboard(Params);

impl Kind for GrafanaDashboard {
    const INFO: KindInfo = KindInfo {
        name: "grafana.dashboard",
        summary: "Checks that a dashboard can be loaded and that each of its panels has fresh data.",
        effect: "None: it only reads.",
        permissions: "To view the dashboard and query its data source; get on the ConfigMap that holds it.",
        measures: true,
        on_resume: OnResume::Repeats,
        writes: false,
        needs_target: true,
        example: "- id: dashboard\n  uses: grafana.dashboard\n  with:\n    config_map: {namespace: monitoring, name: trino-dashboard}\n    fresh: 30s\n    within: 1m\n",
    };
    type Params = Params;
    type Output = Output;
    const JUDGE_AGAIN: Option<JudgeAgain<Params>> = Some(seen::judge_again);

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        let given = [
            params.uid.is_some(),
            params.config_map.is_some(),
            params.file.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err("give exactly one of `uid`, `config_map` and `file`".to_owned());
        }
        if params.uid.is_some() && !params.needs_grafana {
            return Err("a `uid` names a dashboard in Grafana, so it needs one".to_owned());
        }
        let Range { last, step } = params.range;
        if step.duration().is_zero() || last.duration() < step.duration() {
            return Err("`range` needs a `step` above 0 that is no longer than `last`".to_owned());
        }
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for GrafanaDashboard {
    async fn run(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        unless_cancelled(cx, self.check(cx)).await
    }

    async fn undo(&self, _: &StepContext) -> Result<Undone, StepError> {
        Ok(Undone::Nothing("it only reads"))
    }
}

impl GrafanaDashboard {
    async fn check(&self, cx: &StepContext) -> Result<StepOutput, StepError> {
        let grafana = Grafana::connect(cx).await?;
        let found = find::find(cx, &self.0, grafana.as_ref()).await?;
        let board = found.board(&self.0).map_err(|why| {
            StepError::permanent(
                "grafana.dashboard",
                format!("the dashboard cannot be read: {why}"),
            )
        })?;
        let loaded = match (&grafana, &board.uid) {
            (Some(grafana), Some(uid)) => grafana.dashboard(cx, uid).await?.is_some(),
            _ => false,
        };
        let (source, version) = match grafana {
            Some(grafana) => {
                let version = grafana.version(cx).await?;
                (Source::Grafana(grafana), Some(version))
            }
            None => (Source::Prometheus(Prometheus::connect(cx).await?), None),
        };
        let mut seen = Seen {
            found,
            grafana: version,
            loaded,
            panels: Vec::new(),
        };
        let mut wait = Wait::begin(cx, self.0.within.map(Span::duration).unwrap_or_default());
        loop {
            let look = panels::ask_all(cx, &source, &self.0, &board)
                .await
                .map(|answers| {
                    seen.panels = answers;
                    let panels = seen.judge(&self.0, &board);
                    let lacking = panels.iter().find(|panel| panel.verdict != Verdict::Pass);
                    lacking.map_or(Look::Done(()), |panel| {
                        Look::NotYet(format!("{}: {}", panel.title, panel.reason))
                    })
                });
            if let Some(Waited::Held(()) | Waited::Expired(_)) = wait.after(look).await? {
                break;
            }
        }
        let evidence = cx.evidence_json(seen::RECORD, &json!(seen)).await?;
        let (mut findings, output) = seen.conclude(&self.0, board);
        for found in &mut findings {
            found.reason = cx.secrets.redact(&found.reason);
            found.evidence = vec![evidence.sha256.clone()];
        }
        Ok(StepOutput {
            value: json!(output),
            findings,
        })
    }
}

#[cfg(test)]
mod tests;
