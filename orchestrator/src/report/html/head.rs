//! The top of the page: which run this is, how it ended, and how many criteria have each verdict.

use flowctl_state::event::RunOutcome;
use flowctl_workflows::result::Verdict;
use maud::{Markup, html};

use super::scale::px;
use super::words::{self, class, moment, seconds, short, span};
use super::{Page, part};
use crate::report::verdicts::possible;

pub(super) fn header(page: &Page<'_>) -> Markup {
    let report = page.report;
    let outcome = match report.outcome {
        None => "not finished",
        Some(RunOutcome::Succeeded) => "every step succeeded",
        Some(RunOutcome::Failed) => "a step failed",
        Some(RunOutcome::Cancelled) => "cancelled",
    };
    html! {
        header {
            h1 { (report.title) }
            @if page.is_rehearsal() {
                p { strong { "REHEARSAL: " } "this run spoke to doubles and not to a platform; nothing in it passes." }
            }
            dl.facts {
                dt { "Outcome" } dd { strong { (outcome) } ", exit code " (report.exit_code) }
                dt { "Run" } dd { code { (report.run) } " of workflow " code { (report.workflow) } }
                dt { "Target" }
                dd {
                    @match &report.fingerprint.target {
                        Some(target) => { code { (target.name) } " (" span.mono { (short(&target.sha256)) } ")" }
                        None => { "none" }
                    }
                }
                dt { "Time" }
                dd {
                    (moment(report.started)) " to " (moment(report.finished)) ", "
                    (span(seconds(report.started, report.finished)))
                }
                @if report.resumes > 0 {
                    dt { "Resumed" } dd { (report.resumes) @if report.resumes == 1 { " time" } @else { " times" } }
                }
                @if let Some(by) = &report.cancelled_by {
                    dt { "Cancelled by" } dd { (by) }
                }
            }
        }
    }
}

pub(super) fn summary(page: &Page<'_>) -> Markup {
    let report = page.report;
    if report.criteria.is_empty() {
        let content = super::nothing("This workflow declares no criterion: it proves nothing.");
        return part("summary", "Verdicts", &content);
    }
    let content = html! {
        (share(page))
        ul.tiles {
            @for verdict in possible(page.state) {
                li class=(class(verdict)) { b { (count(page, verdict)) } (verdict) }
            }
        }
        @if !report.objectives.is_empty() { (by_objective(page)) }
    };
    part("summary", "Verdicts", &content)
}

fn count(page: &Page<'_>, verdict: Verdict) -> usize {
    let criteria = page.report.criteria.iter();
    criteria
        .filter(|criterion| criterion.verdict == verdict)
        .count()
}

/// One bar, cut into the shares of the verdicts.
fn share(page: &Page<'_>) -> Markup {
    let all = page.report.criteria.len() as f64;
    let mut left = 0.0;
    let pieces: Vec<(Verdict, usize, f64, f64)> = possible(page.state)
        .into_iter()
        .map(|verdict| {
            let number = count(page, verdict);
            let width = 1000.0 * number as f64 / all;
            left += width;
            (verdict, number, left - width, width)
        })
        .filter(|(_, number, _, _)| *number > 0)
        .collect();
    let words: Vec<String> = pieces
        .iter()
        .map(|(verdict, number, _, _)| format!("{number} {verdict}"))
        .collect();
    html! {
        div.share {
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(words.join(", ")) {
                @for (verdict, number, x, width) in &pieces {
                    rect.(class(*verdict)) x=(px(*x)) y="0" width=(px(*width)) height="10" fill="currentColor" {
                        title { (number) " " (verdict) }
                    }
                }
            }
        }
    }
}

fn by_objective(page: &Page<'_>) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Verdicts by objective" {
            table {
                thead {
                    tr {
                        th { "objective" }
                        @for verdict in possible(page.state) { th.number { (verdict) } }
                    }
                }
                tbody {
                    @for objective in &page.report.objectives {
                        tr {
                            td { a href=(format!("#objective-{}", objective.id)) { (words::objective(objective)) } }
                            @for verdict in possible(page.state) {
                                td.number {
                                    (page.report.criteria.iter().filter(|criterion| {
                                        criterion.verdict == verdict && criterion.objective.as_deref() == Some(&objective.id)
                                    }).count())
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
