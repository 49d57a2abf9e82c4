//! Reads pinned to a version, and the registry that tells the pruner which versions are pinned.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use parking_lot::Mutex;

use crate::engine::record::{Found, NodeExt, Record};
use crate::mutants::mutant;
use crate::store::Inner;
use crate::{Direction, Entry, Error, KeyRange, Version};

/// Records that a walk visits under one epoch guard.
const WALK_RECORDS_MAX: usize = 1_024;

/// The versions that somebody reads at.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By version, then by the order of arrival.
    pins: Mutex<BTreeMap<(Version, u64), Arc<Pin>>>,
    arrivals: AtomicU64,
}

#[derive(Debug)]
struct Pin {
    /// By the monotonic clock: setting the wall clock ages nothing.
    since_us: AtomicU64,
    /// Whether it may be held for as long as it takes.
    is_ageless: bool,
    /// Set before the pruner may take what the pin protected.
    revoked: AtomicBool,
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

/// The store as it was at one commit, for as long as this value lives (but no longer than the configured age).
#[derive(Debug)]
pub struct Snapshot {
    store: Arc<Inner>,
    version: Version,
    arrival: u64,
    pin: Arc<Pin>,
}

impl Snapshot {
    pub(crate) fn take(store: &Arc<Inner>) -> Self {
        Self::pinned(store, false)
    }

    /// A snapshot that is never too old, for work of the engine's own.
    pub(crate) fn take_ageless(store: &Arc<Inner>) -> Self {
        Self::pinned(store, true)
    }

    fn pinned(store: &Arc<Inner>, is_ageless: bool) -> Self {
        let since_us = AtomicU64::new(store.clock.monotonic_us());
        let pin = Arc::new(Pin { since_us, is_ageless, revoked: AtomicBool::new(false) });
        let arrival = store.registry.arrivals.fetch_add(1, Ordering::Relaxed);
        let mut pins = store.registry.pins.lock();
        let version = store.visible.load(Ordering::Acquire);
        pins.insert((version, arrival), Arc::clone(&pin));
        drop(pins);
        Self { store: Arc::clone(store), version, arrival, pin }
    }

    /// What is pinned.
    pub(crate) fn store(&self) -> &Arc<Inner> {
        &self.store
    }

    /// Begins the time anew for which it may be held.
    pub(crate) fn renew(&self) {
        self.pin.since_us.store(self.store.clock.monotonic_us(), Ordering::Relaxed);
    }

    /// The commit that the snapshot shows.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The value of `key` at this version, unless it has expired since.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        let entry = self.store.get_at(key, self.version);
        self.still_pinned()?;
        Ok(entry)
    }

    /// Shows `see` the keys and values of `range` in order until it answers `Break` or the range ends.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`], possibly after `see` was shown some entries: they were right, more are not to be had.
    pub fn visit(
        &self,
        range: &KeyRange,
        direction: Direction,
        see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.visit_some(range, direction, u64::MAX, see).map(drop)
    }

    /// As [`visit`](Self::visit), and ends after `records_max` records, those without a value at this version included. Returns how
    /// many there were; one more than `records_max` where the range goes on.
    pub(crate) fn visit_some(
        &self,
        range: &KeyRange,
        direction: Direction,
        records_max: u64,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let mut outcome = Ok(());
        let visited = self.store.visit_at(self.version, range, direction, records_max, |key, entry| {
            outcome = self.still_pinned();
            if outcome.is_err() { ControlFlow::Break(()) } else { see(key, entry) }
        });
        outcome?;
        self.still_pinned()?;
        Ok(visited)
    }

    /// Checked after the read: the pruner revokes a pin before it takes anything.
    pub(crate) fn still_pinned(&self) -> Result<(), Error> {
        // What the read missed was taken after the revocation: on weakly ordered processors too, the flag is looked at last.
        fence(Ordering::Acquire);
        if self.pin.revoked.load(Ordering::SeqCst) { Err(Error::SnapshotTooOld) } else { Ok(()) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.store.registry.pins.lock().remove(&(self.version, self.arrival));
    }
}

/// Reads at a version that the caller has made sure stays: by a pin, or by holding the writer lock.
impl Inner {
    pub(crate) fn get_at(&self, key: &[u8], version: Version) -> Option<Entry> {
        let version = mutant!("read-beyond-snapshot" => Version::MAX, or version);
        let found = self.map.find(key, |record| record.at(version, |node| node.live(|| self.clock.now_ms())));
        match found {
            Some(Found::Node(entry) | Found::Older(entry)) => entry,
            Some(Found::OnlyNewer) | None => None,
        }
    }

    /// Shows `see` at most `records_max` records, and returns how many there were: one more where the range goes on.
    pub(crate) fn visit_at(
        &self,
        version: Version,
        range: &KeyRange,
        direction: Direction,
        records_max: u64,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> u64 {
        let mut visited = 0;
        self.walk(range, direction, &mut |record| {
            visited += 1;
            if visited > records_max {
                return ControlFlow::Break(());
            }
            let found = record.at(version, |node| node.live(|| self.clock.now_ms()));
            match found {
                Found::Node(Some(entry)) | Found::Older(Some(entry)) => see(record.key(), entry),
                Found::Node(None) | Found::Older(None) | Found::OnlyNewer => ControlFlow::Continue(()),
            }
        });
        visited
    }

    /// Walks `range` in stretches, each under an epoch guard of its own, so that a long walk does not hold back the freeing of memory.
    pub(crate) fn walk(&self, range: &KeyRange, direction: Direction, see: &mut dyn FnMut(&Record) -> ControlFlow<()>) {
        enum Stop {
            Asked,
            Stretch(Box<[u8]>),
        }
        if range.is_empty() {
            return;
        }
        let mut rest = None;
        loop {
            let mut seen = 0;
            let stop = self.map.walk(rest.as_ref().unwrap_or(range), direction, |record| {
                if see(record).is_break() {
                    return ControlFlow::Break(Stop::Asked);
                }
                seen += 1;
                if seen < WALK_RECORDS_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(Stop::Stretch(record.key().into()))
                }
            });
            match stop {
                ControlFlow::Break(Stop::Stretch(last)) => rest = Some(range.after(&last, direction)),
                ControlFlow::Break(Stop::Asked) | ControlFlow::Continue(()) => return,
            }
        }
    }
}
