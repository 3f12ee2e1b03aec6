//! `flowctl_fuzz::kubernetes` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::kubernetes::read(bytes));
