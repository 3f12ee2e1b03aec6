//! `flowctl_fuzz::language` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::language::read(bytes));
