//! What tests of step kinds share: a context whose words stay in memory, and the contract that every
//! kind passes. Never part of the program: behind the feature `testing`.

mod context;
pub mod contract;
#[cfg(test)]
pub(crate) mod monitoring;
#[cfg(test)]
pub(crate) mod trino;

pub use context::{ManualClock, MemoryFiles, MemorySink, TestContext};
pub use contract::Subject;
