//! How long the queries of each benchmark took, against their targets: every sample that counts, and the warm-up as
//! empty rings; under it the percentiles with their intervals.

use flowctl_workflows::result::Number;
use maud::{Markup, html};

use super::records::{Benchmark, Sample, numbers, target};
use super::scale::{Scale, px};
use super::words::{evidence, figure as shown, step};
use super::{Page, UNREADABLE, figure, interval, nothing, part};

const LEFT: f64 = 15.0;
const RIGHT: f64 = 985.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 92.0;
/// More dots than this lie on each other.
const MOST: usize = 1000;

pub(super) fn section(page: &Page<'_>) -> Markup {
    let mut drawn = Vec::new();
    for (plan, record) in page.measured_by("trino.benchmark") {
        for (kept, benchmark) in page.read::<Benchmark>(record, "benchmark-") {
            drawn.push(html! {
                @match benchmark {
                    Some(benchmark) => {
                        h3 { (benchmark.name) ", by " (step(plan.id.as_str())) }
                        (one(&benchmark, numbers(record, &benchmark.name)))
                    }
                    None => {
                        h3 { (kept.name) ", by " (step(plan.id.as_str())) }
                        (nothing(UNREADABLE))
                    }
                }
                p.evidence { (evidence(&kept.sha256, Some(&kept.name))) }
            });
        }
    }
    let content = html! {
        @for one in &drawn { (one) }
        @if drawn.is_empty() { (nothing("No benchmark of this run has samples to be drawn.")) }
    };
    part("latency", "Latency against targets", &content)
}

fn one(benchmark: &Benchmark, numbers: &[Number]) -> Markup {
    let counted = benchmark
        .samples
        .iter()
        .filter(|sample| sample.counts)
        .count();
    if counted == 0 {
        return nothing("No run of this query counts.");
    }
    let timed: Vec<&Number> = numbers
        .iter()
        .filter(|number| number.unit == "ms")
        .collect();
    let caption = format!(
        "{counted} runs that count and {} of the warm-up; the server's own time less its queue, in milliseconds.{}",
        benchmark.samples.len() - counted,
        if timed.iter().any(|number| target(number).is_some()) {
            " Dashed: the targets."
        } else {
            " No target is set."
        }
    );
    html! {
        (figure(&caption, &dots(benchmark, &timed)))
        @if let Some(plot) = interval::plot(&benchmark.name, &timed) {
            (figure("Percentiles with their confidence intervals.", &plot))
        }
    }
}

fn dots(benchmark: &Benchmark, numbers: &[&Number]) -> Markup {
    let samples: Vec<&Sample> = benchmark.samples.iter().take(MOST).collect();
    let targets = numbers
        .iter()
        .filter_map(|number| Some((&number.name, target(number)?)));
    let values = samples
        .iter()
        .map(|sample| sample.run_time_millis)
        .chain(targets.clone().map(|(_, target)| target));
    let Some(scale) = Scale::from_zero(values, LEFT, RIGHT) else {
        return nothing("No run of this query has a time.");
    };
    html! {
        svg.plot viewBox="0 0 1000 128" role="group" aria-label=(format!("run times of {}", benchmark.name)) {
            (scale.axis(TOP, BOTTOM, "ms"))
            @for (number, sample) in samples.iter().enumerate() {
                circle.(if sample.counts { "sample" } else { "warmup" })
                    cx=(px(scale.at(sample.run_time_millis))) cy=(px(height(number))) r="3.5" {
                    title {
                        "round " (sample.round) @if !sample.counts { " (warm-up)" } ": " (shown(sample.run_time_millis))
                        " ms, queued " (shown(sample.queued_millis)) " ms, query " (sample.query_id)
                    }
                }
            }
            @for (name, target) in targets {
                line.target x1=(px(scale.at(target))) x2=(px(scale.at(target))) y1=(px(TOP - 4.0)) y2=(px(BOTTOM)) {
                    title { (name) " asked for below " (shown(target)) " ms" }
                }
                text x=(px(scale.at(target) - 4.0)) y=(px(TOP - 6.0)) text-anchor="end" { (name) " < " (shown(target)) " ms" }
            }
        }
    }
}

/// Dots one above the other, always in the same way, so that equal times do not hide each other.
fn height(number: usize) -> f64 {
    const LANES: usize = 9;
    BOTTOM - 8.0 - (number * 4 % LANES) as f64 * (BOTTOM - TOP - 16.0) / (LANES - 1) as f64
}
