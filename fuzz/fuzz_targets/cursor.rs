//! Cursors of scans and of the change feed, whatever their bytes are: see `mantis_fuzz::cursor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::cursor::check(input));
