//! `flowctl_fuzz::state_import` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::state_import::read(bytes));
