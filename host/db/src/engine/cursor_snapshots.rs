//! Snapshots kept between the pages of a scan, so that all of them show one version.

use std::sync::Arc;

use mantis_store::{Snapshot, Version};

/// Snapshots kept for cursors, by version: scans that began at the same commit share one.
#[derive(Debug)]
pub(crate) struct CursorSnapshots {
    /// In the order of their versions.
    kept: Vec<Kept>,
    count_max: usize,
    age_ms_max: u64,
}

#[derive(Debug)]
struct Kept {
    version: Version,
    snapshot: Arc<Snapshot>,
    /// By the monotonic clock.
    used_us: u64,
}

impl CursorSnapshots {
    pub(crate) fn new(count_max: usize, age_ms_max: u64) -> Self {
        Self { kept: Vec::new(), count_max, age_ms_max }
    }

    /// The snapshot at `version`, if it is still kept.
    pub(crate) fn get(&mut self, version: Version, now_us: u64) -> Option<Arc<Snapshot>> {
        let place = self.place(version).ok()?;
        let kept = &mut self.kept[place];
        kept.used_us = now_us;
        Some(Arc::clone(&kept.snapshot))
    }

    /// Keeps a snapshot for the next page. At the limit, removes the least recently used one and returns it: dropping it takes time.
    pub(crate) fn keep(&mut self, snapshot: &Arc<Snapshot>, now_us: u64) -> Option<Arc<Snapshot>> {
        if self.count_max == 0 {
            return None;
        }
        let version = snapshot.version();
        let kept = Kept { version, snapshot: Arc::clone(snapshot), used_us: now_us };
        let mut gone = None;
        match self.place(version) {
            Ok(place) => self.kept[place] = kept,
            Err(mut place) => {
                let idlest = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.used_us).map(|(index, _)| index);
                if let Some(idlest) = idlest.filter(|_| self.kept.len() >= self.count_max) {
                    gone = Some(self.kept.remove(idlest).snapshot);
                    place -= usize::from(idlest < place);
                }
                self.kept.insert(place, kept);
            }
        }
        gone
    }

    /// Forgets a snapshot, because it turned out too old.
    pub(crate) fn forget(&mut self, version: Version) {
        if let Ok(place) = self.place(version) {
            self.kept.remove(place);
        }
    }

    /// The index of the snapshot at `version`, or else where it belongs.
    fn place(&self, version: Version) -> std::result::Result<usize, usize> {
        self.kept.binary_search_by_key(&version, |kept| kept.version)
    }

    /// Removes those that nobody has used for the configured time.
    pub(crate) fn take_idle(&mut self, now_us: u64) -> Vec<Arc<Snapshot>> {
        let is_idle = |kept: &mut Kept| now_us.saturating_sub(kept.used_us) / 1_000 > self.age_ms_max;
        self.kept.extract_if(.., is_idle).map(|kept| kept.snapshot).collect()
    }
}
