//! Parks the log's thread until there is something to do.

use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(target_family = "wasm"))]
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// More commits than can be pending: nobody needs to wake the thread.
const AWAKE: u64 = u64::MAX;

/// Parks one thread.
pub(crate) struct Parker {
    /// The number of pending commits that wakes the thread.
    wake_at: AtomicU64,
    is_woken: Mutex<bool>,
    wake: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self { wake_at: AtomicU64::new(AWAKE), is_woken: Mutex::new(false), wake: Condvar::new() }
    }

    /// Wakes the thread if it sleeps until this many commits are `pending`. Called after each commit.
    pub(crate) fn wake(&self, pending: &AtomicU64) {
        // Either the thread sees the commit, or this sees the thread asleep.
        fence(Ordering::SeqCst);
        if pending.load(Ordering::Relaxed) >= self.wake_at.load(Ordering::Relaxed) {
            self.interrupt();
        }
    }

    /// Wakes the thread, or keeps it from falling asleep the next time.
    pub(crate) fn interrupt(&self) {
        *self.is_woken.lock() = true;
        self.wake.notify_one();
    }

    /// Sleeps until `commits` are pending, for `time` at most, or until interrupted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn until(&self, pending: &AtomicU64, commits: u64, time: Duration) {
        self.wake_at.store(commits, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if pending.load(Ordering::Relaxed) < commits {
            self.rest(time);
        }
        self.wake_at.store(AWAKE, Ordering::Relaxed);
    }

    /// Sleeps for `time` or until interrupted, whatever is pending. Returns whether it was interrupted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let mut is_woken = self.is_woken.lock();
        if !*is_woken {
            self.wake.wait_for(&mut is_woken, time);
        }
        std::mem::take(&mut *is_woken)
    }
}
