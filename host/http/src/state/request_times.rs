//! How long the requests of an operation took, counted by many threads at once.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mantis_db::{DurationCounters, Durations};

/// Copies of the counters, so that threads that answer the same operation seldom write to the same line of memory.
const SHARDS: usize = 4;

/// The times of one operation's requests.
#[derive(Debug, Default)]
pub(crate) struct RequestTimes {
    shards: [Shard; SHARDS],
}

/// Two lines of memory are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(DurationCounters);

thread_local! {
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The shard of this thread; threads take them in turn.
#[inline]
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.get().unwrap_or_else(|| {
        let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
        SHARD.set(Some(shard));
        shard
    })
}

impl RequestTimes {
    #[inline]
    pub(crate) fn count(&self, took: Duration) {
        self.shards[shard()].0.count(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> Durations {
        self.shards.iter().fold(Durations::default(), |mut sum, shard| {
            sum.add(&shard.0.read());
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let times = RequestTimes::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|us| times.count(Duration::from_micros(us))));
            }
        });
        let read = times.read();
        assert_eq!(read.counts.iter().sum::<u64>(), 8_000);
        assert_eq!((read.counts[0], read.total_us), (8 * 101, 8 * 499_500));
    }
}
