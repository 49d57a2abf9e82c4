//! Never returns.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:spin/spin");

use std::hint::black_box;

use mantis_guest::{Bucket, Span};

struct Spin;
export!(Spin);

impl Guest for Spin {
    fn forever() {
        loop {
            black_box(());
        }
    }

    fn after_write() {
        Bucket::open("faults").unwrap().set("written", "before the spin").unwrap();
        Self::forever();
    }

    fn in_host_calls() {
        let bucket = Bucket::open("faults").unwrap();
        loop {
            let _ = bucket.get("key");
        }
    }

    fn in_walks() {
        let bucket = Bucket::open("faults").unwrap();
        loop {
            let _ = bucket.count(&Span::All);
        }
    }

    fn rounds(rounds: u64) -> u64 {
        (0..rounds).fold(0, |sum, round| black_box(sum ^ round))
    }
}
