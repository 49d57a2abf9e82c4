//! The guard that a caller holds.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::Arc,
};

use crate::{
    CloseReason, Manager, Metrics,
    state::{
        entry::{Entry, ReleaseAction},
        shared::Shared,
    },
};

/// An object on loan from a [`Pool`](crate::Pool). Dropping it gives it back.
///
/// Owns what it needs: it may be stored, sent to another thread, dropped outside a runtime, and outlive every
/// handle of its pool (the object is then closed when the guard is dropped).
///
/// Everything beside the object itself is an associated function, so that nothing hides the object's own methods.
pub struct Object<M: Manager> {
    /// `None` only after the object was taken out.
    entry: Option<Box<Entry<M>>>,
    shared: Arc<Shared<M>>,
}

impl<M: Manager> Object<M> {
    /// A guard of an object that no caller has used yet. Until [`set_release_action`](Self::set_release_action),
    /// dropping it closes the object: whatever was being done to it has been cut short.
    #[inline]
    pub(crate) fn new(shared: &Arc<Shared<M>>, mut entry: Box<Entry<M>>) -> Self {
        entry.on_drop = ReleaseAction::Close(CloseReason::Abandoned);
        Self { entry: Some(entry), shared: Arc::clone(shared) }
    }

    pub(crate) fn set_release_action(&mut self, action: ReleaseAction) {
        self.entry_mut().on_drop = action;
    }

    /// Hands the object to the caller.
    #[inline]
    pub(crate) fn lend(mut self, place: &'static Location<'static>, waited: bool) -> Self {
        self.shared.count_served(waited);
        let metrics = &self.entry().metrics;
        let holder = self.shared.record_holder(metrics.last_used_at().unwrap_or(metrics.created_at()), place);
        let entry = self.entry_mut();
        entry.on_drop = ReleaseAction::Reset;
        entry.holder = holder;
        self
    }

    /// Closes the object without reporting that to the core, which the caller does.
    pub(crate) fn close_unreported(mut self, reason: CloseReason) {
        let entry = self.take();
        self.shared.dispose(entry, reason);
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
    #[allow(clippy::unnecessary_box_returns, reason = "the box is what changes hands")]
    fn take(&mut self) -> Box<Entry<M>> {
        let Some(mut entry) = self.entry.take() else { unreachable!("a guard holds its object until it is consumed") };
        if let Some(holder) = entry.holder.take() {
            self.shared.forget_holder(holder);
        }
        entry
    }

    /// What the pool knows about the object.
    #[must_use]
    pub fn metrics(this: &Self) -> &Metrics {
        &this.entry().metrics
    }

    /// Takes the object out of the pool permanently. Its place is free for another at once.
    #[must_use = "the object is dropped otherwise; `Object::close` says so"]
    pub fn detach(mut this: Self) -> M::Object {
        let entry = this.take();
        this.shared.with_core(|core| core.closed(CloseReason::Detached));
        entry.object
    }

    /// Has the object closed instead of used again: for a caller who saw it break.
    pub fn close(mut this: Self) {
        this.set_release_action(ReleaseAction::Close(CloseReason::Discarded));
    }
}

impl<M: Manager> Drop for Object<M> {
    #[inline]
    fn drop(&mut self) {
        if self.entry.is_none() {
            return;
        }
        let entry = self.take();
        match entry.on_drop {
            ReleaseAction::Reset => self.shared.release(entry),
            ReleaseAction::PutBack => self.shared.put_back(entry),
            ReleaseAction::PutBackColdest => self.shared.put_back_coldest(entry),
            ReleaseAction::Close(reason) => self.shared.close_entry(entry, reason),
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
