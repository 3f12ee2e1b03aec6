//! What was seen of a dashboard, as the record has it, and what it comes to. Pure.

use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};

use super::dashboard::Dashboard;
use super::find::Found;
use super::panels::{self, Answer, PanelResult};
use super::{Output, Params};
use crate::again::{self, Again, NotJudged, Records};
use crate::finding::{count, finding};

/// What the record is called.
pub(super) const RECORD: &str = "asked.json";

/// The dashboard and the answers: all verdicts are worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) found: Found,
    /// The version of the Grafana that was asked; none: Prometheus was asked.
    pub(super) grafana: Option<String>,
    /// Whether Grafana has the dashboard.
    pub(super) loaded: bool,
    /// For each panel and each of its queries what was answered; nothing for one that could not be asked.
    pub(super) panels: Vec<Vec<Option<Answer>>>,
}

/// Judges again from the record.
///
/// # Errors
/// When there is none, or it is of another shape.
pub(super) fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>(RECORD, |name| name == RECORD)?;
    let board = record.value.found.board(params).map_err(NotJudged::Wrong)?;
    if board.panels.len() != record.value.panels.len() {
        return Err(NotJudged::Wrong(
            "its record does not have the answers of each panel".to_owned(),
        ));
    }
    let (mut findings, output) = record.value.conclude(params, board);
    for found in &mut findings {
        found.evidence = vec![record.sha256.to_owned()];
    }
    Ok(Again {
        findings,
        value: again::output(output)?,
    })
}

impl Seen {
    /// What each panel shows.
    pub(super) fn judge(&self, params: &Params, board: &Dashboard) -> Vec<PanelResult> {
        let panels = board.panels.iter().zip(&self.panels);
        panels
            .map(|(panel, answers)| panels::judge(params, panel, answers, self.grafana.is_some()))
            .collect()
    }

    /// The findings, without their evidence, and the output.
    pub(super) fn conclude(&self, params: &Params, board: Dashboard) -> (Vec<Finding>, Output) {
        let asked = self.asked();
        let panels = self.judge(params, &board);
        let mut findings = vec![form(&board)];
        findings.extend(panels.iter().map(|panel| panel.finding(&asked)));
        if params.needs_grafana {
            findings.push(self.in_grafana(&board, &asked));
        }
        let output = Output {
            title: board.title,
            uid: board.uid,
            asked,
            panels,
        };
        (findings, output)
    }

    fn asked(&self) -> String {
        match &self.grafana {
            Some(version) => format!("Grafana {version}"),
            None => "Prometheus, for the target names no Grafana".to_owned(),
        }
    }

    /// Whether a Grafana has it.
    fn in_grafana(&self, board: &Dashboard, asked: &str) -> Finding {
        let (verdict, reason) = match (&self.grafana, self.loaded) {
            (Some(_), true) => (Verdict::Pass, format!("{asked} has it")),
            (Some(_), false) => (Verdict::Fail, format!("{asked} does not have it")),
            (None, _) => (
                Verdict::Inconclusive,
                "the target names no Grafana, so nobody saw that it loads and draws the dashboard"
                    .to_owned(),
            ),
        };
        let about = format!("dashboard {} in Grafana", board.title);
        finding(about, verdict, reason)
    }
}

fn form(board: &Dashboard) -> Finding {
    let about = format!("form of the dashboard {}", board.title);
    let mut found = if board.complaints.is_empty() {
        let reason = format!("Grafana can load it: {} panels", board.panels.len());
        finding(about, Verdict::Pass, reason)
    } else {
        finding(about, Verdict::Fail, board.complaints.join("; "))
    };
    found.numbers = vec![count("panels", board.panels.len())];
    found
}
