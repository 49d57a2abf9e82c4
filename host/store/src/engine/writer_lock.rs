//! The writers' lock, and how long it is held.

#[cfg(not(target_family = "wasm"))]
use std::hint;
use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(not(target_family = "wasm"))]
use std::thread;
#[cfg(not(target_family = "wasm"))]
use std::time::Duration;

use super::writer::Writer;
use crate::sync::{Mutex, MutexGuard};
#[cfg(not(target_family = "wasm"))]
use crate::types::Clock;
#[cfg(not(target_family = "wasm"))]
use crate::types::{HOLD_BUCKETS, Holds};

/// Held for one commit at a time; nothing inside waits. Small commits take about a microsecond.
pub(crate) struct WriterLock {
    writer: Mutex<Writer>,
    #[cfg(not(target_family = "wasm"))]
    holds: HoldCounts,
    /// Threads that wait for it, parked or not yet.
    #[cfg(not(target_family = "wasm"))]
    waiting: AtomicUsize,
}

/// A histogram of how long the lock was held.
#[cfg(not(target_family = "wasm"))]
struct HoldCounts {
    clock: Arc<dyn Clock>,
    counts: [AtomicU64; HOLD_BUCKETS],
    total_us: AtomicU64,
    max_us: AtomicU64,
}

/// The writers' lock, held.
pub(crate) struct WriterGuard<'l> {
    // Dropped in this order: the time counts while the lock is held.
    #[cfg(not(target_family = "wasm"))]
    hold: Option<HoldTime<'l>>,
    writer: MutexGuard<'l, Writer>,
}

/// How often, and for how long each time, long work waits for those who wait for the lock.
#[cfg(not(target_family = "wasm"))]
const YIELD_PAUSES: usize = 100;
#[cfg(not(target_family = "wasm"))]
const YIELD_PAUSE: Duration = Duration::from_micros(50);

/// Short holds of which one is measured: reading the clock twice takes a tenth of the time of a small commit.
#[cfg(not(target_family = "wasm"))]
const SHORT_PER_MEASURED: u64 = 16;

/// Measures one hold.
#[cfg(not(target_family = "wasm"))]
struct HoldTime<'l> {
    counts: &'l HoldCounts,
    since_us: u64,
    /// The number of holds for which it counts.
    weight: u64,
}

impl WriterLock {
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        let holds = HoldCounts { clock, counts, total_us: AtomicU64::new(0), max_us: AtomicU64::new(0) };
        Self { writer: Mutex::default(), holds, waiting: AtomicUsize::new(0) }
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn new() -> Self {
        Self { writer: Mutex::default() }
    }

