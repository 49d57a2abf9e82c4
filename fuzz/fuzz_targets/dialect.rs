//! Queries of requests: see `mantis_fuzz::dialect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::dialect::check(input));
