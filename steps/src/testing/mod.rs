//! What tests of step kinds share: a context whose words stay in memory, and the contract that every
//! kind passes. Behind the feature `testing`, and never part of the program.
//!
//! And what a rehearsal runs on: doubles of every service, behind the feature `rehearsal`, which the program has.

#[cfg(any(test, feature = "testing"))]
mod context;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod facts;
#[cfg(test)]
pub(crate) mod monitoring;
#[cfg(test)]
pub(crate) mod reads;
#[cfg(any(test, feature = "rehearsal"))]
pub mod rehearsal;
#[cfg(test)]
mod rejudged;
#[cfg(test)]
pub(crate) mod trino;

#[cfg(any(test, feature = "testing"))]
pub use context::{ManualClock, MemoryFiles, MemorySink, TestContext};
#[cfg(any(test, feature = "testing"))]
pub use contract::Subject;
#[cfg(test)]
pub(crate) use rejudged::rejudged;
