//! Going through the idle objects, and closing those that a user does not want to keep.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    CloseReason, Manager, Metrics,
    state::{core::Core, entry::Entry, shared::Shared},
};

/// What [`Pool::retain`](crate::Pool::retain) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Idle objects kept.
    pub kept: usize,
    /// Idle objects closed.
    pub closed: usize,
}

/// Asks `keep` about each idle object, coldest first. They are out of the pool meanwhile, as no code of users runs under
/// the mutex.
pub(crate) fn retain<M: Manager>(
    shared: &Arc<Shared<M>>,
    mut keep: impl FnMut(&M::Object, &Metrics) -> bool,
) -> Retained {
    let untested = shared.with_core(Core::take_idle);
    let mut taken = Taken { shared, untested, kept: VecDeque::new() };
    let mut closed = 0;
    while let Some(entry) = taken.untested.front() {
        let is_kept = keep(&entry.object, &entry.metrics);
        let Some(entry) = taken.untested.pop_front() else { break };
        if is_kept {
            taken.kept.push_back(entry);
        } else {
            shared.close_entry(entry, CloseReason::NotRetained);
            closed += 1;
        }
    }
    Retained { kept: taken.kept.len(), closed }
}

/// The objects that are out of the pool. Its drop puts them back, also after a panic in the predicate.
struct Taken<'a, M: Manager> {
    shared: &'a Shared<M>,
    untested: VecDeque<Box<Entry<M>>>,
    kept: VecDeque<Box<Entry<M>>>,
}

impl<M: Manager> Drop for Taken<'_, M> {
    fn drop(&mut self) {
        let mut entries = std::mem::take(&mut self.kept);
        entries.append(&mut self.untested);
        self.shared.with_core(|core| core.put_back_idle(entries));
    }
}
