//! What the intervals promise, held against experiments whose truth is known: 1,000 of each sort, from a fixed seed.
//!
//! Noise as it is met: nearly normal, and lognormal as latencies are; blocks that are slow as a whole, and restarts that
//! differ from each other. The rates stand in `workflows/README.md`.

use flowctl_workflows::result::Verdict;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::super::blocks::{Blocks, Point, Variant};
use super::super::bootstrap::{estimate_from, quantile, resampled};
use super::super::{CONFIDENCE, Effect, Hypothesis, LEAST_BLOCKS, Operator};

const EXPERIMENTS: usize = 1000;
/// Fewer than for a report: the error of a rate over many experiments is that of their number.
const RESAMPLES: usize = 1000;
/// What a rate of one in twenty may come to by chance, in 1,000 experiments, three times in a thousand.
const AT_MOST: f64 = 0.05 + 0.0190;

/// A platform whose truth is known.
#[derive(Clone, Copy)]
struct Platform {
    blocks: usize,
    samples: usize,
    /// Lognormal noise; else normal around 1.
    lognormal: bool,
    noise: f64,
    /// How much blocks differ, both variants alike.
    shared: f64,
    /// How much restarts differ, each variant for itself.
    restart: f64,
    /// The true speedup.
    speedup: f64,
}

const BUSY: Platform = Platform {
    blocks: 10,
    samples: 4,
    lognormal: true,
    noise: 0.3,
    shared: 0.2,
    restart: 0.0,
    speedup: 1.0,
};
const EVEN: Platform = Platform {
    lognormal: false,
    noise: 0.1,
    shared: 0.05,
    blocks: 8,
    ..BUSY
};
const RESTARTED: Platform = Platform {
    blocks: LEAST_BLOCKS,
    samples: 10,
    shared: 0.0,
    restart: 0.15,
    ..BUSY
};

fn uniform(generator: &mut Xoshiro256PlusPlus) -> f64 {
    ((generator.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

fn normal(generator: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * uniform(generator).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(generator)).cos()
}

impl Platform {
    fn experiment(&self, generator: &mut Xoshiro256PlusPlus) -> Blocks {
        let mut points = Vec::new();
        for block in 0..self.blocks {
            let shared = normal(generator) * self.shared;
            for variant in Variant::BOTH {
                let restart = normal(generator) * self.restart;
                for _ in 0..self.samples {
                    let off = shared + restart + normal(generator) * self.noise;
                    let time = if self.lognormal {
                        off.exp()
                    } else {
                        (1.0 + off).max(0.05)
                    };
                    let value = match variant {
                        Variant::A => time,
                        Variant::B => time / self.speedup,
                    };
                    points.push(Point {
                        block,
                        variant,
                        value,
                    });
                }
            }
        }
        Blocks::of(&points)
    }

    fn experiments(self, seed: u8) -> impl Iterator<Item = Blocks> {
        let mut generator = Xoshiro256PlusPlus::from_seed([seed; 32]);
        (0..EXPERIMENTS).map(move |_| self.experiment(&mut generator))
    }

    /// How often it is found that B is faster, and that it is slower.
    fn found(self, seed: u8) -> (f64, f64) {
        let claim = |operator| Hypothesis {
            operator,
            threshold: 1.0,
        };
        let (mut faster, mut slower) = (0, 0);
        for (number, blocks) in self.experiments(seed).enumerate() {
            let estimate = estimate_from(&blocks, Effect::Speedup, RESAMPLES, number as u64);
            faster += usize::from(claim(Operator::Above).judge(&estimate).0 == Verdict::Pass);
            slower += usize::from(claim(Operator::Below).judge(&estimate).0 == Verdict::Pass);
        }
        (rate(faster), rate(slower))
    }
}

fn rate(count: usize) -> f64 {
    count as f64 / EXPERIMENTS as f64
}

/// Between two equal variants a difference is found no more often than promised, and not so seldom that the
/// intervals must be wider than need be.
fn nothing_is_found_where_nothing_is(platform: Platform, seed: u8) {
    let (faster, slower) = platform.found(seed);
    for rate in [faster, slower] {
        assert!(rate <= AT_MOST, "found {rate} of the time, promised 0.05");
        assert!(
            rate >= 0.01,
            "found {rate} of the time: the interval is too wide"
        );
    }
    eprintln!("false findings: faster {faster}, slower {slower}");
}

#[test]
fn equal_variants_with_even_noise() {
    nothing_is_found_where_nothing_is(EVEN, 1);
}

#[test]
fn equal_variants_with_noise_of_latencies_and_busy_blocks() {
    nothing_is_found_where_nothing_is(BUSY, 2);
}

#[test]
fn equal_variants_whose_restarts_differ_with_the_fewest_blocks() {
    nothing_is_found_where_nothing_is(RESTARTED, 3);
}

/// The reason for the widening, and the proof that this suite would notice its loss.
#[test]
fn without_the_widening_few_blocks_would_find_too_much() {
    let found = RESTARTED
        .experiments(3)
        .enumerate()
        .filter(|(number, blocks)| {
            let effects = resampled(blocks, Effect::Speedup, RESAMPLES, *number as u64).unwrap();
            quantile(&effects, 1.0 - CONFIDENCE).unwrap() > 1.0
        });
    let found = rate(found.count());
    assert!(
        found > AT_MOST,
        "only {found}: then the widening is for nothing"
    );
    eprintln!("false findings without the widening: {found}");
}

/// An effect of the size that the experiment calls detectable is found about as often as it claims.
#[test]
fn a_detectable_effect_is_found_with_the_power_that_is_claimed() {
    for (platform, seed) in [(BUSY, 4), (EVEN, 5)] {
        let mut detectable: Vec<f64> = platform
            .experiments(seed)
            .take(200)
            .map(|blocks| {
                let estimate = estimate_from(&blocks, Effect::Speedup, RESAMPLES, 1);
                estimate.detectable.unwrap()
            })
            .collect();
        detectable.sort_by(f64::total_cmp);
        let speedup = detectable[detectable.len() / 2];
        let (faster, slower) = Platform {
            speedup,
            ..platform
        }
        .found(seed + 10);
        assert!(
            (0.75..=0.95).contains(&faster),
            "found {faster} of the time at {speedup}"
        );
        assert!(slower < 0.005, "{slower}");
        eprintln!("power at a speedup of {speedup:.3}: {faster}");
    }
}
