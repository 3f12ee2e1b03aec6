//! How a run ended, in a screenful: the verdicts, what failed, and where the report is.

use flowctl_state::run_state::{RunState, StepState, UndoState};
use flowctl_workflows::result::Verdict;
use serde::Serialize;

use super::table::{self, shorten};
use crate::progress::{Mood, Paint, failure};
use crate::report::{self, CriterionVerdict};
use crate::view::{RunView, RunWord};

/// A run, its verdicts and its report for `--output json`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    #[serde(flatten)]
    run: RunView,
    /// Whether it ran on doubles.
    rehearsal: bool,
    criteria: Vec<CriterionSummary>,
    /// The directory of the report; null when it could not be written.
    report: Option<String>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct CriterionSummary {
    id: String,
    objective: Option<String>,
    text: String,
    verdict: Verdict,
    reason: String,
}

/// For programs.
pub(super) fn json(state: &RunState, report: Option<&str>) -> Summary {
    let criteria = report::verdicts(state)
        .into_iter()
        .map(|verdict| CriterionSummary {
            id: verdict.criterion.id.to_string(),
            objective: verdict.criterion.objective.clone(),
            text: verdict.criterion.text.clone(),
            verdict: verdict.verdict,
            reason: verdict.reason,
        });
    Summary {
        run: RunView::of(state, None),
        rehearsal: state.plan.is_rehearsal(),
        criteria: criteria.collect(),
        report: report.map(str::to_owned),
        exit_code: report::exit_code(state),
    }
}

/// For people.
pub(super) fn text(state: &RunState, report: Option<&str>, paint: Paint) -> String {
    let mut text = String::new();
    let verdicts = report::verdicts(state);
    if !verdicts.is_empty() {
        text.push('\n');
        text.push_str(&criteria(&verdicts, paint));
        text.push('\n');
    }
    for (step, record) in state.steps() {
        if let (StepState::Failed, Some(last)) = (&record.state, record.failures.last()) {
            let word = paint.mood(Mood::Bad, "failed:");
            text.push_str(&format!("{word} {}: {}\n", step.id, failure(&last.failure)));
            if let Some(help) = &last.failure.help {
                text.push_str(&format!("  help: {help}\n"));
            }
        }
    }
    let word = RunWord::of(state, false);
    let mood = match word {
        RunWord::Succeeded => Mood::Good,
        RunWord::Failed => Mood::Bad,
        RunWord::Cancelled | RunWord::Interrupted | RunWord::Running => Mood::Doubt,
    };
    text.push_str(&format!(
        "{} {}: {}",
        paint.bold(state.run.as_str()),
        paint.mood(mood, word.as_str()),
        steps(state)
    ));
    if !verdicts.is_empty() {
        text.push_str(&format!("; criteria: {}", count(&verdicts)));
    }
    text.push('\n');
    if state.plan.is_rehearsal() {
        let word = paint.mood(Mood::Doubt, "REHEARSAL:");
        text.push_str(&format!(
            "{word} this run spoke to doubles and not to a platform; nothing in it passes\n"
        ));
    }
    if let Some(report) = report {
        text.push_str(&format!("report: {report}/report.md\n"));
    }
    text
}

fn criteria(verdicts: &[CriterionVerdict<'_>], paint: Paint) -> String {
    let rows: Vec<Vec<String>> = verdicts
        .iter()
        .map(|verdict| {
            let criterion = verdict.criterion;
            vec![
                verdict.verdict.to_string(),
                criterion.objective.clone().unwrap_or_default(),
                shorten(&criterion.text, 60),
                shorten(&verdict.reason, 100),
            ]
        })
        .collect();
    let plain = table::render(&["VERDICT", "", "CRITERION", "WHY"], &rows);
    let mut lines = plain.lines();
    let mut text = lines
        .next()
        .map(|line| format!("{line}\n"))
        .unwrap_or_default();
    // Painted after the columns were measured.
    for (line, verdict) in lines.zip(verdicts) {
        let word = verdict.verdict.as_str();
        text.push_str(&paint.mood(mood(verdict.verdict), word));
        text.push_str(line.strip_prefix(word).unwrap_or(line));
        text.push('\n');
    }
    text
}

fn mood(verdict: Verdict) -> Mood {
    match verdict {
        Verdict::Pass => Mood::Good,
        Verdict::Fail => Mood::Bad,
        Verdict::Inconclusive => Mood::Doubt,
        Verdict::Inapplicable | Verdict::NotRun => Mood::Plain,
    }
}

fn count(verdicts: &[CriterionVerdict<'_>]) -> String {
    let order = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Inapplicable,
        Verdict::NotRun,
    ];
    let parts = order.into_iter().filter_map(|wanted| {
        let count = verdicts
            .iter()
            .filter(|verdict| verdict.verdict == wanted)
            .count();
        (count > 0).then(|| format!("{count} {wanted}"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn steps(state: &RunState) -> String {
    let mut counts = [0usize; 6];
    for (_, record) in state.steps() {
        let at = match record.state {
            StepState::Succeeded => 0,
            StepState::Failed => 1,
            StepState::Skipped(_) => 2,
            StepState::Cancelled => 3,
            StepState::Waiting if matches!(record.undo, UndoState::Done { .. }) => 5,
            StepState::Waiting | StepState::Running { .. } | StepState::Backoff { .. } => 4,
        };
        counts[at] += 1;
    }
    let words = [
        "succeeded",
        "failed",
        "skipped",
        "cancelled",
        "not ended",
        "put back",
    ];
    let parts = counts
        .into_iter()
        .zip(words)
        .filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let total = state.plan.steps.len();
    format!(
        "{total} step{}, {}",
        if total == 1 { "" } else { "s" },
        parts.join(", ")
    )
}
