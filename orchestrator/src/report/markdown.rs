//! `report.md`: the report for people who read it in a pull request or a terminal. Pure.

use std::fmt::Write as _;

use flowctl_workflows::result::{Number, Verdict};

use super::model::{CriterionReport, Report, StepReport};

/// How many characters of a hash tell records apart for a reader.
const SHORT_HASH: usize = 12;

/// The whole document.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    criteria(&mut out, report);
    hidden_failures(&mut out, report);
    steps(&mut out, report);
    fingerprint(&mut out, report);
    if report.rehearsal {
        return marked(&out);
    }
    out
}

/// With REHEARSAL in every heading: a part is easily shown without the others.
fn marked(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let hashes = line.len() - line.trim_start_matches('#').len();
            match line[hashes..].strip_prefix(' ').filter(|_| hashes > 0) {
                Some(title) => format!("{} REHEARSAL: {title}", &line[..hashes]),
                None => line.to_owned(),
            }
        })
        .collect()
}

fn head(out: &mut String, report: &Report) {
    let _ = writeln!(out, "# {}\n", cell(&report.title));
    if report.rehearsal {
        out.push_str("**REHEARSAL: this run spoke to doubles and not to a platform; nothing in it passes.**\n\n");
    }
    let outcome = match report.outcome {
        None => "not finished",
        Some(flowctl_state::event::RunOutcome::Succeeded) => "every step succeeded",
        Some(flowctl_state::event::RunOutcome::Failed) => "a step failed",
        Some(flowctl_state::event::RunOutcome::Cancelled) => "cancelled",
    };
    let _ = writeln!(
        out,
        "Run `{}` of workflow `{}`: {outcome} (exit code {}).",
        report.run, report.workflow, report.exit_code
    );
    let _ = writeln!(
        out,
        "From {} to {}{}.",
        report.started,
        report.finished,
        resumes(report.resumes)
    );
    if let Some(by) = &report.cancelled_by {
        let _ = writeln!(out, "Cancelled by {by}.");
    }
    if !report.criteria.is_empty() {
        out.push_str("\n|");
        for verdict in report.summary.keys() {
            let _ = write!(out, " {verdict} |");
        }
        out.push_str("\n|");
        out.push_str(&"---:|".repeat(report.summary.len()));
        out.push_str("\n|");
        for count in report.summary.values() {
            let _ = write!(out, " {count} |");
        }
        out.push('\n');
    }
}

fn resumes(resumes: u32) -> String {
    match resumes {
        0 => String::new(),
        1 => ", resumed once".to_owned(),
        n => format!(", resumed {n} times"),
    }
}

fn criteria(out: &mut String, report: &Report) {
    if report.criteria.is_empty() {
        return;
    }
    out.push_str("\n## Criteria\n");
    let title = |id: &str| {
        report
            .objectives
            .iter()
            .find(|objective| objective.id == id)
            .map_or(id.to_owned(), |objective| {
                format!("{} {}", objective.id, objective.title)
            })
    };
    let mut current: Option<&Option<String>> = None;
    for criterion in &report.criteria {
        if current != Some(&criterion.objective) {
            current = Some(&criterion.objective);
            let heading = criterion
                .objective
                .as_deref()
                .map_or("Overall".to_owned(), title);
            let _ = writeln!(
                out,
                "\n### {heading}\n\n| verdict | criterion | why |\n|---|---|---|"
            );
        }
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            mark(criterion.verdict),
            cell(&criterion.text),
            cell(&criterion.reason)
        );
    }
    let measured: Vec<&CriterionReport> = report
        .criteria
        .iter()
        .filter(|criterion| !criterion.findings.is_empty())
        .collect();
    if !measured.is_empty() {
        out.push_str(
            "\n## Findings and their evidence\n\nHashes name the raw records under `evidence/`.\n",
        );
        for criterion in measured {
            let _ = writeln!(
                out,
                "\n**{}** ({})\n",
                cell(&criterion.text),
                criterion.verdict
            );
            for finding in &criterion.findings {
                let _ = writeln!(
                    out,
                    "- {}: {}, by step `{}`: {}{}",
                    finding.verdict,
                    cell(&finding.about),
                    finding.step,
                    cell(&finding.reason),
                    hashes(&finding.evidence)
                );
                for number in &finding.numbers {
                    let _ = writeln!(out, "  - {}", number_line(number));
                }
            }
        }
    }
}

