//! When each step was under way, and when its attempts failed.

use jiff::Timestamp;
use maud::{Markup, html};

use super::dag::describe;
use super::scale::{Scale, fit, px};
use super::words::{moment, seconds};
use super::{Page, figure, nothing, part};
use crate::report::model::{FailureReport, StepReport};

/// A drawing of more bars than this can no longer be read.
const MOST: usize = 400;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 985.0;
const ROW: f64 = 20.0;
const TOP: f64 = 6.0;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let report = page.report;
    let mut begun: Vec<(Timestamp, &StepReport)> = report
        .steps
        .iter()
        .filter_map(|step| Some((step.started?, step)))
        .collect();
    begun.sort_by_key(|(started, _)| *started);
    let content = if begun.is_empty() {
        nothing("No step was started.")
    } else if begun.len() > MOST {
        nothing(&format!(
            "{} bars are too many for a drawing; the table of steps has the times.",
            begun.len()
        ))
    } else {
        let never = report.steps.len() - begun.len();
        let caption = format!(
            "Time since the start of the run. A bar is a step, from the start of its first attempt to its end; a red line in it is the end of a failed attempt.{}",
            match never {
                0 => String::new(),
                1 => " One step was never started.".to_owned(),
                many => format!(" {many} steps were never started."),
            }
        );
        figure(&caption, &draw(page, &begun))
    };
    part("timeline", "Timeline", &content)
}

fn draw(page: &Page<'_>, begun: &[(Timestamp, &StepReport)]) -> Markup {
    let origin = page.report.started;
    let at = |moment: Timestamp| seconds(origin, moment);
    let bottom = TOP + begun.len() as f64 * ROW;
    // Seconds up to ten minutes, then minutes.
    let whole = at(page.report.finished);
    let (unit, name) = if whole > 600.0 {
        (60.0, "minutes")
    } else {
        (1.0, "seconds")
    };
    let Some(scale) = Scale::from_zero([whole / unit], LEFT, RIGHT) else {
        return nothing("The run has no length.");
    };
    html! {
        svg.plot viewBox=(format!("0 0 1000 {}", px(bottom + 34.0))) role="group"
            aria-label=(format!("timeline of {} steps", begun.len())) {
            (scale.axis(TOP, bottom, name))
            @for (row, (started, step)) in begun.iter().enumerate() {
                @let y = TOP + row as f64 * ROW;
                @let end = step.finished.unwrap_or(page.report.finished);
                @let (x, to) = (scale.at(at(*started) / unit), scale.at(at(end) / unit));
                text x=(px(LEFT - 8.0)) y=(px(y + 14.0)) text-anchor="end" { (fit(&step.id, 30)) }
                rect.bar.(step.state) x=(px(x)) y=(px(y + 3.0)) width=(px((to - x).max(1.5))) height=(px(ROW - 6.0)) rx="2" {
                    title { (describe(step)) ", from " (moment(*started)) }
                }
                @for failure in &step.failures {
                    @let x = scale.at(at(failure.at) / unit);
                    line.failure x1=(px(x)) x2=(px(x)) y1=(px(y + 1.0)) y2=(px(y + ROW - 1.0)) {
                        title { (step.id) " " (words(failure)) }
                    }
                }
            }
        }
    }
}

fn words(failure: &FailureReport) -> String {
    format!(
        "attempt {}: {} ({})",
        failure.attempt, failure.message, failure.code
    )
}
