//! The machine's clock and randomness, for native programs. A page brings its own.

#![allow(clippy::disallowed_methods, reason = "this is the native clock that others are given")]

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::types::{Clock, Random};

/// The machine's wall clock. Its waits need no runtime: one thread of their own, which begins with the first of them, ends them all.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        // Before 1970 only on a machine whose clock was never set; its time is 0 then.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(futures_timer::Delay::new(Duration::from_millis(ms))))
    }
}

/// The system's source of unpredictable bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// When the system has no randomness to give: identifiers that can be guessed would be worse.
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the system's source of randomness works");
    }
}
