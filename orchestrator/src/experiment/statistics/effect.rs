//! What is made of two medians. Pure.

use serde::{Deserialize, Serialize};

/// An effect of going from A to B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// How many times less B takes: `median(A) / median(B)`. 1 is none.
    Speedup,
    /// Which part B saves: `1 - median(B) / median(A)`. 0 is none.
    Reduction,
    /// How much more B takes: `median(B) - median(A)`, in the metric's unit. 0 is none.
    Difference,
}

impl Effect {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Effect::Speedup => "speedup",
            Effect::Reduction => "reduction",
            Effect::Difference => "difference",
        }
    }

    /// The effect between two medians; `None` where it has no meaning: a ratio of nothing, or of what is negative.
    #[must_use]
    pub fn of(self, a: f64, b: f64) -> Option<f64> {
        let ratios = a > 0.0 && b >= 0.0;
        let effect = match self {
            // Against nothing at all the speedup has no end, and the interval just lacks its upper one.
            Effect::Speedup => ratios.then(|| a / b),
            Effect::Reduction => ratios.then(|| 1.0 - b / a),
            Effect::Difference => Some(b - a),
        };
        effect.filter(|effect| !effect.is_nan())
    }

    /// The effect on the scale on which its error is even to both sides: the logarithm of a ratio, a difference itself.
    #[must_use]
    pub(super) fn even(self, effect: f64) -> f64 {
        match self {
            Effect::Speedup => effect.ln(),
            Effect::Reduction => -(1.0 - effect).ln(),
            Effect::Difference => effect,
        }
    }

    /// Back from there.
    #[must_use]
    pub(super) fn uneven(self, even: f64) -> f64 {
        match self {
            Effect::Speedup => even.exp(),
            Effect::Reduction => 1.0 - (-even).exp(),
            Effect::Difference => even,
        }
    }

    /// The unit of the effect of a metric in this unit.
    #[must_use]
    pub fn unit(self, metric: &str) -> &str {
        match self {
            Effect::Speedup => "x",
            Effect::Reduction => "",
            Effect::Difference => metric,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_those_of_going_from_a_to_b() {
        assert_eq!(Effect::Speedup.of(5.0, 2.0), Some(2.5));
        assert_eq!(Effect::Reduction.of(5.0, 2.0), Some(0.6));
        assert_eq!(Effect::Difference.of(5.0, 2.0), Some(-3.0));
    }

    #[test]
    fn nothing_has_no_ratio() {
        assert_eq!(Effect::Speedup.of(0.0, 2.0), None);
        assert_eq!(Effect::Reduction.of(0.0, 0.0), None);
        assert_eq!(Effect::Speedup.of(2.0, -1.0), None);
        assert_eq!(Effect::Reduction.of(2.0, 0.0), Some(1.0));
        assert_eq!(Effect::Speedup.of(2.0, 0.0), Some(f64::INFINITY));
        assert_eq!(Effect::Difference.of(0.0, 0.0), Some(0.0));
    }

    #[test]
    fn the_even_scale_leads_back() {
        for (effect, value) in [
            (Effect::Speedup, 2.5),
            (Effect::Reduction, 0.6),
            (Effect::Difference, -3.0),
        ] {
            let there_and_back = effect.uneven(effect.even(value));
            assert!((there_and_back - value).abs() < 1e-12, "{effect:?}");
        }
        // Both ratios are the same on it.
        let (speedup, reduction) = (Effect::Speedup.even(2.5), Effect::Reduction.even(0.6));
        assert!((speedup - reduction).abs() < 1e-12);
    }
}
