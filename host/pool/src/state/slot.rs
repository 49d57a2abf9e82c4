//! A slot: room for one object, its state word, and the counters its owner keeps.

use std::{
    panic::Location,
    sync::{
        Arc,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use crossbeam_utils::atomic::AtomicCell;

use crate::{Manager, Metrics, clock::Moment, object::Fate, state::shared::Shared};

/// The permit for one slot. Neither `Clone` nor `Copy`: whoever holds it owns the slot. (An object that is not idle
/// holds it inside its box.)
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlotIndex(u32);

impl SlotIndex {
    pub(crate) fn from_raw(index: u32) -> Self {
        Self(index)
    }

    pub(crate) fn raw(&self) -> u32 {
        self.0
    }

    pub(crate) fn position(&self) -> usize {
        self.0 as usize
    }
}

/// What a slot's owner is about. Written by the owner alone; others read it for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SlotState {
    Vacant = 0,
    Creating = 1,
    Idle = 2,
    /// Lent out, being checked, or being closed.
    Busy = 3,
}

/// An object and what the pool knows about it, in one box for the object's life. While the object is idle, the box is
/// in the slot and the permit on the idle stack; otherwise whoever holds the box holds the permit.
pub(crate) struct Entry<M: Manager> {
    pub(crate) object: M::Object,
    pub(crate) metrics: Metrics,
    slot: SlotIndex,
    /// What becomes of the object when its guard is dropped.
    pub(crate) fate: Fate,
    /// The way back, while the object is not idle. (Kept while idle, it would keep the pool alive for ever.)
    pub(crate) shared: Option<Arc<Shared<M>>>,
    /// The end of its lifetime, jitter included.
    pub(crate) expires_at: Moment,
    /// When it was last created, handed out or validated.
    pub(crate) known_good_at: Moment,
    /// When maintenance first found it idle since its last use.
    pub(crate) idle_since: Option<Moment>,
}

impl<M: Manager> Entry<M> {
    /// Not idle; `expires_at` is the end of its lifetime.
    pub(crate) fn new(object: M::Object, metrics: Metrics, slot: SlotIndex, expires_at: Moment) -> Self {
        let created_at = metrics.created;
        Self {
            object,
            metrics,
            slot,
            fate: Fate::default(),
            shared: None,
            expires_at,
            known_good_at: created_at,
            idle_since: Some(created_at),
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.slot.position()
    }

    /// The permit, for whoever parks the object in its slot or ends it.
    pub(crate) fn slot_index(&self) -> SlotIndex {
        SlotIndex::from_raw(self.slot.raw())
    }

    pub(crate) fn note_use(&mut self, now: Moment) {
        self.metrics.last_used = now;
        self.known_good_at = now;
        self.idle_since = None;
    }
}

/// On a cache line of its own, as neighbours belong to other threads.
#[repr(align(64))]
pub(crate) struct Slot<M: Manager> {
    state: AtomicU8,
    /// The object while it is idle. Only the slot's owner touches the cell, so it is never contended; being atomic
    /// is what lets it change hands without `unsafe`.
    entry: AtomicCell<Option<Box<Entry<M>>>>,
    /// Acquisitions served from this slot without and after waiting. Kept here so that counting is not shared.
    immediate: AtomicU64,
    waited: AtomicU64,
    /// A [`Moment`]; unknown while nobody holds the object or holders are not recorded.
    held_since: AtomicU64,
    place: AtomicCell<Option<&'static Location<'static>>>,
}

impl<M: Manager> Slot<M> {
    pub(crate) fn vacant() -> Self {
        Self {
            state: AtomicU8::new(SlotState::Vacant as u8),
            entry: AtomicCell::new(None),
            immediate: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            held_since: AtomicU64::new(0),
            place: AtomicCell::new(None),
        }
    }

    pub(crate) fn state(&self) -> SlotState {
        match self.state.load(Relaxed) {
            0 => SlotState::Vacant,
            1 => SlotState::Creating,
            2 => SlotState::Idle,
            _ => SlotState::Busy,
        }
    }

    pub(crate) fn set_state(&self, state: SlotState) {
        self.state.store(state as u8, Relaxed);
    }

    /// Leaves the object here, for whoever takes the slot off the idle stack.
    #[inline]
    pub(crate) fn park(&self, entry: Box<Entry<M>>) {
        self.set_state(SlotState::Idle);
        self.entry.store(Some(entry));
    }

    /// Takes the idle object out, to lend, check or close it.
    #[inline]
    #[allow(clippy::unnecessary_box_returns, reason = "the box is what changes hands")]
    pub(crate) fn unpark(&self) -> Box<Entry<M>> {
        self.set_state(SlotState::Busy);
        match self.entry.take() {
            Some(entry) => entry,
            None => unreachable!("an idle slot holds an object"),
        }
    }

    /// Looks at the idle object in place.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&mut Entry<M>) -> R) -> R {
        let mut entry = self.unpark();
        let seen = look(&mut entry);
        self.park(entry);
        seen
    }

    #[inline]
    pub(crate) fn count_acquisition(&self, waited: bool) {
        let counter = if waited { &self.waited } else { &self.immediate };
        // Only the owner writes, so no read-modify-write is needed.
        counter.store(counter.load(Relaxed) + 1, Relaxed);
    }

    /// Acquisitions served (without waiting, after waiting).
    pub(crate) fn acquisitions(&self) -> (u64, u64) {
        (self.immediate.load(Relaxed), self.waited.load(Relaxed))
    }

    pub(crate) fn record_holder(&self, since: Moment, place: &'static Location<'static>) {
        self.place.store(Some(place));
        self.held_since.store(since.raw(), Release);
    }

    pub(crate) fn forget_holder(&self) {
        self.held_since.store(Moment::UNKNOWN.raw(), Release);
    }

    /// Since when and where the object is held, if it is.
    pub(crate) fn holder(&self) -> Option<(Moment, &'static Location<'static>)> {
        let since = Moment::from_raw(self.held_since.load(Acquire));
        let place = self.place.load()?;
        // The same before and after: the place belongs to it.
        let is_settled = self.held_since.load(Acquire) == since.raw();
        (is_settled && since != Moment::UNKNOWN).then_some((since, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    struct Sessions;

    impl Manager for Sessions {
        type Object = [u8; 256];
        type Error = std::convert::Infallible;

        async fn create(&self) -> Result<[u8; 256], Self::Error> {
            Ok([0; 256])
        }
    }

    #[test]
    fn a_slot_and_its_bookkeeping_stay_small() {
        assert!(AtomicCell::<Option<Box<Entry<Sessions>>>>::is_lock_free());
        assert_eq!(size_of::<Slot<Sessions>>(), 64, "bytes per slot, used or not");
        let overhead = size_of::<Entry<Sessions>>() - 256;
        assert!(overhead <= 128, "bytes beside the object: {overhead}");
        assert_eq!(size_of::<Object<Sessions>>(), 8, "a guard is a pointer");
    }
}
