//! `flowctl_fuzz::inject` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::inject::read(bytes));
