//! Each criterion in the document's order: its verdict, why, the numbers against what was asked for, and links to the
//! raw records.

use std::collections::BTreeMap;

use flowctl_workflows::result::{Number, Verdict};
use maud::{Markup, html};

use super::words::{self, amount, badge, class, evidence, interval, step};
use super::{Page, part};
use crate::report::model::{CriterionReport, FindingReport};

/// How many links to records one finding shows; the step's row has them all.
const LINKS: usize = 6;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let names = names(page);
    let groups = page
        .report
        .criteria
        .chunk_by(|one, next| one.objective == next.objective);
    let content = html! {
        @if page.report.criteria.is_empty() { (super::nothing("There are none.")) }
        @for group in groups {
            (heading(page, group.first().and_then(|first| first.objective.as_deref())))
            @for criterion in group { (card(criterion, &names)) }
        }
    };
    part("criteria", "Criteria", &content)
}

/// The names of raw records by hash.
pub(super) fn names<'a>(page: &Page<'a>) -> BTreeMap<&'a str, &'a str> {
    let steps = page.report.steps.iter();
    steps
        .flat_map(|step| &step.evidence)
        .map(|evidence| (evidence.sha256.as_str(), evidence.name.as_str()))
        .collect()
}

fn heading(page: &Page<'_>, objective: Option<&str>) -> Markup {
    let Some(id) = objective else {
        return html! { h3 { "Overall" } };
    };
    let known = page.report.objectives.iter().find(|known| known.id == id);
    html! {
        h3 id=(format!("objective-{id}")) {
            @match known {
                Some(known) => { (words::objective(known)) }
                None => { (id) }
            }
        }
    }
}

fn card(criterion: &CriterionReport, names: &BTreeMap<&str, &str>) -> Markup {
    html! {
        article id=(format!("criterion-{}", criterion.id)) class=(format!("is-{}", class(criterion.verdict))) {
            h4 { (badge(criterion.verdict)) " " (criterion.text) }
            @if !is_repeated(criterion) { p.reason { (criterion.reason) } }
            @if criterion.findings.is_empty() && !criterion.proved_by.is_empty() {
                p.reason { "Meant to be proved by " (list(&criterion.proved_by)) "." }
            }
            @if !criterion.findings.is_empty() {
                ul.findings {
                    @for finding in &criterion.findings { li { (found(finding, names)) } }
                }
            }
        }
    }
}

/// Whether the reason is that of the only finding, which stands below it.
fn is_repeated(criterion: &CriterionReport) -> bool {
    match criterion.findings.as_slice() {
        [only] => criterion.reason.ends_with(&only.reason),
        _ => false,
    }
}

fn list(steps: &[String]) -> Markup {
    html! {
        @for (number, id) in steps.iter().enumerate() {
            @if number > 0 { ", " }
            (step(id))
        }
    }
}

fn found(finding: &FindingReport, names: &BTreeMap<&str, &str>) -> Markup {
    let more = finding.evidence.len().saturating_sub(LINKS);
    html! {
        (badge(finding.verdict)) " " (finding.about) ", by " (step(&finding.step)) ": "
        span.reason { (finding.reason) }
        @if is_short(&finding.numbers) {
            p.evidence { (inline(finding.numbers.iter())) }
        } @else {
            (folded(finding))
        }
        p.evidence {
            @if finding.evidence.is_empty() { span.nothing { "no raw record of its own" } }
            @for (number, hash) in finding.evidence.iter().take(LINKS).enumerate() {
                @if number > 0 { " · " }
                (evidence(hash, names.get(hash.as_str()).copied()))
            }
            @if more > 0 { " and " (more) " more" }
        }
    }
}

/// Whether the numbers read better in a line than in a table.
fn is_short(numbers: &[Number]) -> bool {
    const FEW: usize = 3;
    numbers.len() <= FEW && numbers.iter().all(|number| number.interval.is_none())
}

/// Many numbers: of what is as asked for, those that were asked for are enough at first sight; of all else, all are seen.
/// On paper nothing stays folded.
fn folded(finding: &FindingReport) -> Markup {
    let asked = |number: &&Number| number.target.is_some();
    html! {
        details open[finding.verdict != Verdict::Pass] {
            summary {
                @if finding.numbers.iter().any(|number| number.target.is_some()) {
                    (inline(finding.numbers.iter().filter(asked))) " · "
                }
                "all " (finding.numbers.len()) " numbers"
            }
            (numbers(&finding.numbers))
        }
    }
}

fn inline<'a>(numbers: impl Iterator<Item = &'a Number>) -> String {
    let numbers: Vec<String> = numbers
        .map(|number| {
            let target = number.target.as_ref();
            format!(
                "{} {}{}",
                number.name,
                amount(number.value, &number.unit),
                target.map_or_else(String::new, |target| format!(" (asked for {target})"))
            )
        })
        .collect();
    numbers.join("; ")
}

fn numbers(numbers: &[Number]) -> Markup {
    let with_target = numbers.iter().any(|number| number.target.is_some());
    let with_interval = numbers.iter().any(|number| number.interval.is_some());
    let with_samples = numbers.iter().any(|number| number.samples.is_some());
    html! {
        div.scroll tabindex="0" role="group" aria-label="Numbers" {
            table {
                thead {
                    tr {
                        th { "number" } th.number { "measured" }
                        @if with_target { th { "asked for" } }
                        @if with_interval { th { "interval" } }
                        @if with_samples { th.number { "samples" } }
                    }
                }
                tbody {
                    @for number in numbers {
                        tr {
                            td { (number.name) }
                            td.number { (amount(number.value, &number.unit)) }
                            @if with_target { td { (number.target.as_deref().unwrap_or_default()) } }
                            @if with_interval { td { (interval(number)) } }
                            @if with_samples { td.number { @if let Some(samples) = number.samples { (samples) } } }
                        }
                    }
                }
            }
        }
    }
}
