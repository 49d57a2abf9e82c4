//! The registry of snapshots: the pinned versions, which pruning must not free.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sync::Mutex;
use crate::types::Version;

/// The versions at which somebody reads.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(super) pins: Mutex<Pins>,
}

#[derive(Debug, Default)]
pub(super) struct Pins {
    /// In the order of arrival, which is also that of their versions: a new pin is at the newest commit. Most released ones are the newest
    /// or the oldest, and removing one near either end moves few others.
    pub(super) held: VecDeque<Held>,
    /// How many have been added.
    pub(super) arrivals: u64,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) version: Version,
    pub(super) arrival: u64,
    pub(super) pin: Arc<Pin>,
}

#[derive(Debug)]
pub(super) struct Pin {
    /// By the monotonic clock: setting the wall clock ages nothing.
    pub(super) since_us: AtomicU64,
    /// Whether it may be held for any time.
    pub(super) is_ageless: bool,
    /// Set before the pruner may free what the pin protected.
    pub(super) revoked: AtomicBool,
}

impl Registry {
    /// The oldest version at which somebody may read, `visible` included.
    ///
    /// Called by the writer. A snapshot that registers later reads at `visible` or newer, because it reads that under the same lock.
    pub(crate) fn horizon(&self, visible: &AtomicU64) -> Version {
        let pins = self.pins.lock();
        let visible = visible.load(Ordering::Acquire);
        pins.held.front().map_or(visible, |oldest| oldest.version.min(visible))
    }

    /// Whether somebody may read at `from`, or at a later version before `to`. Both are visible: later registrations read at `to` or newer.
    pub(crate) fn is_any_between(&self, from: Version, to: Version) -> bool {
        let pins = self.pins.lock();
        let place = pins.held.partition_point(|held| held.version < from);
        pins.held.get(place).is_some_and(|held| held.version < to)
    }

    /// Revokes the pins older than `age_ms_max`, so that a forgotten snapshot cannot keep every version alive.
    pub(crate) fn revoke_older_than(&self, age_ms_max: u64, now_us: u64) -> usize {
        let mut pins = self.pins.lock();
        let before = pins.held.len();
        pins.held.retain(|Held { pin, .. }| {
            let since_us = pin.since_us.load(Ordering::Relaxed);
            let keep = pin.is_ageless || now_us.saturating_sub(since_us) / 1_000 <= age_ms_max;
            if !keep {
                pin.revoked.store(true, Ordering::SeqCst);
            }
            keep
        });
        before - pins.held.len()
    }

    /// The number of pins, and the start of the oldest one by the monotonic clock.
    pub(crate) fn census(&self) -> (usize, Option<u64>) {
        let pins = self.pins.lock();
        (pins.held.len(), pins.held.iter().map(|held| held.pin.since_us.load(Ordering::Relaxed)).min())
    }
}
