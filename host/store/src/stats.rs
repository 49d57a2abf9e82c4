//! A store's figures.

use crate::Version;

/// Figures of a store, read one after the other: beside writers they may be a few commits apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest commit.
    pub version: Version,
    /// Keys with a value, those included that have expired and not been removed yet.
    pub keys: u64,
    /// The bytes of these keys.
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
    /// Superseded versions taken out.
    pub pruned: u64,
    /// Superseded versions that wait for a snapshot to go.
    pub prune_backlog: u64,
    /// Snapshots held.
    pub snapshots: u64,
    /// Age of the oldest of them in milliseconds.
    pub oldest_snapshot_age_ms: u64,
    /// Snapshots taken away because they were held too long.
    pub snapshots_revoked: u64,
    /// Commits in the change feed.
    pub feed_commits: u64,
    /// Their bytes.
    pub feed_bytes: u64,
}

/// The size of a space: what the keys and values that share a prefix come to, expired ones included until they are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Keys with a value.
    pub keys: u64,
    /// Bytes of these keys, the shared prefix included.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}
