//! Queues and memory while a load ran, as the server itself counted them.

use maud::{Markup, html};

use super::records::{Load, Reading};
use super::scale::{Scale, px};
use super::words::{amount, evidence, figure as shown, step};
use super::{Page, UNREADABLE, figure, nothing, part};

const LEFT: f64 = 80.0;
const RIGHT: f64 = 985.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 170.0;
/// The states that are drawn, each with its line.
const STATES: [(&str, &str, &str); 3] = [
    ("RUNNING", "series-a", "dot-a"),
    ("QUEUED", "series-b", "dot-b"),
    ("BLOCKED", "series-c", "dot-c"),
];

pub(super) fn section(page: &Page<'_>) -> Markup {
    let mut drawn = Vec::new();
    for (plan, record) in page.measured_by("trino.load") {
        for (kept, load) in page.read::<Load>(record, "load") {
            drawn.push(html! {
                h3 { (step(plan.id.as_str())) }
                @match load {
                    Some(load) => { (one(&load.samples_of_the_server)) }
                    None => { (nothing(UNREADABLE)) }
                }
                p.evidence { (evidence(&kept.sha256, Some(&kept.name))) }
            });
        }
    }
    let content = html! {
        @for one in &drawn { (one) }
        @if drawn.is_empty() { (nothing("No load of this run was sampled.")) }
    };
    part("load", "Queues and memory under load", &content)
}

fn one(readings: &[Reading]) -> Markup {
    if readings.is_empty() {
        return nothing("The server was never asked while the load ran.");
    }
    html! {
        (figure("Queries in each state: running solid, queued dashed, blocked dotted.", &states(readings)))
        (figure("Memory held by the queries of the load.", &memory(readings)))
    }
}

fn seconds(reading: &Reading) -> f64 {
    reading.at_millis / 1000.0
}

fn count(reading: &Reading, state: &str) -> f64 {
    reading.states.get(state).copied().unwrap_or_default() as f64
}

fn states(readings: &[Reading]) -> Markup {
    let counts = readings
        .iter()
        .flat_map(|reading| STATES.iter().map(|(state, _, _)| count(reading, state)));
    let (Some(time), Some(scale)) = (
        Scale::from_zero(readings.iter().map(seconds), LEFT, RIGHT),
        Scale::from_zero(counts, BOTTOM, TOP),
    ) else {
        return nothing("No reading can be drawn.");
    };
    let seen = STATES
        .iter()
        .filter(|(state, _, _)| readings.iter().any(|reading| count(reading, state) > 0.0));
    html! {
        svg.plot viewBox="0 0 1000 204" role="group" aria-label="queries in each state over time" {
            (scale.rungs(LEFT, RIGHT, shown))
            (time.axis(BOTTOM, BOTTOM, "seconds since the load began"))
            @for (state, series, dot) in seen {
                (line(series, readings.iter().map(|reading| (time.at(seconds(reading)), scale.at(count(reading, state)))), state))
                @for reading in readings {
                    circle.(*dot) cx=(px(time.at(seconds(reading)))) cy=(px(scale.at(count(reading, state)))) r="2.5" {
                        title { (shown(count(reading, state))) " " (state) " after " (shown(seconds(reading))) " s" }
                    }
                }
            }
        }
    }
}

fn memory(readings: &[Reading]) -> Markup {
    let most = readings
        .iter()
        .map(|reading| reading.memory_bytes)
        .fold(0.0, f64::max);
    // The axis has round numbers in the unit that suits the most that was held.
    let (unit, name) = [
        (1024.0_f64.powi(3), "GiB"),
        (1024.0_f64.powi(2), "MiB"),
        (1024.0, "KiB"),
    ]
    .into_iter()
    .find(|(unit, _)| most >= *unit)
    .unwrap_or((1.0, "bytes"));
    let held = |reading: &Reading| reading.memory_bytes / unit;
    let (Some(time), Some(scale)) = (
        Scale::from_zero(readings.iter().map(seconds), LEFT, RIGHT),
        Scale::from_zero(readings.iter().map(held), BOTTOM, TOP),
    ) else {
        return nothing("No reading can be drawn.");
    };
    html! {
        svg.plot viewBox="0 0 1000 204" role="group" aria-label="memory over time" {
            (scale.rungs(LEFT, RIGHT, |value| format!("{} {name}", shown(value))))
            (time.axis(BOTTOM, BOTTOM, "seconds since the load began"))
            (line("series-a", readings.iter().map(|reading| (time.at(seconds(reading)), scale.at(held(reading)))), "memory"))
            @for reading in readings {
                circle.dot-a cx=(px(time.at(seconds(reading)))) cy=(px(scale.at(held(reading)))) r="2.5" {
                    title { (amount(reading.memory_bytes, "bytes")) " after " (shown(seconds(reading))) " s" }
                }
            }
        }
    }
}

fn line(class: &str, points: impl Iterator<Item = (f64, f64)>, name: &str) -> Markup {
    let points: Vec<String> = points
        .map(|(x, y)| format!("{},{}", px(x), px(y)))
        .collect();
    html! { polyline.(class) points=(points.join(" ")) { title { (name) } } }
}
