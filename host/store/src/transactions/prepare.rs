//! Puts new keys of a large commit into the indexes ahead of it.
//!
//! Finding the place of a new key in the order takes microseconds, and a commit of 100,000 of them would delay all other writers by as
//! much. So they get their places before the commit, a few under each hold of the lock, without a version that anybody could read, and
//! their versions are made; the commit itself only numbers the versions and puts them on the chains.

use std::collections::VecDeque;

use crate::engine::{FeedChange, Inner, KeptSpans, Node, NodeExt, Record, Store, WriteSet, Writer};
use crate::types::{NEVER_MS, Update, Version};

/// The number of writes from which a commit's new keys are prepared: with fewer, the commit takes less time than waiting for the lock
/// again.
const WRITES_MIN: usize = 128;

/// Keys that get their places under one hold of the lock.
const KEYS_PER_HOLD: usize = 16;

/// Places that a commit is about to use. Unused ones are given back when this is dropped.
pub(crate) struct Prepared<'s> {
    inner: &'s Inner,
    /// In the order of their keys.
    places: VecDeque<Place>,
}

struct Place {
    record: Record,
    /// Its first version, if that is known.
    node: Option<Node>,
}

impl Inner {
    /// Gives the new keys among `writes` their places, if there are many writes.
    pub(crate) fn prepare(&self, writes: &WriteSet) -> Prepared<'_> {
        let mut prepared = Prepared { inner: self, places: VecDeque::new() };
        if writes.len() < WRITES_MIN {
            return prepared;
        }
        let mut new_keys = writes.iter().filter_map(|(key, update)| match update {
            Update::Put { value, expires_at_ms } if !self.has_record(key) => {
                let node = Node::create(0, 0, expires_at_ms.unwrap_or(NEVER_MS), Some(value), None);
                Some((&key[..], Some(node)))
            }
            _ => None,
        });
        prepared.make_places(&mut new_keys);
        prepared
    }

    /// As [`apply`](Self::apply), with the prepared places.
    pub(crate) fn apply_prepared(
        &self,
        writer: &mut Writer,
        writes: &WriteSet,
        kept: &KeptSpans,
        prepared: &mut Prepared<'_>,
    ) -> Version {
        let mut writes = writes.iter().map(|(key, update)| (&key[..], update));
        self.apply_all(writer, &mut writes, kept, &mut |writer, version, time_ms, key| {
            prepared.apply(writer, version, time_ms, key)
        })
    }

    fn has_record(&self, key: &[u8]) -> bool {
        self.map.find(key, |_| ()).is_some()
    }
}

impl Store {
    /// Gives new keys their places in the indexes ahead of a commit under the writers' lock that will put many, so that it takes less time.
    /// Unused places are removed when the result is dropped. Does nothing for fewer than 128 keys.
    #[must_use]
    pub fn make_places<'k>(&self, keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Places<'_> {
        let mut prepared = Prepared { inner: &self.0, places: VecDeque::new() };
        if keys.len() >= WRITES_MIN {
            prepared.make_places(&mut keys.filter(|key| !self.0.has_record(key)).map(|key| (key, None)));
        }
        Places { _prepared: prepared }
    }
}

/// Places of keys that may be put soon. They are given back when this is dropped, unless they were used.
pub struct Places<'s> {
    _prepared: Prepared<'s>,
}

impl Prepared<'_> {
    fn make_places(&mut self, new_keys: &mut dyn Iterator<Item = (&[u8], Option<Node>)>) {
        let nothing = Node::nothing();
        loop {
            let few: Vec<_> = new_keys.take(KEYS_PER_HOLD).collect();
            if few.is_empty() {
                break;
            }
            let writer = self.inner.lock_writer_for_long();
            for (key, node) in few {
                // What was found without the lock may be out of date.
                if !self.inner.has_record(key) {
                    let record = Record::new(key, nothing.clone());
                    self.inner.map.insert(&record);
                    self.places.push_back(Place { record, node });
                }
            }
            writer.unlock_fair();
        }
    }

    /// Gives `key` the version that was made for it, if there is one and no other commit has used its place. To be called for the keys of
    /// the commit in their order.
    pub(crate) fn apply(
        &mut self,
        writer: &mut Writer,
        version: Version,
        time_ms: u64,
        key: &[u8],
    ) -> Option<FeedChange> {
        let Place { record, node } = self.places.pop_front_if(|place| place.record.key() == key)?;
        let mut node = node?;
        if !record.is_unused() || !node.set_commit(version, time_ms) {
            return None;
        }
        record.push(node.clone());
        writer.stats.versions += 1;
        self.inner.put_in(writer, &record, &node);
        Some(FeedChange { record, node, previous: None, replaced: None })
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        for places in self.places.make_contiguous().chunks(KEYS_PER_HOLD) {
            let writer = self.inner.lock_writer_for_long();
            for Place { record, .. } in places {
                // Another commit may have used it: then it is in use, or was removed like any key.
                if record.is_unused() {
                    self.inner.map.remove(record.key());
                }
            }
            writer.unlock_fair();
        }
    }
}
