//! Keys and rows of tables, whatever their bytes are: see `mantis_fuzz::tables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::tables::check(input));
