//! Recurses until the stack overflows.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:recurse/recurse");

use std::hint::black_box;

use mantis_guest::Bucket;

struct Recurse;
export!(Recurse);

impl Guest for Recurse {
    fn deep(levels: u32) -> u32 {
        descend(levels, &|| 1)
    }

    fn deep_host_call(levels: u32) -> u32 {
        descend(levels, &|| u32::from(Bucket::open("faults").is_ok()))
    }
}

#[inline(never)]
fn descend(levels: u32, bottom: &dyn Fn() -> u32) -> u32 {
    let room = black_box([levels; 4]);
    if room[3] == 0 { bottom() } else { black_box(descend(levels - 1, bottom)).wrapping_add(black_box(0) * room[0]) }
}
