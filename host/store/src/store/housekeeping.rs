//! Housekeeping: expiry, and pruning of superseded versions.

use std::sync::atomic::Ordering;

#[cfg(not(target_family = "wasm"))]
use crate::engine::Inner;
use crate::engine::{KeptSpans, KeyMap, Store};
use crate::types::Update;

/// Keys that are prefetched before they are removed, because removal also walks the order.
#[cfg(not(target_family = "wasm"))]
const NEAR_DUE_MAX: usize = 64;

impl Store {
    /// Housekeeping: removes up to `keys_max` expired keys in one commit, revokes snapshots that are too old, and prunes.
    ///
    /// The owner calls this a few times a second. Returns how many keys were removed: if it is `keys_max`, more may be due.
    #[allow(clippy::must_use_candidate, reason = "most callers come again anyway")]
    pub fn maintain(&self, keys_max: usize) -> usize {
        let inner = &*self.0;
        let revoked = inner.registry.revoke_older_than(inner.snapshot_age_ms_max, inner.clock.monotonic_us());
        #[cfg(not(target_family = "wasm"))]
        inner.bring_due_near(keys_max);
        let mut writer = inner.lock_writer_for_long();
        writer.stats.snapshots_revoked += revoked as u64;
        let now_ms = inner.clock.now_ms();
        inner.feed.drop_aged(inner.clock.monotonic_us(), inner.visible.load(Ordering::Acquire));
        let removable = if inner.check_disk().is_ok() { keys_max } else { 0 };
        let due: Vec<_> = writer.due(now_ms).take(removable).map(|deadline| deadline.record.clone()).collect();
        let removed = due.len();
        writer.stats.expired += removed as u64;
        let version =
            inner.apply(&mut writer, due.iter().map(|record| (record.key(), &Update::Delete)), &KeptSpans::default());
        let fallen = std::mem::take(&mut writer.fallen);
        // Writers that have waited long go first, here and after the next step.
        writer.unlock_fair();
        drop(fallen);
        inner.hand_on(version);
        self.prune(keys_max);
        removed
    }

    /// Frees up to `versions_max` superseded versions that no reader can see any more, and as many deleted keys. Returns how many of either
    /// it examined: if it is `versions_max`, there may be more. Commits free one version more than they make, and
    /// [`maintain`](Self::maintain) as many as it makes; more are left if a snapshot kept them for long.
    #[allow(clippy::must_use_candidate, reason = "most callers come again anyway")]
    pub fn prune(&self, versions_max: usize) -> usize {
        let inner = &*self.0;
        let mut writer = inner.lock_writer_for_long();
        let pruned = inner.prune(&mut writer, versions_max, versions_max);
        writer.unlock_fair();
        KeyMap::free_removed();
        pruned
    }
}

#[cfg(not(target_family = "wasm"))]
impl Inner {
    /// Looks up the keys that are removed next, so that they are in the processor's caches when writers have to wait for that.
    fn bring_due_near(&self, keys_max: usize) {
        let count = keys_max.min(NEAR_DUE_MAX);
        let near: Vec<_> = {
            let writer = self.lock_writer();
            let due = writer.due(self.clock.now_ms()).take(count).map(|deadline| &deadline.record);
            let deleted = writer.garbage.next_deleted(count);
            due.chain(deleted).chain(writer.dead.iter().take(count)).cloned().collect()
        };
        for record in near {
            self.map.visit(record.key());
        }
    }
}
