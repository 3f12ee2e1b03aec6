//! The bootstrap over blocks: an effect with its interval and its error. Pure; the chance is a generator with a fixed
//! seed and a fixed algorithm.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::blocks::{Blocks, Variant};
use super::distribution::{normal, student_quantile};
use super::effect::Effect;
use super::{CONFIDENCE, LEAST_BLOCKS, detectable};

/// How many resamples an interval is made of. Of these, 85 lie outside each end at five blocks.
pub const RESAMPLES: usize = 10_000;

/// What the generator starts from. Any number would do; always the same one, so that a report can be checked.
pub const SEED: u64 = 0x666c_6f77_6374_6c01;

/// An effect as the samples tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Which effect.
    pub effect: Effect,
    /// That of the medians over all samples; `None` where it has no meaning.
    pub value: Option<f64>,
    /// The true effect is surely not below this. `None` with too few blocks, or where it has no end.
    pub low: Option<f64>,
    /// The true effect is surely not above this.
    pub high: Option<f64>,
    /// The smallest effect that as many samples of as much noise would have told from none, with [`super::POWER`].
    pub detectable: Option<f64>,
    /// How many blocks it rests on.
    pub blocks: usize,
    /// How many samples of both variants it rests on.
    pub samples: usize,
}

/// The effect between the variants, with its interval if there are blocks enough.
#[must_use]
pub fn estimate(blocks: &Blocks, effect: Effect) -> Estimate {
    estimate_from(blocks, effect, RESAMPLES, SEED)
}

pub(super) fn estimate_from(
    blocks: &Blocks,
    effect: Effect,
    resamples: usize,
    seed: u64,
) -> Estimate {
    let n = blocks.count();
    let mut estimate = Estimate {
        effect,
        value: between(blocks, effect, &vec![1; n]),
        low: None,
        high: None,
        detectable: None,
        blocks: n,
        samples: blocks.samples(Variant::A) + blocks.samples(Variant::B),
    };
    if n >= LEAST_BLOCKS
        && estimate.value.is_some()
        && let Some(effects) = resampled(blocks, effect, resamples, seed)
    {
        let level = widened(n);
        let end = |level| quantile(&effects, level).filter(|end| end.is_finite());
        estimate.low = end(level);
        estimate.high = end(1.0 - level);
        estimate.detectable = detectable::from(effect, &effects, n);
    }
    estimate
}

fn between(blocks: &Blocks, effect: Effect, times: &[usize]) -> Option<f64> {
    let a = blocks.median(Variant::A, times)?;
    effect.of(a, blocks.median(Variant::B, times)?)
}

/// The effects of resamples in ascending order; `None` when one of them has no meaning, since leaving it out would
/// make the interval one of the others.
pub(super) fn resampled(
    blocks: &Blocks,
    effect: Effect,
    resamples: usize,
    seed: u64,
) -> Option<Vec<f64>> {
    let n = blocks.count();
    let mut generator = Xoshiro256PlusPlus::from_seed(spread(seed));
    let mut times = vec![0; n];
    let mut effects = (0..resamples)
        .map(|_| {
            times.fill(0);
            for _ in 0..n {
                times[below(&mut generator, n)] += 1;
            }
            between(blocks, effect, &times)
        })
        .collect::<Option<Vec<f64>>>()?;
    effects.sort_by(f64::total_cmp);
    Some(effects)
}

/// A number below `n`: the upper half of a product, whose bias is far below one in 2^50. Written out, since a library
/// may choose another way with its next version, and then an old report would no longer be found right.
fn below(generator: &mut Xoshiro256PlusPlus, n: usize) -> usize {
    let product = u128::from(generator.next_u64()) * n as u128;
    (product >> 64) as usize
}

/// A generator's first state out of a seed: distinct and not zero throughout.
fn spread(seed: u64) -> [u8; 32] {
    let mut state = [0; 32];
    for (place, part) in (1u64..).zip(state.chunks_exact_mut(8)) {
        let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ place;
        part.copy_from_slice(&word.to_le_bytes());
    }
    state
}

/// The level of the quantiles that bound the effect with [`CONFIDENCE`] each, for this many blocks.
#[must_use]
pub(super) fn widened(n: usize) -> f64 {
    let n_less = (n - 1) as f64;
    normal(-(n as f64 / n_less).sqrt() * student_quantile(CONFIDENCE, n - 1))
}

/// The value at a level of ascending ones, between two of them in proportion.
#[must_use]
pub(super) fn quantile(sorted: &[f64], level: f64) -> Option<f64> {
    let place = level * sorted.len().checked_sub(1)? as f64;
    let lower = place.floor() as usize;
    let (low, high) = (
        *sorted.get(lower)?,
        *sorted.get(lower + 1).unwrap_or(sorted.get(lower)?),
    );
    // Between two equal ends, be they without end, nothing is to be divided.
    Some(if low == high {
        low
    } else {
        low + (high - low) * (place - lower as f64)
    })
}
