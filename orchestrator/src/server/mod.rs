//! How the process that holds the state answers the others: HTTP over a Unix socket beside the state.
//!
//! The store admits one process, so whoever wants to look at a state or to steer a run while it is
//! held asks here. Owns the paths below `/v1/` and the socket file; it reads the log and asks the
//! run's handle, and decides nothing.

mod client;
mod history;
mod protocol;
mod routes;
mod serve;
mod watched;

pub use client::{Client, Error as ClientError};
pub use history::{Unreadable, left_changed, list, newest_first, replay};
pub use protocol::{Approval, Asked, Hello, Item, Refusal};
pub use serve::{Served, serve};
pub use watched::Broadcast;
