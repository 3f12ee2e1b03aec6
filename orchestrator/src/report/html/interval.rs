//! Numbers with their confidence intervals, each against its target: a point, a line through it, a dashed line across.

use flowctl_workflows::result::Number;
use maud::{Markup, html};

use super::records::target;
use super::scale::{Scale, fit, px};
use super::words::{amount, interval};

const LEFT: f64 = 250.0;
const RIGHT: f64 = 985.0;
const ROW: f64 = 30.0;
const TOP: f64 = 6.0;

/// The numbers of one unit, one row each; `None` when none of them has an interval.
pub(super) fn plot(about: &str, numbers: &[&Number]) -> Option<Markup> {
    let shown: Vec<&&Number> = numbers
        .iter()
        .filter(|number| number.interval.is_some() && number.value.is_finite())
        .collect();
    let unit = &shown.first()?.unit;
    let values = shown.iter().flat_map(|number| {
        let ends = number
            .interval
            .map(|interval| [interval.low, interval.high]);
        ends.into_iter()
            .flatten()
            .flatten()
            .chain([number.value])
            .chain(target(number))
    });
    let scale = Scale::from_zero(values, LEFT, RIGHT)?;
    let bottom = TOP + shown.len() as f64 * ROW;
    let words = if unit.is_empty() {
        "ratio or count"
    } else {
        unit
    };
    Some(html! {
        svg.plot viewBox=(format!("0 0 1000 {}", px(bottom + 34.0))) role="group" aria-label=(format!("intervals of {about}")) {
            (scale.axis(TOP, bottom, words))
            @for (row, number) in shown.iter().enumerate() {
                (mark(number, &scale, TOP + row as f64 * ROW + ROW / 2.0))
            }
        }
    })
}

fn mark(number: &Number, scale: &Scale, y: f64) -> Markup {
    let (low, high) = number
        .interval
        .map_or((None, None), |interval| (interval.low, interval.high));
    // An end that the samples do not bound is drawn to the edge, without its cap.
    let (from, to) = (
        low.map_or(LEFT, |low| scale.at(low)),
        high.map_or(RIGHT, |high| scale.at(high)),
    );
    let says = format!(
        "{}: {}, {}{}",
        number.name,
        amount(number.value, &number.unit),
        interval(number),
        number
            .target
            .as_ref()
            .map_or_else(String::new, |target| format!(", asked for {target}"))
    );
    html! {
        text x=(px(LEFT - 10.0)) y=(px(y + 4.0)) text-anchor="end" { (fit(&number.name, 34)) }
        line.estimate x1=(px(from)) x2=(px(to)) y1=(px(y)) y2=(px(y)) { title { (says) } }
        @for end in [low, high].into_iter().flatten() {
            line.estimate x1=(px(scale.at(end))) x2=(px(scale.at(end))) y1=(px(y - 6.0)) y2=(px(y + 6.0)) { title { (says) } }
        }
        circle.dot-a cx=(px(scale.at(number.value))) cy=(px(y)) r="4.5" { title { (says) } }
        @if let Some(target) = target(number) {
            line.target x1=(px(scale.at(target))) x2=(px(scale.at(target))) y1=(px(y - 12.0)) y2=(px(y + 12.0)) {
                title { (number.name) " asked for " (number.target.as_deref().unwrap_or_default()) }
            }
        }
    }
}
