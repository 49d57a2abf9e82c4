//! Statistics of a store, of its disk, and of a checkpoint.

use super::durations::Durations;
use super::entry::Version;

/// Statistics of a store. They are read one by one, so that during writes they may be a few commits apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest commit.
    pub version: Version,
    /// Keys with a value that count ([`Options::counts`](crate::Options)), including expired ones that have not been removed yet.
    pub keys: u64,
    /// All keys with a value, also those that do not count.
    pub entries: u64,
    /// The bytes of all keys.
    pub key_bytes: u64,
    /// The bytes of their values.
    pub value_bytes: u64,
    /// Versions in memory, deletions and superseded values included.
    pub versions: u64,
    /// Keys that will expire.
    pub deadlines: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Transactions refused because another commit came first.
    pub conflicts: u64,
    /// Keys removed because they had expired.
    pub expired: u64,
    /// Superseded versions freed.
    pub pruned: u64,
    /// Superseded versions and deleted keys that are still in memory: because a snapshot needs them, or because housekeeping has not reached them.
    pub prune_backlog: u64,
    /// Snapshots held.
    pub snapshots: u64,
    /// Age of the oldest of them in milliseconds.
    pub oldest_snapshot_age_ms: u64,
    /// Snapshots revoked because they were held too long.
    pub snapshots_revoked: u64,
    /// Commits in the change feed.
    pub feed_commits: u64,
    /// Their bytes.
    pub feed_bytes: u64,
    /// How long writers have held the lock under which commits are made. Not measured in a page.
    #[cfg(not(target_family = "wasm"))]
    pub writer_holds: Holds,
    /// How long commits took, from when they were submitted to when they were as durable as promised and visible. Those that were undone do
    /// not count, nor does housekeeping. Under [`Durability::Always`](crate::Durability) each is measured; otherwise one in sixteen is, and
    /// counts sixteen times. Not measured in a page.
    #[cfg(not(target_family = "wasm"))]
    pub commit_times: Durations,
}

/// Buckets of [`Holds`].
#[cfg(not(target_family = "wasm"))]
pub const HOLD_BUCKETS: usize = 24;

/// A histogram of how long a lock was held. Of the holds for single writes and for commits of up to 8 lookups and writes, one in sixteen is
/// measured and counts sixteen times; all others are measured.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// Holds of less than 1 us, of less than 2 us, and so on by powers of two; each hold counts once. The last bucket has all longer ones.
    pub counts: [u64; HOLD_BUCKETS],
    /// All holds together, in microseconds.
    pub total_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
}

#[cfg(not(target_family = "wasm"))]
impl Holds {
    /// The bucket of a hold of `us` microseconds.
    #[must_use]
    pub fn bucket(us: u64) -> usize {
        ((u64::BITS - us.leading_zeros()) as usize).min(HOLD_BUCKETS - 1)
    }

    /// The exclusive upper bound of a bucket in microseconds; `None` for the last.
    #[must_use]
    pub fn bucket_end_us(bucket: usize) -> Option<u64> {
        (bucket + 1 < HOLD_BUCKETS).then(|| 1 << bucket)
    }
}

/// Statistics of a store's disk, since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskStats {
    /// The newest commit that is certain to survive a power cut.
    pub synced_version: Version,
    /// Segments of the log.
    pub log_segments: u64,
    /// Their bytes.
    pub log_bytes: u64,
    /// Bytes written to the log.
    pub log_bytes_written: u64,
    /// Writes to the log: each holds the commits of a group.
    pub log_groups: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Their total time in microseconds.
    pub log_sync_us: u64,
    /// The longest of them, in microseconds.
    pub log_sync_us_max: u64,
    /// How long they took, by ranges.
    pub log_sync_times: Durations,
    /// Commits undone because they could not be written.
    pub commits_undone: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: u64,
    /// The time that the last one took, in microseconds.
    pub checkpoint_us: u64,
    /// The newest checkpoint, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// Whether a thread, or the owner by hand, writes and syncs the log. If nobody does, a power cut under
    /// [`Durability::Interval`](crate::Durability) takes any number of commits, and [`Durability::Always`](crate::Durability) commits
    /// nothing.
    pub is_driven: bool,
}

/// The size of a space: of all keys that share a prefix, and of their values. Expired ones count until they are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Keys with a value.
    pub keys: u64,
    /// Bytes of these keys, the shared prefix included.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}

/// The contents of a checkpoint or a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit that it shows.
    pub version: Version,
    /// Keys in it.
    pub entries: u64,
    /// Its length.
    pub bytes: u64,
}