/// A verdict that stands out without colour.
fn mark(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => "✅ PASS".to_owned(),
        Verdict::Fail => "❌ FAIL".to_owned(),
        Verdict::Inconclusive => "❔ INCONCLUSIVE".to_owned(),
        Verdict::Inapplicable => "➖ INAPPLICABLE".to_owned(),
        Verdict::NotRun => "⬜ NOT RUN".to_owned(),
    }
}

fn hashes(evidence: &[String]) -> String {
    const SHOWN: usize = 3;
    if evidence.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = evidence
        .iter()
        .take(SHOWN)
        .map(|hash| format!("`{}`", hash.get(..SHORT_HASH).unwrap_or(hash)))
        .collect();
    let more = if evidence.len() > SHOWN {
        format!(" and {} more", evidence.len() - SHOWN)
    } else {
        String::new()
    };
    format!(" (evidence {}{more})", shown.join(", "))
}

/// `p95 = 1.42 s [1.20, 1.61] at 95 %, n = 60, target < 2 s`.
fn number_line(number: &Number) -> String {
    let unit = if number.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", number.unit)
    };
    let mut line = format!("{} = {}{unit}", number.name, figure(number.value));
    if let Some(interval) = &number.interval {
        let end = |end: Option<f64>| end.map_or("unbounded".to_owned(), figure);
        let _ = write!(
            line,
            " [{}, {}] at {} %",
            end(interval.low),
            end(interval.high),
            figure(interval.confidence * 100.0)
        );
    }
    if let Some(samples) = number.samples {
        let _ = write!(line, ", n = {samples}");
    }
    if let Some(target) = &number.target {
        let _ = write!(line, ", target {target}");
    }
    line
}

/// At most four significant decimals, without trailing zeros.
fn figure(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn hidden_failures(out: &mut String, report: &Report) {
    let hidden: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|step| step.state == "succeeded" && !step.failures.is_empty())
        .collect();
    if hidden.is_empty() {
        return;
    }
    out.push_str("\n## Failures that a retry hid\n\n");
    for step in hidden {
        for failure in &step.failures {
            let _ = writeln!(
                out,
                "- `{}` attempt {}: {} ({})",
                step.id,
                failure.attempt,
                cell(&failure.message),
                failure.code
            );
        }
    }
}

fn steps(out: &mut String, report: &Report) {
    out.push_str("\n## Steps\n\n| step | kind | state | attempts | seconds | proves |\n|---|---|---|---:|---:|---|\n");
    for step in &report.steps {
        let seconds = match (step.started, step.finished) {
            (Some(started), Some(finished)) => {
                format!("{:.1}", finished.duration_since(started).as_secs_f64())
            }
            _ => String::new(),
        };
        let proves = if step.proves.is_empty() {
            "nothing".to_owned()
        } else {
            step.proves.join(", ")
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {seconds} | {proves} |",
            cell(&step.id),
            step.kind,
            step.state,
            step.attempts
        );
    }
    let failed: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|step| step.state == "failed")
        .collect();
    for step in failed {
        if let Some(last) = step.failures.last() {
            let _ = writeln!(
                out,
                "\nStep `{}` failed: {} ({})",
                step.id,
                cell(&last.message),
                last.code
            );
            if let Some(help) = &last.help {
                let _ = writeln!(out, "What helps: {}", cell(help));
            }
        }
    }
    let undone: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|step| step.undone.is_some())
        .collect();
    if !undone.is_empty() {
        out.push_str("\n## What was put back\n\n");
        for step in undone {
            let _ = writeln!(
                out,
                "- `{}`: {}",
                step.id,
                cell(step.undone.as_deref().unwrap_or_default())
            );
        }
    }
}

fn fingerprint(out: &mut String, report: &Report) {
    let fingerprint = &report.fingerprint;
    let _ = writeln!(out, "\n## Environment\n\n- flowctl {}", fingerprint.flowctl);
    if let Some(target) = &fingerprint.target {
        let short = target.sha256.get(..SHORT_HASH).unwrap_or(&target.sha256);
        let _ = writeln!(out, "- target `{}` (`{short}`)", target.name);
    }
    for (step, facts) in &fingerprint.platform {
        let _ = writeln!(out, "- `{step}`: `{}`", cell(&facts.to_string()));
    }
    for (name, value) in &fingerprint.params {
        let _ = writeln!(out, "- parameter `{name}` = `{}`", cell(&value.to_string()));
    }
    for (path, sha256) in &fingerprint.files {
        let _ = writeln!(
            out,
            "- file `{}` (`{}`)",
            cell(path),
            sha256.get(..SHORT_HASH).unwrap_or(sha256)
        );
    }
}

/// Text that stays in its table cell and its line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
