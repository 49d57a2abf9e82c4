//! Traps in every way that Rust knows.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:trap/trap");

use std::sync::atomic::{AtomicU32, Ordering};

use mantis_guest::Bucket;

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Trap;
export!(Trap);

impl Guest for Trap {
    fn panic_after_write() {
        Bucket::open("faults").unwrap().set("written", "before the panic").unwrap();
        panic!("on purpose");
    }

    fn divide_by_zero(by: u32) -> u32 {
        1 / by
    }

    fn read_out_of_bounds() -> u8 {
        // The end of the address space, far beyond the memory.
        let outside = std::ptr::without_provenance::<u8>(usize::MAX - 1);
        // SAFETY: none; that is the point. The sandbox turns the access into a trap.
        unsafe { outside.read_volatile() }
    }

    fn count(trap: bool) -> u32 {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(!trap, "on purpose");
        calls
    }
}
