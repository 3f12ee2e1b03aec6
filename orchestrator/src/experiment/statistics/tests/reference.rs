//! Figures of SciPy 1.17.1 for the same samples. `reference/figures.py` made `reference/figures.json` with
//! `scipy.stats.bootstrap(method="percentile")` over the blocks at the widened level, `scipy.stats.norm.cdf`,
//! `scipy.stats.t.ppf` and `scipy.stats.median_abs_deviation`.

use serde_json::Value;

use super::super::blocks::{Blocks, Point, Variant};
use super::super::bootstrap::{SEED, estimate_from, quantile, resampled, widened};
use super::super::detectable::deviation;
use super::super::distribution::{normal, student_quantile};
use super::super::{Effect, outliers};

fn figures() -> Value {
    serde_json::from_str(include_str!("reference/figures.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn close(ours: f64, theirs: f64, relative: f64, what: &str) {
    let error = (ours - theirs).abs();
    assert!(
        error <= relative * theirs.abs().max(1e-300),
        "{what}: {ours} here, {theirs} there"
    );
}

fn list<'a>(figures: &'a Value, name: &str) -> &'a [Value] {
    let list = figures[name].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

#[test]
fn the_distributions_are_those_of_scipy() {
    let figures = figures();
    for row in list(&figures, "normal_cdf") {
        close(normal(number(&row[0])), number(&row[1]), 1e-10, "normal");
    }
    for row in list(&figures, "student_ppf") {
        let degrees = row[1].as_u64().unwrap() as usize;
        let ours = student_quantile(number(&row[0]), degrees);
        close(ours, number(&row[2]), 1e-9, &format!("student {row}"));
    }
    for row in list(&figures, "widened") {
        let blocks = row[0].as_u64().unwrap() as usize;
        close(
            widened(blocks),
            number(&row[1]),
            1e-9,
            &format!("level {row}"),
        );
    }
}

#[test]
fn far_values_are_those_of_scipy() {
    let figures = figures();
    let part = &figures["outliers"];
    let values: Vec<f64> = list(part, "values").iter().map(number).collect();
    let places: Vec<usize> = serde_json::from_value(part["places"].clone()).unwrap();
    assert!(!places.is_empty());
    assert_eq!(outliers(&values), places);
}

fn blocks(case: &Value) -> Blocks {
    let mut points = Vec::new();
    for variant in Variant::BOTH {
        for (block, values) in list(case, variant.key()).iter().enumerate() {
            let values = values.as_array().unwrap().iter().map(number);
            points.extend(values.map(|value| Point {
                block,
                variant,
                value,
            }));
        }
    }
    Blocks::of(&points)
}

#[test]
fn the_intervals_are_those_of_scipy() {
    let figures = figures();
    for case in list(&figures, "cases") {
        let blocks = blocks(case);
        for effect in [Effect::Speedup, Effect::Reduction, Effect::Difference] {
            let theirs = &case["effects"][effect.name()];
            let what = format!("{} of {}", effect.name(), case["name"]);
            let ours = estimate_from(&blocks, effect, 99_999, SEED);
            close(ours.value.unwrap(), number(&theirs["value"]), 1e-12, &what);
            // Two bootstraps differ by chance; what they may differ by is a small part of the interval.
            let width = number(&theirs["high"]) - number(&theirs["low"]);
            for (ours, theirs) in [
                (ours.low, number(&theirs["low"])),
                (ours.high, number(&theirs["high"])),
            ] {
                let error = (ours.unwrap() - theirs).abs() / width;
                assert!(error < 0.03, "{what}: {ours:?} here, {theirs} there");
            }
            let spread = deviation(
                resampled(&blocks, effect, 99_999, SEED)
                    .unwrap()
                    .into_iter(),
            );
            close(
                spread.unwrap(),
                number(&theirs["standard_error"]),
                0.02,
                &what,
            );
        }
    }
}

#[test]
fn a_quantile_lies_between_its_neighbours_in_proportion() {
    let sorted = [1.0, 2.0, 4.0, 8.0, f64::INFINITY];
    assert_eq!(quantile(&sorted, 0.0), Some(1.0));
    assert_eq!(quantile(&sorted, 0.25), Some(2.0));
    assert_eq!(quantile(&sorted, 0.375), Some(3.0));
    assert_eq!(quantile(&sorted, 1.0), Some(f64::INFINITY));
    assert_eq!(quantile(&[], 0.5), None);
}
