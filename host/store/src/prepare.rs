//! New keys of a large commit, put into the indexes before it.
//!
//! Finding the place of a new key in the order takes microseconds, and a commit of 100,000 of them would hold all other writers up for
//! as long. So they get their places before, a few under each hold of the lock, without a version that anybody could read; the commit
//! itself only puts versions on chains that are there.

use crate::Update;
use crate::record::{Node, NodeExt, Record};
use crate::store::Inner;
use crate::transaction::WriteSet;

/// Writes from which on a commit's new keys are prepared: below, the commit takes less time than waiting for the lock again.
const WRITES_MIN: usize = 128;

/// Keys that get their places under one hold of the lock.
const KEYS_PER_HOLD: usize = 16;

/// Places that a commit is about to use. Those that it does not use are given back when this is dropped.
pub(crate) struct Prepared<'s> {
    inner: &'s Inner,
    places: Vec<Record>,
}

impl Inner {
    /// Gives the new keys among `writes` their places, if there are many writes.
    pub(crate) fn prepare(&self, writes: &WriteSet) -> Prepared<'_> {
        let mut prepared = Prepared { inner: self, places: Vec::new() };
        if writes.len() < WRITES_MIN {
            return prepared;
        }
        let puts = writes.iter().filter(|(_, update)| matches!(update, Update::Put { .. }));
        let mut new_keys = puts.map(|(key, _)| key).filter(|key| !self.has_record(key));
        let nothing = Node::nothing();
        loop {
            let few: Vec<_> = new_keys.by_ref().take(KEYS_PER_HOLD).collect();
            if few.is_empty() {
                break;
            }
            let writer = self.lock_writer();
            // What was found without the lock may be out of date.
            for key in few.into_iter().filter(|key| !self.has_record(key)) {
                let place = Record::new(key, nothing.clone());
                self.map.insert(&place);
                prepared.places.push(place);
            }
            writer.unlock_fair();
        }
        prepared
    }

    fn has_record(&self, key: &[u8]) -> bool {
        self.map.find(key, |_| ()).is_some()
    }
}

impl Prepared<'_> {
    /// The commit has used them.
    pub(crate) fn used(mut self) {
        self.places.clear();
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        for places in self.places.chunks(KEYS_PER_HOLD) {
            let writer = self.inner.lock_writer();
            for place in places {
                // Another commit may have used it: then it is in use, or was removed as every key is.
                if place.is_unused() {
                    self.inner.map.remove(place.key());
                }
            }
            writer.unlock_fair();
        }
    }
}
