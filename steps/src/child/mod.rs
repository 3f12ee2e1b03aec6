//! Children of flowctl: what environment they get, how their words are kept, how they and their
//! descendants are found again and ended.
//!
//! Owns everything that reads `/proc` or sends a signal. Decides nothing about retry or verdicts.

mod capture;
mod conversation;
pub mod environment;
mod group;
mod leader;
pub mod orphans;
pub mod proc;
mod redaction;

pub use capture::Capture;
pub use conversation::{Conversation, Patience, converse};
pub use group::{Ended, Group, end_all, end_left};
pub use leader::Leader;
pub use redaction::Redaction;
