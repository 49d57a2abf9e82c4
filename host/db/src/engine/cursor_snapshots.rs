//! Snapshots kept between the pages of a scan, so that all of them show one version.

use std::collections::BTreeMap;
use std::sync::Arc;

use mantis_store::{Snapshot, Version};

/// Snapshots kept for cursors, by version: scans that began at the same commit share one.
#[derive(Debug)]
pub(crate) struct CursorSnapshots {
    kept: BTreeMap<Version, Kept>,
    count_max: usize,
    age_ms_max: u64,
}

#[derive(Debug)]
struct Kept {
    snapshot: Arc<Snapshot>,
    /// By the monotonic clock.
    used_us: u64,
}

impl CursorSnapshots {
    pub(crate) fn new(count_max: usize, age_ms_max: u64) -> Self {
        Self { kept: BTreeMap::new(), count_max, age_ms_max }
    }

    /// The snapshot at `version`, if it is still kept.
    pub(crate) fn get(&mut self, version: Version, now_us: u64) -> Option<Arc<Snapshot>> {
        let kept = self.kept.get_mut(&version)?;
        kept.used_us = now_us;
        Some(Arc::clone(&kept.snapshot))
    }

    /// Keeps a snapshot for the next page. At the limit the one that was used longest ago goes, and is returned: dropping it takes time.
    pub(crate) fn keep(&mut self, snapshot: &Arc<Snapshot>, now_us: u64) -> Option<Arc<Snapshot>> {
        if self.count_max == 0 {
            return None;
        }
        let mut gone = None;
        if self.kept.len() >= self.count_max
            && !self.kept.contains_key(&snapshot.version())
            && let Some(idlest) = self.kept.iter().min_by_key(|(_, kept)| kept.used_us).map(|(&version, _)| version)
        {
            gone = self.kept.remove(&idlest).map(|kept| kept.snapshot);
        }
        self.kept.insert(snapshot.version(), Kept { snapshot: Arc::clone(snapshot), used_us: now_us });
        gone
    }

    /// Forgets a snapshot, because it turned out too old.
    pub(crate) fn forget(&mut self, version: Version) {
        self.kept.remove(&version);
    }

    /// Takes out those that nobody has used for the configured time.
    pub(crate) fn take_idle(&mut self, now_us: u64) -> Vec<Arc<Snapshot>> {
        let idle: Vec<_> = self
            .kept
            .iter()
            .filter(|(_, kept)| now_us.saturating_sub(kept.used_us) / 1_000 > self.age_ms_max)
            .map(|(&version, _)| version)
            .collect();
        idle.iter().filter_map(|version| self.kept.remove(version)).map(|kept| kept.snapshot).collect()
    }
}