    /// Waits for the lock, for work that may take long: every such hold is measured.
    pub(crate) fn lock_for_long(&self) -> WriterGuard<'_> {
        self.guard(self.wait(), true)
    }

    /// Waits for the lock, for work of about a microsecond.
    pub(crate) fn lock(&self) -> WriterGuard<'_> {
        self.guard(self.wait(), false)
    }

    /// The lock if it is free within microseconds, for work of about one: for those who must not wait, or may hold it themselves.
    pub(crate) fn try_lock(&self) -> Option<WriterGuard<'_>> {
        self.free_soon().map(|writer| self.guard(writer, false))
    }

    /// The holder of the lock for a small commit releases it within microseconds, sooner than a thread can be parked and woken. So this
    /// retries for some twenty of them before it parks.
    #[cfg(not(target_family = "wasm"))]
    fn wait(&self) -> MutexGuard<'_, Writer> {
        self.free_soon().unwrap_or_else(|| {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let writer = self.writer.lock();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            writer
        })
    }

    /// Returns once nobody waits for the lock, or after [`YIELD_PAUSES`]: between two steps of long work.
    ///
    /// A thread that waits tries and yields for a while before it is parked, and the lock is handed to parked ones only. On a busy machine
    /// each of its turns on the processor can fall into a step, if steps follow each other closely.
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "not in a page; between steps of long work, which has a thread")]
    pub(crate) fn yield_to_writers(&self) {
        thread::yield_now();
        for _ in 0..YIELD_PAUSES {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            thread::sleep(YIELD_PAUSE);
        }
    }

    #[cfg(not(target_family = "wasm"))]
    fn free_soon(&self) -> Option<MutexGuard<'_, Writer>> {
        const TRIES: usize = 100;
        const PAUSES: usize = 8;
        for _ in 0..TRIES {
            if let Some(writer) = self.writer.try_lock() {
                return Some(writer);
            }
            (0..PAUSES).for_each(|_| hint::spin_loop());
        }
        None
    }

    #[cfg(target_family = "wasm")]
    fn wait(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    #[cfg(target_family = "wasm")]
    fn free_soon(&self) -> Option<MutexGuard<'_, Writer>> {
        self.writer.try_lock()
    }

    #[cfg(not(target_family = "wasm"))]
    fn guard<'l>(&'l self, mut writer: MutexGuard<'l, Writer>, is_long: bool) -> WriterGuard<'l> {
        let is_measured = is_long || {
            writer.short_holds += 1;
            writer.short_holds.is_multiple_of(SHORT_PER_MEASURED)
        };
        let weight = if is_long { 1 } else { SHORT_PER_MEASURED };
        let hold =
            is_measured.then(|| HoldTime { since_us: self.holds.clock.monotonic_us(), counts: &self.holds, weight });
        WriterGuard { hold, writer }
    }

    #[cfg(target_family = "wasm")]
    #[allow(clippy::unused_self, reason = "a page measures no holds")]
    fn guard<'l>(&'l self, writer: MutexGuard<'l, Writer>, _: bool) -> WriterGuard<'l> {
        WriterGuard { writer }
    }

    /// The writer's state, without locking, when nobody else can have it.
    pub(crate) fn get_mut(&mut self) -> &mut Writer {
        self.writer.get_mut()
    }

    /// The histogram of holds.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn holds(&self) -> Holds {
        Holds {
            counts: std::array::from_fn(|bucket| self.holds.counts[bucket].load(Ordering::Relaxed)),
            total_us: self.holds.total_us.load(Ordering::Relaxed),
            max_us: self.holds.max_us.load(Ordering::Relaxed),
        }
    }
}

impl WriterGuard<'_> {
    /// Hands the lock to the longest waiter.
    pub(crate) fn unlock_fair(self) {
        #[cfg(target_family = "wasm")]
        drop(self);
        #[cfg(not(target_family = "wasm"))]
        {
            drop(self.hold);
            MutexGuard::unlock_fair(self.writer);
        }
    }
}

impl Deref for WriterGuard<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for WriterGuard<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

#[cfg(not(target_family = "wasm"))]
impl Drop for HoldTime<'_> {
    fn drop(&mut self) {
        // Only the holder of the lock changes the counts: no atomic addition is needed.
        let add = |count: &AtomicU64, by: u64| count.store(count.load(Ordering::Relaxed) + by, Ordering::Relaxed);
        let held_us = self.counts.clock.monotonic_us().saturating_sub(self.since_us);
        add(&self.counts.counts[Holds::bucket(held_us)], self.weight);
        add(&self.counts.total_us, held_us * self.weight);
        if held_us > self.counts.max_us.load(Ordering::Relaxed) {
            self.counts.max_us.store(held_us, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests run natively")]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn long_work_gives_way_to_those_who_wait_and_to_nobody_for_ever() {
        let lock = WriterLock::new(Arc::new(ManualClock::new(0)));
        thread::scope(|scope| {
            let step = lock.lock_for_long();
            scope.spawn(|| drop(lock.lock()));
            while lock.waiting.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            lock.yield_to_writers();
            assert_eq!(lock.waiting.load(Ordering::Relaxed), 1, "the lock is held");
            drop(step);
            while lock.waiting.load(Ordering::Relaxed) > 0 {
                lock.yield_to_writers();
            }
            drop(lock.lock_for_long());
        });
    }
}
