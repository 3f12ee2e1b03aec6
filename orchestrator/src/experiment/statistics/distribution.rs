//! The two distributions that the widening needs: the normal one, and Student's for a whole number of degrees of
//! freedom. Pure.

use std::f64::consts::{FRAC_2_PI, PI};

/// Φ: how likely a standard normal value is below `x`. Its series (Marsaglia, *Evaluating the Normal Distribution*,
/// Journal of Statistical Software 11 (2004)) has all digits of an `f64` as far as levels of this program reach.
#[must_use]
pub(super) fn normal(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > sum.abs() * 1e-17 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The value below which a Student-distributed one stays with probability `p`, for `0.5 <= p < 1`.
#[must_use]
pub(super) fn student_quantile(p: f64, degrees: usize) -> f64 {
    let mut upper = 1.0;
    while student(upper, degrees) < p && upper < 1e9 {
        upper *= 2.0;
    }
    let mut lower = 0.0;
    // Each round halves the range; after these nothing is left to halve.
    for _ in 0..100 {
        let middle = (lower + upper) / 2.0;
        if student(middle, degrees) < p {
            lower = middle;
        } else {
            upper = middle;
        }
    }
    (lower + upper) / 2.0
}

/// How likely a Student-distributed value is below `t >= 0`: the finite sums for whole degrees of freedom
/// (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4).
fn student(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = (angle.sin(), angle.cos());
    let odd = degrees % 2 == 1;
    let (mut term, mut sum, first) = match (odd, degrees) {
        (true, 1) => (0.0, 0.0, 3),
        (true, _) => (cosine, cosine, 3),
        (false, _) => (1.0, 1.0, 2),
    };
    for k in (first..degrees.saturating_sub(1)).step_by(2) {
        let k = k as f64;
        term *= cosine * cosine * (k - 1.0) / k;
        sum += term;
    }
    let inside = if odd {
        FRAC_2_PI * (angle + sine * sum)
    } else {
        sine * sum
    };
    f64::midpoint(1.0, inside)
}
