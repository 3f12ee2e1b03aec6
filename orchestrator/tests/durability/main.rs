//! The real binary and the real log, from outside: nothing acknowledged is lost whenever the process is
//! killed, ten thousand steps fit in little memory, and ten thousand runs in no more than a thousand.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod armed;
mod flowctl;
mod kill;
mod scale;
mod soak;
