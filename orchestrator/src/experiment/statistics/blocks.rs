//! Samples by block, and medians over any choice of blocks. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which of the two variants. The effect is that of going from A to B.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// What is compared with.
    A,
    /// What is examined.
    B,
}

impl Variant {
    /// Both of them.
    pub const BOTH: [Variant; 2] = [Variant::A, Variant::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Variant::A => Variant::B,
            Variant::B => Variant::A,
        }
    }

    /// `a` or `b`, as a workflow writes it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Variant::A => "a",
            Variant::B => "b",
        }
    }
}

/// One sample's value of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Which block, from 0.
    pub block: usize,
    /// Of which variant.
    pub variant: Variant,
    /// What was measured.
    pub value: f64,
}

/// Samples of whole blocks, ready for medians.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    count: usize,
    a: Sorted,
    b: Sorted,
}

impl Blocks {
    /// The blocks that have samples of both variants; the samples of the others are left out, since a comparison
    /// across blocks would be one of blocks.
    #[must_use]
    pub fn of(points: &[Point]) -> Self {
        let mut both: BTreeMap<usize, [bool; 2]> = BTreeMap::new();
        for point in points {
            both.entry(point.block).or_default()[point.variant as usize] = true;
        }
        let places: BTreeMap<usize, usize> = both
            .into_iter()
            .filter(|(_, has)| *has == [true, true])
            .enumerate()
            .map(|(place, (block, _))| (block, place))
            .collect();
        let of = |variant| {
            let values = points.iter().filter(|point| point.variant == variant);
            Sorted::of(values.filter_map(|point| Some((point.value, *places.get(&point.block)?))))
        };
        Self {
            count: places.len(),
            a: of(Variant::A),
            b: of(Variant::B),
        }
    }

    /// How many blocks there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many samples a variant has in them.
    #[must_use]
    pub fn samples(&self, variant: Variant) -> usize {
        self.sorted(variant).0.len()
    }

    /// The values of a variant in ascending order.
    pub fn values(&self, variant: Variant) -> impl Iterator<Item = f64> {
        self.sorted(variant).0.iter().map(|(value, _)| *value)
    }

    /// The median of a variant, each block counted as often as `times` says; `None` when nothing is counted.
    #[must_use]
    pub fn median(&self, variant: Variant, times: &[usize]) -> Option<f64> {
        self.sorted(variant).median(times)
    }

    fn sorted(&self, variant: Variant) -> &Sorted {
        match variant {
            Variant::A => &self.a,
            Variant::B => &self.b,
        }
    }
}

/// Values with the place of their block, ascending. Sorted once: a resample only counts through.
#[derive(Debug, Clone, PartialEq)]
struct Sorted(Vec<(f64, usize)>);

impl Sorted {
    fn of(values: impl Iterator<Item = (f64, usize)>) -> Self {
        let mut values: Vec<(f64, usize)> = values.collect();
        values.sort_by(|left, right| left.0.total_cmp(&right.0));
        Self(values)
    }

    fn median(&self, times: &[usize]) -> Option<f64> {
        let total: usize = self.0.iter().map(|(_, block)| times[*block]).sum();
        if total == 0 {
            return None;
        }
        // The two middle ranks, from 1; the same one when the count is odd.
        let (lower, upper) = (total.div_ceil(2), total / 2 + 1);
        let mut passed = 0;
        let mut middle = None;
        for (value, block) in &self.0 {
            passed += times[*block];
            if middle.is_none() && passed >= lower {
                middle = Some(*value);
            }
            if passed >= upper {
                return middle.map(|middle| (middle + value) / 2.0);
            }
        }
        middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(block: usize, variant: Variant, value: f64) -> Point {
        Point {
            block,
            variant,
            value,
        }
    }

    #[test]
    fn a_median_counts_each_block_as_often_as_it_was_drawn() {
        let points: Vec<Point> = [(0, 1.0), (0, 9.0), (1, 4.0), (1, 5.0), (2, 7.0)]
            .into_iter()
            .flat_map(|(block, value)| Variant::BOTH.map(|variant| point(block, variant, value)))
            .collect();
        let blocks = Blocks::of(&points);
        let median = |times: &[usize]| blocks.median(Variant::A, times);
        assert_eq!(median(&[1, 1, 1]), Some(5.0), "of 1 4 5 7 9");
        assert_eq!(median(&[1, 1, 0]), Some(4.5), "of 1 4 5 9");
        assert_eq!(median(&[3, 0, 0]), Some(5.0), "of 1 1 1 9 9 9");
        assert_eq!(median(&[0, 0, 3]), Some(7.0), "of 7 7 7");
        assert_eq!(median(&[0, 2, 1]), Some(5.0), "of 4 4 5 5 7");
        assert_eq!(median(&[0, 0, 0]), None);
    }

    #[test]
    fn a_block_without_one_of_the_variants_is_no_block() {
        let points = [
            point(0, Variant::A, 1.0),
            point(3, Variant::A, 2.0),
            point(3, Variant::B, 3.0),
            point(5, Variant::B, 4.0),
        ];
        let blocks = Blocks::of(&points);
        assert_eq!(blocks.count(), 1);
        assert_eq!(blocks.values(Variant::A).collect::<Vec<_>>(), [2.0]);
        assert_eq!(blocks.values(Variant::B).collect::<Vec<_>>(), [3.0]);
        assert_eq!(Blocks::of(&[]).count(), 0);
    }
}
