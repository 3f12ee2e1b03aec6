//! Experiments: two variants of the same thing, compared so that the difference means something.
//!
//! Owns the statistics, the order of the samples, and the step kind `experiment`, which runs other kinds: it is the
//! only kind outside the crate of step kinds, since it needs their registry. Never touches a platform itself.

mod again;
mod conclude;
mod inner;
mod journal;
mod kind;
mod measure;
mod output;
mod params;
mod prove;
mod samples;
mod setting;
pub mod statistics;

#[cfg(test)]
mod tests;

pub use kind::{Experiment, Kinds};
pub use output::{ExperimentOutput, HypothesisOutput, MetricOutput, Summary};
pub use params::Params;
