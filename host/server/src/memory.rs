//! Returns freed memory to the system after a peak of use.
//!
//! The allocator keeps the memory that a thread has freed for that thread's next allocations: after 10,000 connections, 150 MB stayed
//! resident, of which half a megabyte was in use.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections that have to close before memory is returned: that takes some milliseconds.
pub(crate) const CONNECTIONS: u64 = 1_000;
/// The same for versions of keys that are removed.
pub(crate) const VERSIONS: u64 = 200_000;

/// The high-water mark of a count, and the fall from it that counts.
#[derive(Debug)]
pub(crate) struct HighWaterMark {
    highest: u64,
    fall_min: u64,
}

impl HighWaterMark {
    /// A mark at 0; falls of `fall_min` and more are reported.
    pub(crate) fn new(fall_min: u64) -> Self {
        Self { highest: 0, fall_min }
    }

    /// Whether the count has fallen far enough since the last report. A report lowers the mark to the count.
    pub(crate) fn has_fallen(&mut self, count: u64) -> bool {
        self.highest = self.highest.max(count);
        let has_fallen = self.highest - count >= self.fall_min;
        if has_fallen {
            self.highest = count;
        }
        has_fallen
    }
}

/// How often memory has been asked back.
static TIMES_FALLEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The count at which this thread last returned its memory.
    static GIVEN_BACK_AT: Cell<u64> = const { Cell::new(0) };
}

/// Asks the threads that call [`give_back_if_due`] to return their free memory: the runtime's when they are next idle, and that of
/// housekeeping. Threads for long work end when idle.
pub(crate) fn give_back() {
    TIMES_FALLEN.fetch_add(1, Ordering::Release);
}

/// Returns this thread's free memory to the system if that was asked for since it last did: for [`on_thread_park`].
///
/// [`on_thread_park`]: tokio::runtime::Builder::on_thread_park
pub fn give_back_if_due() {
    let fallen = TIMES_FALLEN.load(Ordering::Acquire);
    if GIVEN_BACK_AT.replace(fallen) != fallen {
        #[allow(unsafe_code, reason = "a call into the allocator, which takes a flag and has no conditions")]
        // SAFETY: `mi_collect` may be called at any time, from any thread; it looks at what that thread has freed.
        unsafe {
            libmimalloc_sys::mi_collect(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_reported_once() {
        let mut connections = HighWaterMark::new(1_000);
        let counts = [10, 999, 0, 5_000, 4_001, 4_000, 3_500, 3_000, 3_000, 0, 0];
        let reported = counts.map(|count| connections.has_fallen(count));
        assert_eq!(reported, [false, false, false, false, false, true, false, true, false, true, false]);
    }
}
