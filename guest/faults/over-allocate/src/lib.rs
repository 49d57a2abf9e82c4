//! Allocates without end.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:over-allocate/over-allocate");

use std::hint::black_box;

const MIB: usize = 1 << 20;

struct OverAllocate;
export!(OverAllocate);

impl Guest for OverAllocate {
    fn until_death() {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(black_box(vec![1; MIB]));
        }
    }

    fn politely() -> u32 {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut more = Vec::new();
            if more.try_reserve_exact(MIB).is_err() {
                return u32::try_from(hoard.len()).unwrap_or(u32::MAX);
            }
            hoard.push(black_box(more));
        }
    }
}
