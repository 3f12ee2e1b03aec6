//! `flowctl_fuzz::expression` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::expression::read(bytes));
