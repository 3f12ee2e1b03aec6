//! Percentiles with confidence intervals that assume nothing of the distribution, and the verdict that follows.
//! Pure arithmetic: no clock, no I/O.
//!
//! The interval of a percentile lies between two of the samples themselves. How many of `n` samples fall below the true
//! percentile `p` follows the binomial distribution, so the ranks are exact whatever the samples look like (for example
//! Hahn and Meeker, *Statistical Intervals*, chapter 5). Each end holds with [`CONFIDENCE`] by itself.

use flowctl_workflows::result::{Interval, Number, Verdict};

/// How surely each end of an interval holds by itself.
pub const CONFIDENCE: f64 = 0.95;

/// How surely both ends hold together: each of them is wrong one time in twenty.
const BOTH_ENDS: f64 = 0.90;

/// A percentile as the samples tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// Which one, for example 0.95.
    pub p: f64,
    /// The sample at the rank `ceil(p n)`.
    pub estimate: f64,
    /// The true percentile is surely not below this sample.
    pub low: Option<f64>,
    /// The true percentile is surely not above this sample.
    pub high: Option<f64>,
    /// How many samples there are.
    pub samples: usize,
}

impl Percentile {
    /// The percentile `p` of samples in ascending order; `None` when there are none.
    #[must_use]
    pub fn of(sorted: &[f64], p: f64) -> Option<Self> {
        let at = |rank: usize| sorted.get(rank.checked_sub(1)?).copied();
        let n = sorted.len();
        // A product such as 0.95 * 20 comes out a little over 19.
        let rank = (p * n as f64 - 1e-9).ceil().max(1.0) as usize;
        let (low, high) = ranks(n, p);
        Some(Self {
            p,
            estimate: at(rank)?,
            low: low.and_then(at),
            high: high.and_then(at),
            samples: n,
        })
    }

    /// Its name, for example `p95`.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.p)
    }

    /// The verdict on "the percentile is below the target", with its reason: PASS when the upper end is below it, FAIL when
    /// the lower end is above it; INCONCLUSIVE between, and when there are too few samples to bound the percentile from above.
    #[must_use]
    pub fn judge(&self, target: f64, unit: &str) -> (Verdict, String) {
        let name = self.name();
        let least = least_samples(self.p);
        let measured = format!(
            "{name} is {} {unit} in {} samples",
            shown(self.estimate),
            self.samples
        );
        if self.samples < least {
            let reason = format!(
                "{measured}, and {name} needs {least} samples to be judged against {} {unit}",
                shown(target)
            );
            return (Verdict::Inconclusive, reason);
        }
        let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), shown);
        let range = format!(
            "{measured}, surely within {} to {}",
            end(self.low),
            end(self.high)
        );
        if self.high.is_some_and(|high| high < target) {
            (
                Verdict::Pass,
                format!("{range}: below {} {unit}", shown(target)),
            )
        } else if self.low.is_some_and(|low| low > target) {
            (
                Verdict::Fail,
                format!("{range}: above {} {unit}", shown(target)),
            )
        } else {
            (
                Verdict::Inconclusive,
                format!(
                    "{range}: the target of {} {unit} lies inside",
                    shown(target)
                ),
            )
        }
    }

    /// The percentile for a report.
    #[must_use]
    pub fn number(&self, unit: &str, target: Option<f64>) -> Number {
        Number {
            name: self.name(),
            value: self.estimate,
            unit: unit.to_owned(),
            interval: Some(Interval {
                low: self.low,
                high: self.high,
                confidence: BOTH_ENDS,
            }),
            target: target.map(|target| format!("< {} {unit}", shown(target))),
            samples: Some(self.samples as u64),
        }
    }
}

/// A percentile's name, for example `p95`.
#[must_use]
pub fn name(p: f64) -> String {
    format!("p{}", (p * 100.0).round())
}

/// How many samples it takes until the largest of them bounds the percentile from above: 5 for p50, 29 for p90, 59 for
/// p95, 299 for p99.
#[must_use]
pub fn least_samples(p: f64) -> usize {
    // The largest sample is below the percentile only when all of them are.
    ((1.0 - CONFIDENCE).ln() / p.ln() - 1e-9).ceil() as usize
}

/// The ranks, from 1, of the samples between which the percentile `p` of the distribution lies: the highest rank that is
/// surely not above it, and the lowest that is surely not below it.
#[must_use]
pub fn ranks(n: usize, p: f64) -> (Option<usize>, Option<usize>) {
    let (mut low, mut high) = (None, None);
    // P(exactly k of n samples are below) by its logarithm, from one k to the next.
    let (log_p, log_q) = (p.ln(), (1.0 - p).ln());
    let mut log_mass = n as f64 * log_q;
    let mut below = 0.0;
    for k in 0..n {
        // `below` is P(fewer than k + 1 are below) after this line, so the sample of rank k + 1 is an upper end.
        let at_most_before = below;
        below += log_mass.exp();
        if k > 0 && 1.0 - at_most_before >= CONFIDENCE {
            low = Some(k);
        }
        if high.is_none() && below >= CONFIDENCE {
            high = Some(k + 1);
        }
        log_mass += ((n - k) as f64 / (k + 1) as f64).ln() + log_p - log_q;
    }
    if n > 0 && 1.0 - below >= CONFIDENCE {
        low = Some(n);
    }
    (low, high)
}

