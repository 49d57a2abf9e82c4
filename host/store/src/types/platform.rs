//! What the engine needs from its surroundings: the time and random bytes.
//!
//! A native process, a browser page and a test each bring their own. Nothing else in this crate reads a clock.

#[cfg(not(target_family = "wasm"))]
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

/// A wall clock, which shows the time of day and may be set, and a monotonic clock, which measures how much time has passed.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z. It may jump; the engine uses it only for the deadlines of keys and the times of commits.
    fn now_ms(&self) -> u64;

    /// Microseconds since some moment, never set and never going back: for the ages of snapshots, transactions, backups and changes, and
    /// for durations in statistics. It may stop while the machine sleeps.
    fn monotonic_us(&self) -> u64;

    /// Ends after `ms` milliseconds, at the executor's pace. `None`, the default, if this clock cannot wake a waiter: then transactions
    /// that lose repeatedly get no [turns](crate::Turn).
    #[cfg(not(target_family = "wasm"))]
    fn sleep(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _ = ms;
        None
    }
}

/// A source of unpredictable bytes, for identifiers and hash seeds.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer` with bytes that a client cannot guess.
    fn fill(&self, buffer: &mut [u8]);

    /// Eight random bytes as a number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A clock that moves only when it is set. For tests and for replaying history.
///
/// ```
/// use mantis_store::{Clock, ManualClock};
/// let clock = ManualClock::new(1_000);
/// clock.advance_ms(500);
/// clock.set_ms(90_000);
/// assert_eq!((clock.now_ms(), clock.monotonic_us()), (90_000, 500_000));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_ms: AtomicU64,
    passed_us: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { wall_ms: AtomicU64::new(now_ms), passed_us: AtomicU64::new(0) }
    }

    /// Lets time pass: both clocks move.
    pub fn advance_ms(&self, by_ms: u64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.passed_us.fetch_add(by_ms.saturating_mul(1_000), Ordering::SeqCst);
    }

    /// Sets the wall clock, forward or back, while no time passes, as real clocks are set.
    pub fn set_ms(&self, now_ms: u64) {
        self.wall_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.passed_us.load(Ordering::SeqCst)
    }
}

/// The same sequence for the same seed (`SplitMix64`, Steele, Lea and Flood 2014). For tests: it is easy to predict.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in buffer.chunks_mut(8) {
            let mut z = self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}
