//! The verdict on a claim about an effect, by its interval. Pure.

use flowctl_workflows::result::Verdict;
use serde::{Deserialize, Serialize};

use super::LEAST_BLOCKS;
use super::bootstrap::Estimate;

/// How an effect compares with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Operator {
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// More than.
    #[serde(rename = ">")]
    Above,
    /// At most.
    #[serde(rename = "<=")]
    AtMost,
    /// Less than.
    #[serde(rename = "<")]
    Below,
}

impl Operator {
    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::AtLeast => ">=",
            Operator::Above => ">",
            Operator::AtMost => "<=",
            Operator::Below => "<",
        }
    }

    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Operator::AtLeast => value >= threshold,
            Operator::Above => value > threshold,
            Operator::AtMost => value <= threshold,
            Operator::Below => value < threshold,
        }
    }

    /// Whether large effects speak for the claim.
    fn upward(self) -> bool {
        matches!(self, Operator::AtLeast | Operator::Above)
    }
}

/// What is claimed of an effect: `speedup >= 2.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hypothesis {
    /// How it compares.
    pub operator: Operator,
    /// With what.
    pub threshold: f64,
}

impl Hypothesis {
    /// PASS when the claim holds at the end of the interval that speaks least for it, FAIL when it does not hold at
    /// the end that speaks most for it; INCONCLUSIVE between, and when there is no interval.
    #[must_use]
    pub fn judge(&self, estimate: &Estimate) -> (Verdict, String) {
        let effect = estimate.effect.name();
        let Some(value) = estimate.value else {
            let reason =
                format!("the medians have no {effect}: one of them is nothing or negative");
            return (Verdict::Inconclusive, reason);
        };
        let claim = format!("{} {}", self.operator.symbol(), shown(self.threshold));
        let measured = format!("{effect} is {} in {} blocks", shown(value), estimate.blocks);
        if estimate.blocks < LEAST_BLOCKS {
            let reason = format!(
                "{measured}, and {LEAST_BLOCKS} complete blocks are needed to judge it against {claim}"
            );
            return (Verdict::Inconclusive, reason);
        }
        let (least, most) = if self.operator.upward() {
            (estimate.low, estimate.high)
        } else {
            (estimate.high, estimate.low)
        };
        let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), shown);
        let range = format!(
            "{measured}, surely within {} to {}",
            end(estimate.low),
            end(estimate.high)
        );
        if least.is_some_and(|least| self.operator.holds(least, self.threshold)) {
            (Verdict::Pass, format!("{range}: all of it is {claim}"))
        } else if most.is_some_and(|most| !self.operator.holds(most, self.threshold)) {
            (Verdict::Fail, format!("{range}: none of it is {claim}"))
        } else {
            let reason = format!("{range}: too wide a range to say whether it is {claim}");
            (Verdict::Inconclusive, reason)
        }
    }
}

/// A number with about four digits that count, and no tail of zeros.
pub(in crate::experiment) fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 || size == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 0.1 => 3,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::Effect;
    use super::*;

    fn judged(operator: Operator, threshold: f64, low: f64, high: f64) -> Verdict {
        let estimate = Estimate {
            effect: Effect::Speedup,
            value: Some(f64::midpoint(low, high)),
            low: Some(low).filter(|low| low.is_finite()),
            high: Some(high).filter(|high| high.is_finite()),
            detectable: None,
            blocks: LEAST_BLOCKS,
            samples: 20,
        };
        Hypothesis {
            operator,
            threshold,
        }
        .judge(&estimate)
        .0
    }

    #[test]
    fn the_whole_interval_must_be_on_one_side() {
        use Operator::{Above, AtLeast, AtMost, Below};
        use Verdict::{Fail, Inconclusive, Pass};
        for (operator, low, high, expected) in [
            (AtLeast, 2.6, 3.0, Pass),
            (AtLeast, 2.5, 2.5, Pass),
            (Above, 2.5, 2.5, Fail),
            (AtLeast, 2.4, 3.0, Inconclusive),
            (AtLeast, 1.0, 2.4, Fail),
            (AtMost, 1.0, 2.5, Pass),
            (Below, 1.0, 2.5, Inconclusive),
            (Below, 1.0, 2.4, Pass),
            (AtMost, 2.6, 3.0, Fail),
            (AtLeast, 2.6, f64::INFINITY, Pass),
            (AtLeast, 2.4, f64::INFINITY, Inconclusive),
            (AtMost, 2.4, f64::INFINITY, Inconclusive),
        ] {
            assert_eq!(
                judged(operator, 2.5, low, high),
                expected,
                "{operator:?} {low} {high}"
            );
        }
    }

    #[test]
    fn without_blocks_enough_or_without_a_ratio_nothing_is_judged() {
        let mut estimate = Estimate {
            effect: Effect::Speedup,
            value: Some(9.0),
            low: Some(8.0),
            high: Some(10.0),
            detectable: None,
            blocks: LEAST_BLOCKS - 1,
            samples: 20,
        };
        let claim = Hypothesis {
            operator: Operator::AtLeast,
            threshold: 2.5,
        };
        let (verdict, reason) = claim.judge(&estimate);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.contains("5 complete blocks are needed"), "{reason}");
        estimate.blocks = 50;
        assert_eq!(claim.judge(&estimate).0, Verdict::Pass);
        estimate.value = None;
        assert_eq!(claim.judge(&estimate).0, Verdict::Inconclusive);
    }

    #[test]
    fn numbers_are_shown_short() {
        let texts = [1234.5678, 123.456, 12.3456, 2.5, 0.000_123_4, 0.0, -0.5].map(shown);
        assert_eq!(
            texts,
            ["1235", "123.5", "12.35", "2.5", "0.000123", "0", "-0.5"]
        );
    }
}
