//! How long something took, by ranges of time: the shape that a quantile can be asked of later.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bounds between the ranges of [`Durations`], in microseconds, each the inclusive end of its range: 100 us to 10 s. From 5 ms up they
/// are those that Prometheus' clients use by default.
pub const DURATION_BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

const RANGES: usize = DURATION_BOUNDS_US.len() + 1;

/// A histogram of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many were in each range; the last has those above all bounds.
    pub counts: [u64; RANGES],
    /// All of them together, in microseconds.
    pub total_us: u64,
}

impl Durations {
    /// Adds those of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, other)| *count = count.saturating_add(other));
        self.total_us = self.total_us.saturating_add(other.total_us);
    }
}

/// Counters that become [`Durations`]; threads may share them.
#[derive(Debug, Default)]
pub struct DurationCounters {
    counts: [AtomicU64; RANGES],
    total_us: AtomicU64,
}

impl DurationCounters {
    /// Counts something that took `us` microseconds.
    #[inline]
    pub fn count(&self, us: u64) {
        self.count_times(us, 1);
    }

    /// Counts it so many times: one measurement may stand for several.
    #[inline]
    pub fn count_times(&self, us: u64, times: u64) {
        let range = DURATION_BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[range].fetch_add(times, Ordering::Relaxed);
        self.total_us.fetch_add(us.saturating_mul(times), Ordering::Relaxed);
    }

    /// The counts now. They are read one by one: what is counted meanwhile may be in one of them and not in the total.
    #[must_use]
    pub fn read(&self) -> Durations {
        Durations {
            counts: std::array::from_fn(|range| self.counts[range].load(Ordering::Relaxed)),
            total_us: self.total_us.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_the_range_that_they_end() {
        let counters = DurationCounters::default();
        for us in [0, 100, 101, 250, 10_000_000, 10_000_001] {
            counters.count(us);
        }
        counters.count_times(1 << 39, 2);
        let durations = counters.read();
        assert_eq!(
            (durations.counts[0], durations.counts[1], durations.counts[15], durations.counts[16]),
            (2, 2, 1, 3)
        );
        assert_eq!(durations.counts.iter().sum::<u64>(), 8);
        assert_eq!(durations.total_us, 20_000_452 + (1 << 40));
        assert!(DURATION_BOUNDS_US.is_sorted());
    }
}