/// A number without a tail of digits.
fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed in exact rational arithmetic from the binomial distribution: the largest j with P(B >= j) >= 19/20 and the
    /// smallest k with P(B <= k - 1) >= 19/20, for p = 0.5, 0.9, 0.95, 0.99.
    type Ranks = (Option<usize>, Option<usize>);
    const TABLE: [(usize, [Ranks; 4]); 13] = [
        (
            4,
            [
                (None, None),
                (Some(2), None),
                (Some(3), None),
                (Some(4), None),
            ],
        ),
        (
            5,
            [
                (Some(1), Some(5)),
                (Some(3), None),
                (Some(4), None),
                (Some(5), None),
            ],
        ),
        (
            10,
            [
                (Some(2), Some(9)),
                (Some(7), None),
                (Some(8), None),
                (Some(9), None),
            ],
        ),
        (
            28,
            [
                (Some(10), Some(19)),
                (Some(22), None),
                (Some(25), None),
                (Some(27), None),
            ],
        ),
        (
            29,
            [
                (Some(10), Some(20)),
                (Some(23), Some(29)),
                (Some(25), None),
                (Some(28), None),
            ],
        ),
        (
            58,
            [
                (Some(23), Some(36)),
                (Some(48), Some(57)),
                (Some(52), None),
                (Some(56), None),
            ],
        ),
        (
            59,
            [
                (Some(23), Some(37)),
                (Some(49), Some(58)),
                (Some(53), Some(59)),
                (Some(57), None),
            ],
        ),
        (
            60,
            [
                (Some(24), Some(37)),
                (Some(50), Some(59)),
                (Some(54), Some(60)),
                (Some(58), None),
            ],
        ),
        (
            100,
            [
                (Some(42), Some(59)),
                (Some(85), Some(96)),
                (Some(91), Some(99)),
                (Some(97), None),
            ],
        ),
        (
            200,
            [
                (Some(88), Some(113)),
                (Some(173), Some(188)),
                (Some(185), Some(196)),
                (Some(195), None),
            ],
        ),
        (
            298,
            [
                (Some(135), Some(164)),
                (Some(259), Some(277)),
                (Some(277), Some(290)),
                (Some(292), None),
            ],
        ),
        (
            299,
            [
                (Some(135), Some(165)),
                (Some(260), Some(278)),
                (Some(278), Some(291)),
                (Some(293), Some(299)),
            ],
        ),
        (
            300,
            [
                (Some(136), Some(165)),
                (Some(261), Some(279)),
                (Some(279), Some(292)),
                (Some(294), Some(300)),
            ],
        ),
    ];

    #[test]
    fn the_ranks_are_those_of_exact_arithmetic() {
        for (n, expected) in TABLE {
            for (p, expected) in [0.5, 0.9, 0.95, 0.99].into_iter().zip(expected) {
                assert_eq!(ranks(n, p), expected, "n = {n}, p = {p}");
            }
        }
        assert_eq!(ranks(1000, 0.5), (Some(474), Some(527)));
        assert_eq!(ranks(1000, 0.95), (Some(938), Some(962)));
        assert_eq!(ranks(1000, 0.99), (Some(985), Some(996)));
        assert_eq!(ranks(0, 0.5), (None, None));
    }

    #[test]
    fn the_least_samples_are_those_that_bound_from_above() {
        for (p, least) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299)] {
            assert_eq!(least_samples(p), least, "p = {p}");
            assert!(
                ranks(least, p).1.is_some() && ranks(least - 1, p).1.is_none(),
                "p = {p}"
            );
        }
    }

    fn samples(n: usize) -> Vec<f64> {
        (1..=n).map(|value| value as f64).collect()
    }

    #[test]
    fn the_estimate_is_the_nearest_rank() {
        let estimate = |n: usize, p: f64| Percentile::of(&samples(n), p).unwrap().estimate;
        assert_eq!(estimate(20, 0.95), 19.0);
        assert_eq!(estimate(60, 0.95), 57.0);
        assert_eq!(estimate(5, 0.5), 3.0);
        assert_eq!(estimate(1, 0.99), 1.0);
        assert_eq!(Percentile::of(&[], 0.5), None);
    }

    #[test]
    fn the_interval_decides_and_not_the_estimate() {
        // Ranks 54 and 60 of 60 bound p95; the estimate is the 57th.
        let p95 = Percentile::of(&samples(60), 0.95).unwrap();
        assert_eq!(
            (p95.low, p95.estimate, p95.high),
            (Some(54.0), 57.0, Some(60.0))
        );
        assert_eq!(p95.judge(60.5, "ms").0, Verdict::Pass);
        assert_eq!(p95.judge(60.0, "ms").0, Verdict::Inconclusive);
        assert_eq!(p95.judge(57.5, "ms").0, Verdict::Inconclusive);
        assert_eq!(p95.judge(54.0, "ms").0, Verdict::Inconclusive);
        assert_eq!(p95.judge(53.5, "ms").0, Verdict::Fail);
    }

    #[test]
    fn too_few_samples_are_inconclusive_for_p95_and_enough_for_p50() {
        let p95 = Percentile::of(&samples(58), 0.95).unwrap();
        let (verdict, reason) = p95.judge(1000.0, "ms");
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.contains("needs 59 samples"), "{reason}");
        assert_eq!(p95.judge(0.1, "ms").0, Verdict::Inconclusive);
        assert_eq!(
            Percentile::of(&samples(58), 0.5)
                .unwrap()
                .judge(1000.0, "ms")
                .0,
            Verdict::Pass
        );
    }

    #[test]
    fn a_number_names_its_interval_and_target() {
        let number = Percentile::of(&samples(60), 0.95)
            .unwrap()
            .number("ms", Some(2000.0));
        assert_eq!(
            (number.name.as_str(), number.target.as_deref()),
            ("p95", Some("< 2000 ms"))
        );
        let interval = number.interval.unwrap();
        assert_eq!((interval.low, interval.high), (Some(54.0), Some(60.0)));
        assert_eq!(interval.confidence, 0.9);
        assert!((BOTH_ENDS - (2.0 * CONFIDENCE - 1.0)).abs() < 1e-12);
    }
}
