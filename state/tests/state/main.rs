//! The state from outside: what it promises, held against every log and against a real disk.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a surprise is a failure"
)]

mod damage;
mod format;
mod kill;
mod log_contract;
#[path = "../../../tests/benches/processes/plain_log.rs"]
mod plain_log;
mod portable;
mod power_loss;
mod random;
mod support;
mod writer;
