//! Numbers and lengths, whatever their bytes are: see `mantis_store::testing::fuzz`.
#![no_main]

use mantis_store::testing::fuzz::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| mantis_fuzz::check(&Target::CODEC, input));
