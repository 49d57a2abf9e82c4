//! What the fuzz targets share: an input is checked, and changed, as `mantis_store::testing::fuzz` says.
#![deny(missing_docs)]

pub mod bodies;
pub mod cursor;
pub mod dialect;
pub mod documents;
pub mod rows;
pub mod tables;

#[path = "../../host/http/src/handlers/tables/body.rs"]
#[allow(dead_code, clippy::similar_names, reason = "the crate that it is of uses all of it, and has other lints")]
mod reader;

#[path = "../../host/http/src/protocol/path.rs"]
#[allow(dead_code, reason = "the crate that it is of uses all of it")]
mod path;

/// What the reader takes from the crate that it is of.
mod protocol {
    pub(crate) use super::path;
}

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzzer_mutate;
use mantis_store::testing::fuzz::{Chance, Target};

/// Checks one input of a target.
///
/// # Panics
/// It is not read as it should be: a finding.
pub fn check(target: &Target, input: &[u8]) {
    let memory = allocation_counter::measure(|| target.read(input));
    target.check_memory(input, memory.bytes_max);
    // The outcome is not needed: libFuzzer sees the code that was reached.
    let _ = target.explore(input);
    if target.is_whole(input) {
        // The same damage for the same input, or nobody could look at it again.
        let seed = input.iter().fold(input.len() as u64, |seed, &byte| seed.rotate_left(5) ^ u64::from(byte));
        target.check_damage(input, &mut Chance::new(seed));
    }
}

/// Changes the first `size` bytes of `data` to at most `size_max` others, mostly so that checksums and lengths stay right: hardly any
/// other change would get past them.
pub fn mutate(target: &Target, data: &mut [u8], size: usize, size_max: usize, seed: u32) -> usize {
    let mut chance = Chance::new(seed.into());
    let mut input = data[..size].to_vec();
    let room = size_max.saturating_sub(size);
    let is_block = chance.percent(50)
        && target.change_block(&mut input, &mut chance, |block, _| {
            let block_bytes = block.len();
            block.resize(block_bytes + room, 0);
            let changed = fuzzer_mutate(block, block_bytes, block_bytes + room);
            block.truncate(changed);
        });
    let size = if is_block && input.len() <= size_max {
        data[..input.len()].copy_from_slice(&input);
        input.len()
    } else {
        fuzzer_mutate(data, size, size_max)
    };
    if chance.percent(70) {
        target.reseal(&mut data[..size], &mut chance);
    }
    size
}

/// What a call on a database in memory comes to.
#[track_caller]
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing waits in memory"),
    }
}
