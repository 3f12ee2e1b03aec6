//! `flowctl_fuzz::s3_select` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowctl_fuzz::s3_select::read(bytes));
