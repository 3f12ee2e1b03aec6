//! The command line from outside: exit code, standard output and standard error of each verb, through
//! the built binary, on a state of its own.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, also in what tests share"
)]

mod canary;
mod cluster;
mod experiment;
mod fence;
mod gc;
mod hard;
mod language;
mod lease;
#[cfg(all(target_os = "linux", target_endian = "little"))]
mod linked;
mod mounts;
mod recover;
mod rehearsal;
mod rerun;
mod run;
mod steer;
mod support;
mod undo;
mod verify;
