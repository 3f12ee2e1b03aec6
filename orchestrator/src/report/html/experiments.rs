//! What was compared with what: each sample of each variant, and the effects with their intervals against what was
//! asked for.

use std::collections::BTreeMap;

use flowctl_state::run_state::StepRecord;
use flowctl_workflows::result::Number;
use maud::{Markup, html};

use super::records::{Experiment, Pairs};
use super::scale::{Scale, fit, px};
use super::words::{badge, evidence, figure as shown, step};
use super::{Page, UNREADABLE, figure, interval, nothing, part};

const LEFT: f64 = 170.0;
const RIGHT: f64 = 985.0;
const ROW: f64 = 34.0;
const TOP: f64 = 6.0;

/// A dot: its value, whether it counts, and what it says of itself.
struct Dot {
    value: f64,
    counts: bool,
    says: String,
}

pub(super) fn section(page: &Page<'_>) -> Markup {
    let mut drawn = Vec::new();
    for (plan, record) in page.measured_by("experiment") {
        let mut plots = Vec::new();
        for (kept, experiment) in page.read::<Experiment>(record, "") {
            // It keeps other records too.
            let Some(experiment) = experiment else {
                continue;
            };
            for (metric, variants) in by_metric(&experiment) {
                plots.push(html! {
                    (samples(&metric, &variants))
                    p.evidence { (evidence(&kept.sha256, Some(&kept.name))) }
                });
            }
        }
        drawn.push(whole(plan.id.as_str(), record, &plots));
    }
    for (plan, record) in page.measured_by("s3.select") {
        let plots: Vec<Markup> = page
            .read::<Pairs>(record, "select.json")
            .map(|(kept, pairs)| {
                html! {
                    @match pairs {
                        Some(pairs) => { (samples("time, ms", &pairs.variants())) }
                        None => { (nothing(UNREADABLE)) }
                    }
                    p.evidence { (evidence(&kept.sha256, Some(&kept.name))) }
                }
            })
            .collect();
        if !plots.is_empty() {
            drawn.push(whole(plan.id.as_str(), record, &plots));
        }
    }
    let content = html! {
        @for one in &drawn { (one) }
        @if drawn.is_empty() { (nothing("This run compared nothing with anything.")) }
    };
    part("experiments", "Experiments", &content)
}

fn whole(id: &str, record: &StepRecord, plots: &[Markup]) -> Markup {
    let findings = record.came_to().map_or(&[][..], |result| &result.findings);
    html! {
        h3 { (step(id)) }
        @for finding in findings { p { (badge(finding.verdict)) " " (finding.about) ": " span.reason { (finding.reason) } } }
        @for plot in plots { (plot) }
        @if plots.is_empty() { (nothing("No sample of it can be drawn.")) }
        @for (unit, numbers) in by_unit(record) {
            @if let Some(plot) = interval::plot(id, &numbers) {
                (figure(&format!("Estimates with their confidence intervals{}. Dashed: what was asked for.",
                    if unit.is_empty() { String::new() } else { format!(", in {unit}") }), &plot))
            }
        }
    }
}

/// Numbers with an interval, those of one unit together: they share an axis.
fn by_unit(record: &StepRecord) -> BTreeMap<&str, Vec<&Number>> {
    let findings = record.came_to().map_or(&[][..], |result| &result.findings);
    let mut units: BTreeMap<&str, Vec<&Number>> = BTreeMap::new();
    for number in findings.iter().flat_map(|finding| &finding.numbers) {
        let same = units.entry(number.unit.as_str()).or_default();
        if number.interval.is_some() && !same.contains(&number) {
            same.push(number);
        }
    }
    units
}

/// The dots of each variant, for each metric with its unit.
fn by_metric(experiment: &Experiment) -> BTreeMap<String, BTreeMap<String, Vec<Dot>>> {
    let mut metrics: BTreeMap<String, BTreeMap<String, Vec<Dot>>> = BTreeMap::new();
    for (number, trial) in experiment.samples.iter().enumerate() {
        let name = experiment.variants.get(&trial.variant);
        let variant = name.map_or_else(
            || trial.variant.clone(),
            |name| format!("{}: {name}", trial.variant),
        );
        for (metric, value) in &trial.values {
            let unit = experiment.units.get(metric).map_or("", String::as_str);
            let says = format!(
                "{variant}, {metric}: {} {unit}, block {}, sample {}{}",
                shown(*value),
                trial.block + 1,
                number + 1,
                if trial.warm_up { " (warm-up)" } else { "" }
            );
            let title = if unit.is_empty() {
                metric.clone()
            } else {
                format!("{metric}, {unit}")
            };
            let variants = metrics.entry(title).or_default();
            variants.entry(variant.clone()).or_default().push(Dot {
                value: *value,
                counts: !trial.warm_up,
                says,
            });
        }
    }
    metrics
}

impl Pairs {
    fn variants(&self) -> BTreeMap<String, Vec<Dot>> {
        let dots = |name: &str, samples: &[f64]| {
            let dots = samples.iter().enumerate().map(|(number, value)| Dot {
                value: *value,
                counts: true,
                says: format!("{name}, run {}: {} ms", number + 1, shown(*value)),
            });
            (name.to_owned(), dots.collect())
        };
        BTreeMap::from([
            dots("plain GET", &self.plain_ms),
            dots("S3 Select", &self.select_ms),
        ])
    }
}

/// A row of dots for each variant, with a bar at the median of those that count.
fn samples(metric: &str, variants: &BTreeMap<String, Vec<Dot>>) -> Markup {
    let values = variants.values().flatten().map(|dot| dot.value);
    let Some(scale) = Scale::from_zero(values, LEFT, RIGHT) else {
        return nothing(&format!("There is no sample of {metric}."));
    };
    let bottom = TOP + variants.len() as f64 * ROW;
    let drawing = html! {
        svg.plot viewBox=(format!("0 0 1000 {}", px(bottom + 34.0))) role="group" aria-label=(format!("samples of {metric}")) {
            (scale.axis(TOP, bottom, metric))
            @for (row, (variant, dots)) in variants.iter().enumerate() {
                @let y = TOP + row as f64 * ROW + ROW / 2.0;
                text x=(px(LEFT - 10.0)) y=(px(y + 4.0)) text-anchor="end" { (fit(variant, 22)) }
                @for (number, dot) in dots.iter().enumerate() {
                    circle.(if dot.counts { "sample" } else { "warmup" }) cx=(px(scale.at(dot.value)))
                        cy=(px(y - 8.0 + (number * 4 % 9) as f64 * 2.0)) r="3.5" { title { (dot.says) } }
                }
                @if let Some(median) = median(dots) {
                    line.estimate x1=(px(scale.at(median))) x2=(px(scale.at(median))) y1=(px(y - 13.0)) y2=(px(y + 13.0)) {
                        title { (variant) ", median: " (shown(median)) }
                    }
                }
            }
        }
    };
    let counted = variants.values().flatten().filter(|dot| dot.counts).count();
    figure(
        &format!(
            "{metric}: {counted} samples that count, the warm-up as empty rings; upright lines are medians."
        ),
        &drawing,
    )
}

fn median(dots: &[Dot]) -> Option<f64> {
    let mut values: Vec<f64> = dots
        .iter()
        .filter(|dot| dot.counts)
        .map(|dot| dot.value)
        .collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get(middle.checked_sub(1)?).copied()?;
    Some((lower + upper) / 2.0)
}
