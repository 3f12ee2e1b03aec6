//! The real binary and the real log, from outside: nothing acknowledged is lost whenever the process is
//! killed, and ten thousand steps fit in little memory.

mod flowctl;
mod kill;
mod scale;
