//! How long commits take, from when they are submitted to when they are as durable as promised and visible.
//!
//! Whoever makes a commit visible counts it, whether or not its caller still waits.

use crate::types::{DurationCounters, Durations, Version};

/// Commits of which one is measured where they wait for no sync: reading the clock takes a tenth of the time of a small one.
const COMMITS_PER_MEASURED: u32 = 16;

/// The golden ratio's part of 2^64: multiples of it are spread evenly, whatever the period of what clients do.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// When a commit was submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submission {
    since_us: u64,
    /// The number of commits for which it counts.
    weight: u32,
}

impl Submission {
    /// Each commit is measured.
    pub(crate) fn each(now_us: u64) -> Self {
        Self { since_us: now_us, weight: 1 }
    }

    /// One in [`COMMITS_PER_MEASURED`] is, by the newest commit before it.
    pub(crate) fn one_in_some(newest: Version, now_us: impl FnOnce() -> u64) -> Option<Self> {
        let is_measured = newest.wrapping_mul(SPREAD) <= u64::MAX / u64::from(COMMITS_PER_MEASURED);
        is_measured.then(|| Self { since_us: now_us(), weight: COMMITS_PER_MEASURED })
    }
}

/// The histogram.
#[derive(Debug, Default)]
pub(crate) struct CommitTimes(DurationCounters);

impl CommitTimes {
    /// Counts a commit that is visible now.
    pub(crate) fn count(&self, submission: Submission, now_us: u64) {
        self.0.count_times(now_us.saturating_sub(submission.since_us), submission.weight.into());
    }

    pub(crate) fn read(&self) -> Durations {
        self.0.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_sixteen_is_measured_whatever_the_period() {
        for period in [1, 2, 3, 15, 16, 17, 64, 1_000] {
            let versions = (0..16_000).map(|n| 7 + n * period);
            let measured = versions.filter(|&version| Submission::one_in_some(version, || 0).is_some()).count();
            assert!((950..=1_050).contains(&measured), "{measured} of 16000, {period} apart");
        }
    }
}
