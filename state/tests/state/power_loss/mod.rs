//! A power cut loses nothing that was acknowledged.
//!
//! A child process appends under `shim.c`, which writes down every change that it makes to its files,
//! every sync, and every acknowledgement. `disk.rs` plays that again up to any moment and says what a
//! disk may hold then: all that was synced, and of the rest nothing, everything, or sectors picked by
//! chance. `cuts.rs` opens what is left with the real log and asks for every acknowledged event.
//!
//! `FLOWCTL_POWER_CUTS` asks for more moments, `FLOWCTL_POWER_SEED` for others.

mod child;
mod collection;
mod cuts;
mod disk;
mod large;
mod life;
mod trace;
