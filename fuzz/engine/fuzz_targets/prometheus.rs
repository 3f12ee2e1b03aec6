//! `flowctl_fuzz::prometheus` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::prometheus::read(bytes));
