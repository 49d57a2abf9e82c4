//! Numbers and lengths, whatever their bytes are: see `mantis_store::fuzz`.
#![no_main]

use mantis_store::fuzz::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::check(&Target::CODEC, input));
