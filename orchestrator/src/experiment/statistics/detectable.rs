//! The minimum detectable effect: what an experiment could have seen. Pure.

use super::CONFIDENCE;
use super::distribution::student_quantile;
use super::effect::Effect;

/// How often an effect of the minimum detectable size would be found.
pub const POWER: f64 = 0.8;

/// The smallest effect for the better that would be told from none with [`POWER`], from the spread of the resampled
/// effects: `(t(CONFIDENCE) + t(POWER))` standard errors away from none on the scale where errors are even, with the
/// same correction for few blocks as the interval's. `None` when the spread has no end.
///
/// For a difference it is a size: as much in either direction.
pub(super) fn from(effect: Effect, effects: &[f64], blocks: usize) -> Option<f64> {
    let spread = deviation(effects.iter().map(|value| effect.even(*value)))?;
    let n = blocks as f64;
    let error = spread * (n / (n - 1.0)).sqrt();
    let degrees = blocks - 1;
    let away = (student_quantile(CONFIDENCE, degrees) + student_quantile(POWER, degrees)) * error;
    Some(effect.uneven(away)).filter(|least| least.is_finite())
}

/// The standard deviation of values, by the count less one.
pub(super) fn deviation(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = values.clone().count();
    let mean = values.clone().sum::<f64>() / count as f64;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (count > 1)
        .then(|| (squares / (count - 1) as f64).sqrt())
        .filter(|deviation| deviation.is_finite())
}
