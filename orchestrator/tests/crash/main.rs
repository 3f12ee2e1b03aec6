//! The real binary and the real log, stopped at every append and before and after every effect, and
//! taken up again. Three things are looked at, because each alone misses what the others see:
//!
//! * *record*: at the moment of death, whatever has happened or was shown is in the log;
//! * *same*: the run comes to the same state and the same world as one that was never stopped;
//! * *rules*: plain examples of how often a step is tried and in which order things happen.
//!
//! `mutants` makes the program wrong in many ways, and each way must be seen by one of the three.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod asked;
mod check;
mod death;
mod examples;
mod expected;
mod flowctl;
mod mutants;
mod points;
mod shape;
mod table;
