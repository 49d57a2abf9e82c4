//! Bodies of requests that write rows: see `mantis_fuzz::bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::bodies::check(input));
