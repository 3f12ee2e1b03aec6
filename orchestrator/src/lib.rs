//! flowctl: decides, drives, shows.
//!
//! ```text
//!   YAML ─ dag::compile ─► Plan ─► RunStarted
//!                                     │
//!   input ─► engine::decide ─► events ─► log (durable) ─► RunState::apply ─► reporters
//!     ▲                                                        │
//!     └── executor: attempts, timers ◄── engine::todo ◄────────┘
//! ```
//!
//! `dag/` and `engine/` are pure; `executor/` is the loop; only `cli/` and `progress/` print.

pub mod cli;
pub mod config;
pub mod dag;
pub mod engine;
pub mod executor;
pub mod experiment;
pub mod kinds;
pub mod progress;
pub mod report;
pub mod server;
pub mod verify;
pub mod view;
#[cfg(feature = "crash-points")]
mod world;
