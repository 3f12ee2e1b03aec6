//! What happened: the only owner of truth.
//!
//! Owns the events, the fold over them, the event log (durable when `append` returns) and the
//! evidence store. It never decides what happens next.

pub mod chain;
pub mod check;
pub mod codec;
pub mod crash;
pub mod directory;
mod disk;
pub mod disk_log;
pub mod error;
pub mod event;
pub mod evidence;
mod exchange;
pub mod export;
pub mod gc;
pub mod guard;
mod head_notes;
pub mod hold;
pub mod holder;
pub mod import;
mod keys;
pub mod log;
pub mod memory_log;
mod pack;
pub mod run_state;
mod sled_import;
mod store;
pub mod writer;

pub use error::LogError;
