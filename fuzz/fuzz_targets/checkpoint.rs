//! Checkpoints and backups, whatever their bytes are: see `mantis_store::testing::fuzz`.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mantis_store::testing::fuzz::Target;

fuzz_target!(|input: &[u8]| mantis_fuzz::check(&Target::CHECKPOINT, input));
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mantis_fuzz::mutate(&Target::CHECKPOINT, data, size, max_size, seed)
});
