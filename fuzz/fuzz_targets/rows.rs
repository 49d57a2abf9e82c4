//! Rows of JSON in a table of all types: see `mantis_fuzz::rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::rows::check(input));
