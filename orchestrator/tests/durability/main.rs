//! The real binary and the real log, from outside: nothing acknowledged is lost whenever the process is
//! killed, and ten thousand steps fit in little memory.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod flowctl;
mod kill;
mod scale;
