//! The guard that a caller holds.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::Arc,
};

use tokio::time::Instant;

use crate::{
    CloseReason, Manager,
    clock::{Clock, Moment},
    state::shared::Shared,
    state::slot::{Entry, SlotIndex},
};

/// An object on loan from a [`Pool`](crate::Pool). Dropping it gives it back.
///
/// Owns what it needs: it may be stored, sent to another thread, dropped outside a runtime, and outlive every
/// handle of its pool (the object is then closed when the guard is dropped).
///
/// Everything beside the object itself is an associated function, so that nothing hides the object's own methods.
pub struct Object<M: Manager> {
    /// `None` only after the object was taken out. One pointer, so that a guard moves in a register.
    entry: Option<Box<Entry<M>>>,
}

/// What a drop does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The caller used it: reset it and make it idle.
    #[default]
    Release,
    /// The pool looked at it and nobody used it.
    PutBack,
    /// The same, for one that is not to be used before others.
    PutBackColdest,
    Close(CloseReason),
}

impl<M: Manager> Object<M> {
    /// Takes the object out of an idle slot. Until its fate is decided, dropping it closes it: whatever was being
    /// done to it has been cut short.
    #[inline]
    pub(crate) fn check_out(shared: &Arc<Shared<M>>, slot: &SlotIndex) -> Self {
        Self::new(shared, shared.slot(slot).unpark())
    }

    #[inline]
    pub(crate) fn new(shared: &Arc<Shared<M>>, mut entry: Box<Entry<M>>) -> Self {
        entry.shared = Some(Arc::clone(shared));
        entry.fate = Fate::Close(CloseReason::Abandoned);
        Self { entry: Some(entry) }
    }

    pub(crate) fn set_fate(&mut self, fate: Fate) {
        self.entry_mut().fate = fate;
    }

    /// Makes it the caller's.
    #[inline]
    pub(crate) fn lend(mut self, shared: &Shared<M>, place: &'static Location<'static>, waited: bool) -> Self {
        let entry = self.entry_mut();
        entry.fate = Fate::Release;
        let slot = &shared.slots[entry.position()];
        slot.count_acquisition(waited);
        if shared.config.leak_threshold.is_some() {
            slot.record_holder(entry.metrics.last_used, place);
        }
        self
    }

    /// Closes the object; its slot stays with the caller, who has to account for it.
    pub(crate) fn close_keeping_slot(mut self, reason: CloseReason) -> SlotIndex {
        let (shared, entry) = self.take();
        let slot = entry.slot_index();
        shared.dispose(entry, reason);
        slot
    }

    pub(crate) fn entry_mut(&mut self) -> &mut Entry<M> {
        match &mut self.entry {
            Some(entry) => entry,
            None => unreachable!("a guard holds its object until it is consumed"),
        }
    }

    fn entry(&self) -> &Entry<M> {
        match &self.entry {
            Some(entry) => entry,
            None => unreachable!("a guard holds its object until it is consumed"),
        }
    }

    /// Ends the loan; nothing is left for the drop to do.
    fn take(&mut self) -> (Arc<Shared<M>>, Box<Entry<M>>) {
        match self.entry.take().map(|mut entry| (entry.shared.take(), entry)) {
            Some((Some(shared), entry)) => {
                if shared.config.leak_threshold.is_some() {
                    shared.slots[entry.position()].forget_holder();
                }
                (shared, entry)
            }
            _ => unreachable!("a guard holds its object until it is consumed"),
        }
    }

    /// What the pool knows about the object.
    #[must_use]
    pub fn metrics(this: &Self) -> &Metrics {
        &this.entry().metrics
    }

    /// Takes the object out of the pool for good. Its place is free for another at once.
    #[must_use = "the object is dropped otherwise; `Object::close` says so"]
    pub fn detach(mut this: Self) -> M::Object {
        let (shared, entry) = this.take();
        shared.with_core(|locked| locked.closed(entry.slot_index(), CloseReason::Detached));
        entry.object
    }

    /// Has the object closed instead of used again: for a caller who saw it break.
    pub fn close(mut this: Self) {
        this.set_fate(Fate::Close(CloseReason::Discarded));
    }
}

impl<M: Manager> Drop for Object<M> {
    #[inline]
    fn drop(&mut self) {
        if self.entry.is_none() {
            return;
        }
        let (shared, entry) = self.take();
        match entry.fate {
            Fate::Release => shared.release(entry),
            Fate::PutBack => shared.put_back(entry),
            Fate::PutBackColdest => shared.put_back_coldest(entry),
            Fate::Close(reason) => shared.close_entry(entry, reason),
        }
    }
}

impl<M: Manager> Deref for Object<M> {
    type Target = M::Object;

    #[inline]
    fn deref(&self) -> &M::Object {
        &self.entry().object
    }
}

impl<M: Manager> DerefMut for Object<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Object {
        &mut self.entry_mut().object
    }
}

impl<M: Manager> fmt::Debug for Object<M>
where
    M::Object: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("object", &**self).field("metrics", Self::metrics(self)).finish_non_exhaustive()
    }
}

/// What the pool knows about one object.
#[derive(Clone, Debug)]
pub struct Metrics {
    pool_built_at: Instant,
    pub(crate) created: Moment,
    /// [`Moment::UNKNOWN`] before the first use.
    pub(crate) last_used: Moment,
    pub(crate) recycled_count: u64,
}

impl Metrics {
    /// Of an object created now.
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { pool_built_at: clock.built_at, created: clock.now(), last_used: Moment::UNKNOWN, recycled_count: 0 }
    }

    /// When the object was created.
    #[must_use]
    pub fn created_at(&self) -> Instant {
        self.created.instant(self.pool_built_at).unwrap_or(self.pool_built_at)
    }

    /// When the object was last handed out; `None` before that. Up to half a second early while
    /// [`Pool::run_maintenance`](crate::Pool::run_maintenance) runs.
    ///
    /// Also `None` in a pool whose config has no `max_lifetime`, `validate_after_idle`, `health_check_interval` and
    /// `leak_threshold`: such a pool never looks at the clock to hand out an idle object.
    #[must_use]
    pub fn last_used_at(&self) -> Option<Instant> {
        self.last_used.instant(self.pool_built_at)
    }

    /// How often the object was handed out from idle.
    #[must_use]
    pub fn recycled_count(&self) -> u64 {
        self.recycled_count
    }
}
