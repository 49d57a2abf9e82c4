//! Statistics of a store and of its disk, and the disk's failures.

use std::sync::atomic::Ordering;

use crate::durability::DiskEvent;
use crate::engine::Store;
use crate::types::{DiskStats, Error, Space, Stats};

impl Store {
    /// Bytes of all keys and values, expired ones included until they are removed. In a page each key counts 200 bytes more, which its
    /// memory is in fact.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The size of the space whose keys begin with `prefix`.
    #[must_use]
    pub fn space(&self, prefix: &[u8]) -> Space {
        self.0.lock_writer().spaces.get(prefix).copied().unwrap_or_default()
    }

    /// As [`space`](Self::space), and none where the writers' lock is not free within microseconds: during a large commit, and for the caller
    /// of [`exclusively_seen`](Self::exclusively_seen) within it.
    #[must_use]
    pub fn try_space(&self, prefix: &[u8]) -> Option<Space> {
        Some(self.0.try_lock_writer()?.spaces.get(prefix).copied().unwrap_or_default())
    }

    /// Current statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let writer = self.0.lock_writer();
        let mut stats = writer.stats.clone();
        // A commit that is not visible yet may still be undone; a count of commits never goes back.
        stats.version = self.version();
        stats.commits = stats.commits.saturating_sub(self.0.feed.count_after(stats.version));
        stats.deadlines = writer.deadlines.len() as u64;
        stats.prune_backlog = (writer.garbage.len() + writer.dead.len()) as u64;
        drop(writer);
        let (snapshots, since_us) = self.0.registry.census();
        let (feed_commits, feed_bytes) = self.0.feed.size();
        stats.snapshots = snapshots as u64;
        stats.oldest_snapshot_age_ms =
            since_us.map_or(0, |since_us| self.0.clock.monotonic_us().saturating_sub(since_us) / 1_000);
        stats.feed_commits = feed_commits as u64;
        stats.feed_bytes = feed_bytes as u64;
        #[cfg(not(target_family = "wasm"))]
        {
            stats.writer_holds = self.0.writer.holds();
            stats.commit_times = self.0.commit_times.read();
        }
        stats
    }

    /// Current statistics of the disk; `None` in memory.
    #[must_use]
    pub fn disk_stats(&self) -> Option<DiskStats> {
        let durable = self.0.durable()?;
        // None of them takes a lock that is held while the disk works.
        let stats = &durable.stats;
        Some(DiskStats {
            synced_version: durable.synced.load(Ordering::Acquire),
            log_segments: stats.log_segments.load(Ordering::Relaxed),
            log_bytes: stats.log_bytes.load(Ordering::Relaxed),
            log_bytes_written: stats.bytes.load(Ordering::Relaxed),
            log_groups: stats.groups.load(Ordering::Relaxed),
            log_syncs: stats.syncs.load(Ordering::Relaxed),
            log_sync_us: stats.sync_us.load(Ordering::Relaxed),
            log_sync_us_max: stats.sync_us_max.load(Ordering::Relaxed),
            log_sync_times: stats.sync_times.read(),
            checkpoints: stats.checkpoints.load(Ordering::Relaxed),
            checkpoint_failures: stats.checkpoint_failures.load(Ordering::Relaxed),
            checkpoint_us: stats.checkpoint_us.load(Ordering::Relaxed),
            commits_undone: stats.commits_undone.load(Ordering::Relaxed),
            checkpoint: durable.checkpoints.newest(),
            is_driven: durable.is_driven(),
        })
    }

    /// Whether the store has failed for good.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.check_disk().is_err()
    }

    /// Whether commits are possible.
    ///
    /// # Errors
    /// [`Error::StorageFailed`] with the reason: nothing is written until the store is reopened.
    pub fn check_disk(&self) -> Result<(), Error> {
        self.0.check_disk()
    }

    /// The last error of the disk, and whether the store writes nothing more because of it.
    #[must_use]
    pub fn disk_failure(&self) -> Option<(String, bool)> {
        let durable = self.0.durable()?;
        durable.errors.said().map(|said| (said, durable.is_failed()))
    }

    /// Events of the disk since the last call, oldest first, for the owner's log. Checkpoints are not among them: their caller gets the
    /// result. [`DiskThreads`](crate::DiskThreads) calls this by itself.
    #[must_use]
    pub fn take_disk_events(&self) -> Vec<DiskEvent> {
        self.0.durable().map_or_else(Vec::new, |durable| durable.errors.take_events())
    }
}
