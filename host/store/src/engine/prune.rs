//! Pruning: frees superseded versions and deleted keys that no reader can see.
//!
//! A version that superseded another is in a queue, in the order of commits. The superseded version is freed when every reader is at that
//! commit or a later one (the horizon). A long-held snapshot holds back the horizon, and with it the queue; but of a key that is written
//! repeatedly it can see only one version. So superseded versions are also removed from the middle of the chain when no reader is between
//! the two: as soon as the version is visible, or, if there was a reader then, when a sweep over the queue reaches it. Chains are as long
//! as the number of snapshots that see different versions of them, and so reading an old version stays cheap.

use std::sync::atomic::Ordering;

use super::garbage::{Superseding, Thinned, shrink};
use super::inner::Inner;
use super::record::NodeExt;
use super::writer::Writer;
use crate::mutants::mutant;

/// The least number of versions that the sweep examines at each commit: more than are added.
const SWEPT_MIN: usize = 2;

impl Inner {
    /// Frees up to `versions_max` superseded versions that no reader can see, oldest first, and up to `keys_max` deleted keys. Returns how
    /// many of the two it examined, whichever is more.
    pub(crate) fn prune(&self, writer: &mut Writer, versions_max: usize, keys_max: usize) -> usize {
        let visible = self.visible.load(Ordering::Acquire);
        let horizon = mutant!("pruned-too-early" => visible, or self.registry.horizon(&self.visible));
        let (mut versions, mut keys, mut cut) = (0, 0, 0);
        while versions < versions_max
            && let Some(Superseding { node, deleted, .. }) = writer.garbage.pop(horizon)
        {
            versions += 1;
            cut += node.map_or(0, |node| node.cut_older());
            writer.dead.extend(deleted);
        }
        // Without a snapshot that holds back the horizon, no visible one is left.
        if horizon < visible {
            let mut thinned = Thinned { registry: &self.registry, cut: 0, dead: Vec::new() };
            while versions < versions_max && writer.garbage.look_at_fresh(visible, &mut thinned) {
                versions += 1;
            }
            let swept = SWEPT_MIN.max(versions_max - versions).min(writer.garbage.sweep_len());
            (0..swept).for_each(|_| writer.garbage.sweep(&mut thinned));
            cut += thinned.cut;
            writer.dead.extend(thinned.dead);
        }
        while keys < keys_max
            && let Some(record) = writer.dead.pop_front()
        {
            keys += 1;
            // A key that was deleted, removed and written again has a new record, which the old one must not remove.
            let is_current = || self.map.find(record.key(), |current| current.is_same(&record)) == Some(true);
            if record.is_dead(horizon, visible) && is_current() {
                self.map.remove(record.key());
                cut += 1;
            }
        }
        writer.stats.pruned += cut as u64;
        writer.stats.versions -= cut as u64;
        writer.garbage.shrink();
        shrink(&mut writer.dead);
        versions.max(keys)
    }
}
