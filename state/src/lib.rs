//! What happened: the only owner of truth.
//!
//! Owns the events, the fold over them, the event log (durable when `append` returns) and the
//! evidence store. It never decides what happens next.

pub mod event;
pub mod run_state;
