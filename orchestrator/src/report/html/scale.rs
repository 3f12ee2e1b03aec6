//! From values to places on a drawing. Pure arithmetic.

use maud::{Markup, html};

use super::words::figure;

/// A straight scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Scale {
    /// Values from 0, or from the smallest below it, to the largest, with a little air, onto these places. `None` when
    /// there is no value to be drawn.
    pub(super) fn from_zero(
        values: impl IntoIterator<Item = f64>,
        low: f64,
        high: f64,
    ) -> Option<Self> {
        let mut values = values
            .into_iter()
            .filter(|value| value.is_finite())
            .peekable();
        values.peek()?;
        let (mut from, mut to) = (0.0_f64, 0.0_f64);
        for value in values {
            from = from.min(value);
            to = to.max(value);
        }
        if to <= from {
            to = from + 1.0;
        }
        Some(Self {
            from,
            to: to + (to - from) * 0.04,
            low,
            high,
        })
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        self.low + share.clamp(0.0, 1.0) * (self.high - self.low)
    }

    /// Round values along the scale, some five of them.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let rough = (self.to - self.from) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * power);
        let first = (self.from / step).ceil();
        // More than this is no scale but a mistake in it.
        (0..20)
            .map(|number| (first + f64::from(number)) * step)
            .take_while(|tick| *tick <= self.to)
            .collect()
    }

    /// A horizontal axis at the height `y`, with its unit; `top` is where its lines begin.
    pub(super) fn axis(&self, top: f64, y: f64, unit: &str) -> Markup {
        html! {
            @for tick in self.ticks() {
                line.axis x1=(px(self.at(tick))) x2=(px(self.at(tick))) y1=(px(top)) y2=(px(y)) {}
                text.soft x=(px(self.at(tick))) y=(px(y + 14.0)) text-anchor="middle" { (figure(tick)) }
            }
            text.soft x=(px(self.high)) y=(px(y + 28.0)) text-anchor="end" { (unit) }
        }
    }

    /// A vertical axis from `left` to `right`.
    pub(super) fn rungs(&self, left: f64, right: f64, words: impl Fn(f64) -> String) -> Markup {
        html! {
            @for tick in self.ticks() {
                line.axis x1=(px(left)) x2=(px(right)) y1=(px(self.at(tick))) y2=(px(self.at(tick))) {}
                text.soft x=(px(left - 6.0)) y=(px(self.at(tick) + 4.0)) text-anchor="end" { (words(tick)) }
            }
        }
    }
}

/// A place, to a tenth: more digits only make the page larger.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A text that fits into so many characters.
pub(super) fn fit(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_their_order_between_the_ends() {
        let scale = Scale::from_zero([3.0, 40.0], 100.0, 500.0).unwrap();
        assert_eq!(scale.at(0.0), 100.0);
        assert!(scale.at(3.0) < scale.at(40.0) && scale.at(40.0) < 500.0);
        assert_eq!(scale.at(1e9), 500.0);
        let ticks = scale.ticks();
        assert_eq!(ticks, [0.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn values_below_zero_have_their_place_too() {
        let scale = Scale::from_zero([-2.0, 2.0], 0.0, 100.0).unwrap();
        assert!(scale.at(-2.0) < scale.at(0.0) && scale.at(0.0) > 0.0);
    }

    #[test]
    fn nothing_has_no_scale() {
        assert!(Scale::from_zero([], 0.0, 1.0).is_none());
        assert!(Scale::from_zero([f64::NAN], 0.0, 1.0).is_none());
        assert!(Scale::from_zero([0.0], 0.0, 1.0).is_some());
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(fit("größer", 4), "grö…");
        assert_eq!(fit("groß", 4), "groß");
        assert_eq!(px(1.0), "1");
        assert_eq!(px(1.26), "1.3");
    }
}
