//! `flowctl_fuzz::trino` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::trino::read(bytes));
