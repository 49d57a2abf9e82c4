//! Giving memory back to the system when much of what it was needed for has gone.
//!
//! The allocator gives every thread pages of its own and keeps what is freed there, by whichever thread, for the next that this one asks
//! for: after 10,000 connections 150 MB stayed resident of which half a megabyte was in use.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections that have to go before it is worth while: freeing their room costs some milliseconds.
pub(crate) const CONNECTIONS: u64 = 1_000;
/// The same for versions of keys.
pub(crate) const VERSIONS: u64 = 200_000;

/// Watches how many of something there are.
#[derive(Debug)]
pub(crate) struct Tide {
    most: u64,
    worth: u64,
}

impl Tide {
    /// Of which so many have to go.
    pub(crate) fn new(worth: u64) -> Self {
        Self { most: 0, worth }
    }

    /// Whether so many have gone since it was last said so.
    pub(crate) fn has_fallen(&mut self, count: u64) -> bool {
        self.most = self.most.max(count);
        let has_fallen = self.most - count >= self.worth;
        if has_fallen {
            self.most = count;
        }
        has_fallen
    }
}

/// How often that was.
static TIMES_FALLEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// When this thread last gave its memory back.
    static GIVEN_BACK_AT: Cell<u64> = const { Cell::new(0) };
}

/// Has the threads that ask [`give_back_if_due`] return what is free to the system: those of the runtime when they next have nothing to
/// do, and the one for housekeeping. Threads for long work end when there is none.
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
    fn a_fall_is_told_of_once() {
        let mut connections = Tide::new(1_000);
        let counts = [10, 999, 0, 5_000, 4_001, 4_000, 3_500, 3_000, 3_000, 0, 0];
        let told = counts.map(|count| connections.has_fallen(count));
        assert_eq!(told, [false, false, false, false, false, true, false, true, false, true, false]);
    }
}
