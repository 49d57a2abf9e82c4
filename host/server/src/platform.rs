//! The machine's clock and randomness, for the engine.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mantis_db::{Clock, Random};

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn sleep(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        // A thread outside the runtime has nobody to wake it.
        tokio::runtime::Handle::try_current().ok()?;
        Some(Box::pin(tokio::time::sleep(Duration::from_millis(ms))))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the native clock that others are given")]
    fn now_ms(&self) -> u64 {
        // Before 1970 only on a machine whose clock was never set; its time is 0 then.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    #[allow(clippy::disallowed_methods, reason = "this is the native clock that others are given")]
    fn monotonic_us(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
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
