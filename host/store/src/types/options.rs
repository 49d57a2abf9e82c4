//! How a store is set up.

use std::sync::Arc;

use super::budget::Budget;
use super::platform::{Clock, Random};

/// When a commit is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is certain to survive a power cut. Nothing is visible to others before.
    Always,
    /// Once the operating system has it, so that it survives the end of the process; a power cut takes at most this many milliseconds of
    /// commits.
    Interval {
        /// Milliseconds between syncs.
        ms: u64,
    },
    /// Once the operating system has it. How much a power cut takes is the operating system's choice.
    Never,
}

/// Called repeatedly with the bytes read so far and the bytes to read in all.
pub type OnProgress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How a store is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
    /// Bytes of history that the change feed keeps.
    pub feed_bytes_max: usize,
    /// How long the change feed keeps history, in milliseconds.
    pub feed_age_ms_max: u64,
    /// The size at which a segment of the log ends and the next begins, in bytes.
    pub segment_bytes_max: u64,
    /// Bytes of log after which a checkpoint is due. Once a checkpoint is larger than twice that, its half counts instead.
    pub checkpoint_bytes: u64,
    /// How long a snapshot may be held, in milliseconds.
    pub snapshot_age_ms_max: u64,
    /// Keys that share this many first bytes form a space, whose size [`Store::space`](crate::Store::space) returns. 0: no spaces.
    pub space_prefix_bytes: usize,
    /// Whether a key counts in [`Stats::keys`](crate::Stats) and [`Recovered::keys`](crate::Recovered). Keys by which the store's user
    /// keeps its own records need not. At first all count.
    pub counts: fn(key: &[u8]) -> bool,
    /// The most lookups that the validation of a transaction may do under the writers' lock. One that needs more is validated ahead of it.
    pub validated_under_lock_max: u64,
    /// What the uncommitted writes of transactions are [taken from](crate::Transaction::reserve). Without an end at first.
    pub in_flight: Budget,
    /// Called with the progress of reading files when a store is opened, [checked](crate::check) or [repaired](crate::repair).
    pub on_progress: Option<OnProgress>,
}

impl Options {
    /// A feed of 64 MiB and a day, snapshots of at most a minute, segments of 64 MiB, checkpoints after 256 MiB of log, validation
    /// under the lock of transactions that take up to 64 lookups.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            clock,
            random,
            feed_bytes_max: 64 << 20,
            feed_age_ms_max: 24 * 60 * 60 * 1_000,
            segment_bytes_max: 64 << 20,
            checkpoint_bytes: 256 << 20,
            snapshot_age_ms_max: 60_000,
            space_prefix_bytes: 0,
            counts: |_| true,
            validated_under_lock_max: 64,
            in_flight: Budget::default(),
            on_progress: None,
        }
    }
}
