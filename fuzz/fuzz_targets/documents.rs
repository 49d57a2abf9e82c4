//! Definitions of tables and their changes: see `mantis_fuzz::documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::documents::check(input));
