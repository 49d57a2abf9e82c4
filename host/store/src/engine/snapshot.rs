//! Snapshots: reads pinned to a version.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use super::inner::Inner;
use super::record::Shown;
use super::registry::{Held, Pin};
use crate::types::{Direction, Entry, EntryHeader, Error, KeyRange, Version};

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

    /// A snapshot without a maximum age, for the engine's own work.
    pub(crate) fn take_ageless(store: &Arc<Inner>) -> Self {
        Self::pinned(store, true)
    }

    fn pinned(store: &Arc<Inner>, is_ageless: bool) -> Self {
        let since_us = AtomicU64::new(store.clock.monotonic_us());
        let pin = Arc::new(Pin { since_us, is_ageless, revoked: AtomicBool::new(false) });
        let mut pins = store.registry.pins.lock();
        let (version, arrival) = (store.visible.load(Ordering::Acquire), pins.arrivals);
        pins.arrivals += 1;
        pins.held.push_back(Held { version, arrival, pin: Arc::clone(&pin) });
        drop(pins);
        Self { store: Arc::clone(store), version, arrival, pin }
    }

    /// The pinned version.
    pub(crate) fn store(&self) -> &Arc<Inner> {
        &self.store
    }

    /// Restarts the time for which it may be held. One that was revoked stays so.
    pub fn renew(&self) {
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

    /// Shows `see` the value of each of `keys` at this version by its place among them, where there is one, until it returns `Break`. Faster
    /// than one [`get`](Self::get) after the other where they are not in the processor's caches.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`], possibly after `see` was shown some values: these were right, and there are no more.
    pub fn get_many(
        &self,
        keys: &[&[u8]],
        mut see: impl FnMut(usize, &EntryHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.store.get_many_at(keys, self.version, |place, shown| {
            outcome = self.still_pinned();
            if outcome.is_err() { ControlFlow::Break(()) } else { see(place, &shown.header(), shown.bytes()) }
        });
        outcome?;
        self.still_pinned()
    }

    /// Shows `see` the keys and values of `range` in order until it returns `Break` or the range ends. They are borrowed, so that nothing is
    /// made of what is only looked at; for values that are to be kept there is [`visit_shared`](Self::visit_shared).
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`], possibly after `see` was shown some entries: these were right, and there are no more.
    #[inline]
    pub fn visit(
        &self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], &EntryHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.visit_shown(range, direction, u64::MAX, |key, shown| see(key, &shown.header(), shown.bytes())).map(drop)
    }

    /// As [`visit`](Self::visit), with values that share the store's memory for as long as they are kept.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    pub fn visit_shared(
        &self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.visit_shown(range, direction, u64::MAX, |key, shown| see(key, shown.into_entry())).map(drop)
    }

    /// As [`visit`](Self::visit), and ends after `records_max` records, including those without a value at this version. Returns how many
    /// there were; one more than `records_max` if the range continues.
    #[inline]
    pub(crate) fn visit_shown(
        &self,
        range: &KeyRange,
        direction: Direction,
        records_max: u64,
        mut see: impl FnMut(&[u8], Shown<'_>) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let mut outcome = Ok(());
        let visited = self.store.visit_at(self.version, range, direction, records_max, |key, shown| {
            outcome = self.still_pinned();
            if outcome.is_err() { ControlFlow::Break(()) } else { see(key, shown) }
        });
        outcome?;
        self.still_pinned()?;
        Ok(visited)
    }

    /// Checked after the read: the pruner revokes a pin before it frees anything.
    pub(crate) fn still_pinned(&self) -> Result<(), Error> {
        // If the read missed anything, it was freed after the revocation: the flag is read last, on weakly ordered processors too.
        fence(Ordering::Acquire);
        if self.pin.revoked.load(Ordering::SeqCst) { Err(Error::SnapshotTooOld) } else { Ok(()) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut pins = self.store.registry.pins.lock();
        // A revoked pin is no longer registered.
        if let Ok(place) = pins.held.binary_search_by_key(&self.arrival, |held| held.arrival) {
            pins.held.remove(place);
        }
    }
}
