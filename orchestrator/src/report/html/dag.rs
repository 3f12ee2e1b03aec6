//! The graph of steps, coloured by how each ended.

use maud::{Markup, html};

use super::layout::{Layout, layout};
use super::scale::{fit, px};
use super::words::{seconds, span};
use super::{Page, figure, nothing, part};
use crate::report::model::StepReport;

/// A drawing of more steps than this can no longer be read.
const MOST: usize = 400;
/// How many boxes stand beside each other on a page; a longer rank goes on in the next line.
const ABREAST: usize = 6;
const PITCH: f64 = 166.0;
const LINE: f64 = 54.0;
const WIDTH: f64 = 154.0;
const HEIGHT: f64 = 24.0;
/// What fits into a box.
const LETTERS: usize = 19;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let steps = &page.report.steps;
    let content = if steps.is_empty() {
        nothing("The workflow has no step.")
    } else if steps.len() > MOST {
        nothing(&format!(
            "{} steps are too many for a drawing; the table of steps has them all.",
            steps.len()
        ))
    } else {
        let plan = &page.state.plan.steps;
        let needs: Vec<Vec<usize>> = plan
            .iter()
            .map(|step| step.needs.iter().map(|need| need.step as usize).collect())
            .collect();
        let caption = "Steps from top to bottom, each below what it needs; what a longer path implies is left out.";
        html! {
            (legend(steps))
            (figure(caption, &draw(steps, &layout(&needs))))
        }
    };
    part("graph", "Steps as a graph", &content)
}

/// How many steps stand how, in words: the colours are not needed.
fn legend(steps: &[StepReport]) -> Markup {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for step in steps {
        match counts.iter_mut().find(|(state, _)| *state == step.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((&step.state, 1)),
        }
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    html! { p { (words.join(", ")) "." } }
}

fn draw(steps: &[StepReport], graph: &Layout) -> Markup {
    let (corners, width, height) = corners(graph);
    let corner = |node: usize| corners.get(node).copied().unwrap_or_default();
    html! {
        svg.graph width=(px(width)) height=(px(height)) viewBox=(format!("0 0 {} {}", px(width), px(height)))
            role="group" aria-label=(format!("graph of {} steps", steps.len())) {
            @for (from, to) in &graph.edges {
                @let start = corner(*from);
                @let end = corner(*to);
                path.edge d=(curve((start.0 + WIDTH / 2.0, start.1 + HEIGHT), (end.0 + WIDTH / 2.0, end.1))) {
                    title { (name(steps, *to)) " needs " (name(steps, *from)) }
                }
            }
            @for (node, step) in steps.iter().enumerate() {
                @let (x, y) = corner(node);
                a href=(format!("#step-{}", step.id)) {
                    rect.box.(step.state) x=(px(x)) y=(px(y)) width=(px(WIDTH)) height=(px(HEIGHT)) rx="4" {
                        title { (describe(step)) }
                    }
                    text x=(px(x + 8.0)) y=(px(y + 16.0)) { (fit(&step.id, LETTERS)) }
                }
            }
        }
    }
}

/// Where each box begins, and how wide and high the drawing is. Ranks lie below each other, each in the middle.
fn corners(graph: &Layout) -> (Vec<(f64, f64)>, f64, f64) {
    let mut ranks: Vec<Vec<usize>> = vec![Vec::new(); graph.columns];
    for (node, (rank, _)) in graph.places.iter().enumerate() {
        ranks[*rank].push(node);
    }
    let width = graph.rows.min(ABREAST) as f64 * PITCH;
    let mut corners = vec![(0.0, 0.0); graph.places.len()];
    let mut lines = 0.0;
    for rank in &mut ranks {
        rank.sort_by_key(|node| graph.places[*node].1);
        for abreast in rank.chunks(ABREAST) {
            let left = (width - abreast.len() as f64 * PITCH) / 2.0;
            for (place, node) in abreast.iter().enumerate() {
                let x = left + place as f64 * PITCH + (PITCH - WIDTH) / 2.0;
                corners[*node] = (x, lines * LINE + (LINE - HEIGHT) / 2.0);
            }
            lines += 1.0;
        }
    }
    (corners, width, lines * LINE)
}

fn name(steps: &[StepReport], node: usize) -> &str {
    steps.get(node).map_or("", |step| step.id.as_str())
}

/// A step in one line, for those who point at its mark or hear it.
pub(super) fn describe(step: &StepReport) -> String {
    let mut text = format!("{}: {}, {}", step.id, step.kind, step.state);
    if step.attempts > 1 {
        text.push_str(&format!(", {} attempts", step.attempts));
    }
    if let (Some(started), Some(finished)) = (step.started, step.finished) {
        text.push_str(&format!(", {}", span(seconds(started, finished))));
    }
    text
}

fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let bend = ((to.1 - from.1) / 2.0).max(12.0);
    format!(
        "M{} {}C{} {} {} {} {} {}",
        px(from.0),
        px(from.1),
        px(from.0),
        px(from.1 + bend),
        px(to.0),
        px(to.1 - bend),
        px(to.0),
        px(to.1)
    )
}
