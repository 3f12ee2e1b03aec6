//! Each alert on its way: the states of its rule as bars, and what Alertmanager and the receiver knew as lines in them.

use jiff::Timestamp;
use maud::{Markup, html};

use super::records::Alert;
use super::scale::{Scale, fit, px};
use super::words::{moment, seconds, span, step};
use super::{Page, figure, nothing, part};

const LEFT: f64 = 210.0;
const RIGHT: f64 = 985.0;
const ROW: f64 = 34.0;
const TOP: f64 = 6.0;

/// One way of one alert. Several steps may each have seen a part of it.
struct Way {
    alert: String,
    steps: Vec<String>,
    stages: Vec<(String, Timestamp)>,
}

impl Way {
    /// Takes what another step saw, unless it saw a stage that was reached before: then it is another way.
    fn takes(&mut self, step: &str, alert: &Alert) -> bool {
        let same = |(stage, at): &(String, Timestamp)| {
            alert.times.get(stage).is_none_or(|other| other == at)
        };
        if self.alert != alert.alert || !self.stages.iter().all(same) {
            return false;
        }
        for (stage, at) in &alert.times {
            if !self.stages.iter().any(|(known, _)| known == stage) {
                self.stages.push((stage.clone(), *at));
            }
        }
        self.stages.sort_by_key(|(_, at)| *at);
        self.steps.push(step.to_owned());
        true
    }

    /// The states of the rule, each with its end; the last one lasts until `end`.
    fn states(&self, end: Timestamp) -> Vec<(&str, Timestamp, Timestamp)> {
        let states: Vec<&(String, Timestamp)> = self
            .stages
            .iter()
            .filter(|(stage, _)| class(stage).is_some())
            .collect();
        let ends = states.iter().skip(1).map(|(_, at)| *at).chain([end]);
        states
            .iter()
            .zip(ends)
            .map(|((stage, at), end)| (stage.as_str(), *at, end))
            .collect()
    }
}

pub(super) fn section(page: &Page<'_>) -> Markup {
    let mut ways: Vec<Way> = Vec::new();
    let mut without = Vec::new();
    for (plan, record) in page.measured_by("alert.fires") {
        let id = plan.id.as_str();
        let output = record.came_to().map(|result| result.output.clone());
        let alert = output.and_then(|output| serde_json::from_value::<Alert>(output).ok());
        match alert.filter(|alert| !alert.times.is_empty()) {
            None => without.push(id),
            Some(alert) if ways.iter_mut().any(|way| way.takes(id, &alert)) => {}
            Some(alert) => {
                let mut way = Way {
                    alert: alert.alert.clone(),
                    steps: Vec::new(),
                    stages: Vec::new(),
                };
                way.takes(id, &alert);
                ways.push(way);
            }
        }
    }
    let content = html! {
        @if ways.is_empty() {
            @if without.is_empty() { (nothing("No alert was watched in this run.")) }
        } @else {
            (figure("Seconds since the first stage of these alerts was seen. Bars are the states of a rule, upright lines what Alertmanager and the receiver did.", &draw(&ways)))
            ul {
                @for way in &ways {
                    li {
                        strong { (way.alert) } ", by "
                        @for (number, id) in way.steps.iter().enumerate() { @if number > 0 { ", " } (step(id)) }
                        ": " (told(&way.stages))
                    }
                }
            }
        }
        @for id in &without { p.nothing { (step(id)) " saw no stage of its alert." } }
    };
    part("alerts", "Alerts", &content)
}

/// The same in words.
fn told(stages: &[(String, Timestamp)]) -> String {
    let Some((_, origin)) = stages.first() else {
        return String::new();
    };
    let words: Vec<String> = stages
        .iter()
        .map(|(stage, at)| format!("{} after {}", name(stage), span(seconds(*origin, *at))))
        .collect();
    words.join(", ")
}

fn draw(ways: &[Way]) -> Markup {
    let moments = || ways.iter().flat_map(|way| &way.stages).map(|(_, at)| *at);
    let (Some(origin), Some(last)) = (moments().min(), moments().max()) else {
        return nothing("No alert has a stage.");
    };
    let after = |at: Timestamp| seconds(origin, at);
    // The last state is given a little length, so that it can be seen.
    let Some(scale) = Scale::from_zero([after(last) * 1.03 + 1.0], LEFT, RIGHT) else {
        return nothing("No alert has a stage.");
    };
    let bottom = TOP + ways.len() as f64 * ROW;
    html! {
        svg.plot viewBox=(format!("0 0 1000 {}", px(bottom + 34.0))) role="group" aria-label="stages of alerts over time" {
            (scale.axis(TOP, bottom, "seconds"))
            @for (row, way) in ways.iter().enumerate() {
                @let y = TOP + row as f64 * ROW;
                text x=(px(LEFT - 8.0)) y=(px(y + 21.0)) text-anchor="end" { (fit(&way.alert, 30)) }
                @for (state, from, to) in way.states(last) {
                    @let (x, width) = (scale.at(after(from)), (scale.at(after(to)) - scale.at(after(from))).max(6.0));
                    rect.bar.(class(state).unwrap_or("other")) x=(px(x)) y=(px(y + 7.0)) width=(px(width)) height=(px(ROW - 14.0)) {
                        title { (way.alert) " " (name(state)) " from " (moment(from)) ", " (span(seconds(from, to))) }
                    }
                    @if width > 60.0 { text x=(px(x + 5.0)) y=(px(y + 21.0)) { (name(state)) } }
                }
                @for (stage, at) in way.stages.iter().filter(|(stage, _)| class(stage).is_none()) {
                    line.estimate x1=(px(scale.at(after(*at)))) x2=(px(scale.at(after(*at)))) y1=(px(y + 3.0)) y2=(px(y + ROW - 3.0)) {
                        title { (way.alert) " " (name(stage)) " at " (moment(*at)) }
                    }
                }
            }
        }
    }
}

/// The class of a state of the rule; `None` for what others did with the alert.
fn class(stage: &str) -> Option<&'static str> {
    match stage {
        "inactive" => Some("inactive"),
        "pending" => Some("pending"),
        "firing" => Some("firing"),
        "inactive_again" => Some("resolved"),
        _ => None,
    }
}

/// A stage in words.
fn name(stage: &str) -> &str {
    match stage {
        "inactive_again" => "inactive again",
        "alertmanager" => "in Alertmanager",
        "receiver" => "at the receiver",
        "released" => "gone from Alertmanager",
        "resolved_received" => "resolved at the receiver",
        other => other,
    }
}
