//! How one step touches the world: one file per step kind, and the clients that they share.
//!
//! Knows nothing of the DAG, of runs that went before, or of where state is kept. What a step says
//! goes back to the caller as an [`Output`] or a [`StepError`]; the caller turns it into events.

pub mod again;
pub mod child;
pub mod clients;
pub mod clock;
pub mod context;
pub mod error;
mod finding;
pub mod kinds;
pub mod registry;
pub mod secret;
pub mod statistics;
pub mod step;
#[cfg(any(test, feature = "testing", feature = "rehearsal"))]
pub mod testing;

pub use context::{AttemptName, Sink, StepContext};
pub use error::StepError;
pub use registry::Registry;
pub use step::{KindInfo, Output, Step, Undone};
