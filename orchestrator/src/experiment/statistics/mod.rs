//! What the samples of two variants say of the difference between them. Pure: no clock, no I/O, and no chance but
//! that of a generator with a fixed seed, so the same samples always come to the same numbers.
//!
//! The estimate is that of the medians over all samples: `median(A) / median(B)` and what follows from it. Its
//! interval comes from a bootstrap over *blocks*: what happens to a block (a busy minute, a restart) happens to all
//! its samples, so the block is the unit that was drawn, and samples of one block say less than as many blocks would.
//!
//! The interval is the percentile one, widened for few blocks: its ends are the quantiles at
//! `Φ(-√(n/(n-1)) · t)` with `t` Student's at `n - 1` degrees of freedom in place of the nominal level (Hesterberg,
//! *What Teachers Should Know About the Bootstrap*, The American Statistician 69 (2015), 371-386, "expanded percentile
//! interval"). A percentile interval because it respects transformations, so that a speedup and a reduction of the
//! same samples never disagree; not BCa, whose acceleration is a jackknife, which fails for medians (Efron and
//! Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 11.6). The widening because without it five blocks
//! call nothing a difference in one of ten cases instead of one of twenty; `tests/simulation.rs` measures both.

mod blocks;
mod bootstrap;
mod detectable;
mod distribution;
mod effect;
mod hypothesis;
mod order;
mod outliers;

#[cfg(test)]
mod tests;

pub use blocks::{Blocks, Point, Variant};
pub use bootstrap::{Estimate, RESAMPLES, SEED, estimate};
pub use detectable::POWER;
pub use effect::Effect;
pub(in crate::experiment) use hypothesis::shown;
pub use hypothesis::{Hypothesis, Operator};
pub use order::{Action, Order, schedule};
pub use outliers::outliers;

/// How surely each end of an interval holds by itself; both hold together with [`BOTH_ENDS`].
pub const CONFIDENCE: f64 = 0.95;

/// How surely both ends hold together: each of them is wrong one time in twenty.
pub const BOTH_ENDS: f64 = 0.90;

/// With fewer complete blocks nothing is judged. Four blocks that all point one way do so by chance once in sixteen
/// times, which is more than one in twenty whatever is made of their values; five do once in thirty-two.
pub const LEAST_BLOCKS: usize = 5;
