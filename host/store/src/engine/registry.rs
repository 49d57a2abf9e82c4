//! The registry of snapshots: which versions are pinned, so that nothing is pruned that one of them may read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::types::Version;

/// The versions that somebody reads at.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By version, then by the order of arrival.
    pub(super) pins: Mutex<BTreeMap<(Version, u64), Arc<Pin>>>,
    pub(super) arrivals: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Pin {
    /// By the monotonic clock: setting the wall clock ages nothing.
    pub(super) since_us: AtomicU64,
    /// Whether it may be held for as long as it takes.
    pub(super) is_ageless: bool,
    /// Set before the pruner may take what the pin protected.
    pub(super) revoked: AtomicBool,
}

impl Registry {
    /// The oldest version that somebody may read at, `visible` included.
    ///
    /// Called by the writer. A snapshot that registers later reads at `visible` or newer, because it looks under the same lock.
    pub(crate) fn horizon(&self, visible: &AtomicU64) -> Version {
        let pins = self.pins.lock();
        let visible = visible.load(Ordering::Acquire);
        pins.first_key_value().map_or(visible, |(&(version, _), _)| version.min(visible))
    }

    /// Whether somebody may read at `from`, or at a later version before `to`. Both have become visible: whoever registers later reads
    /// at `to` or newer.
    pub(crate) fn is_any_between(&self, from: Version, to: Version) -> bool {
        self.pins.lock().range((from, 0)..(to, 0)).next().is_some()
    }

    /// Revokes the pins older than `age_ms_max`, so that a forgotten snapshot cannot keep every version alive.
    pub(crate) fn revoke_older_than(&self, age_ms_max: u64, now_us: u64) -> usize {
        let mut pins = self.pins.lock();
        let before = pins.len();
        pins.retain(|_, pin| {
            let since_us = pin.since_us.load(Ordering::Relaxed);
            let keep = pin.is_ageless || now_us.saturating_sub(since_us) / 1_000 <= age_ms_max;
            if !keep {
                pin.revoked.store(true, Ordering::SeqCst);
            }
            keep
        });
        before - pins.len()
    }

    /// How many pins there are, and since when by the monotonic clock the oldest of them.
    pub(crate) fn census(&self) -> (usize, Option<u64>) {
        let pins = self.pins.lock();
        (pins.len(), pins.values().map(|pin| pin.since_us.load(Ordering::Relaxed)).min())
    }
}
