//! `flowctl_fuzz::template` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::template::read(bytes));
