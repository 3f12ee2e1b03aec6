//! Experiments: two variants of the same thing, compared so that the difference means something.

pub mod statistics;
