//! The hash index: from a key straight to its record.
//!
//! A page does without it: its stores are small, and the index is a tenth of what a page has to load.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::hint::black_box;

use scc::{Guard, HashIndex};

use crate::record::Record;

/// A record as an element of the hash index, where it equals its key.
#[derive(Clone)]
struct Indexed(Record);

impl Borrow<[u8]> for Indexed {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}
impl Hash for Indexed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}
impl PartialEq for Indexed {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}
impl Eq for Indexed {}

/// All records by the hash of their keys.
pub(crate) struct Points(HashIndex<Indexed, (), ahash::RandomState>);

impl Points {
    /// An empty index whose hashes `seeds` make unpredictable.
    pub(crate) fn new(seeds: [u64; 4]) -> Self {
        let hasher = ahash::RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3]);
        Self(HashIndex::with_hasher(hasher))
    }

    /// Shows `see` the record of `key`, if there is one.
    pub(crate) fn find<R>(&self, key: &[u8], see: impl FnOnce(&Record) -> R) -> Option<R> {
        self.0.peek_with(key, |indexed, ()| see(&indexed.0))
    }

    /// Looks the keys up together: lookups that do not depend on each other wait for memory at the same time.
    pub(crate) fn bring_near<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let guard = Guard::new();
        for key in keys {
            black_box(self.0.peek(key, &guard));
        }
    }

    /// Adds the record of a key that the index does not hold.
    pub(crate) fn insert(&self, record: &Record) {
        // The writer inserts a key's record only when there is none.
        let _ = self.0.insert_sync(Indexed(record.clone()), ());
    }

    /// Takes out the record of a key.
    pub(crate) fn remove(&self, key: &[u8]) {
        self.0.remove_sync(key);
    }
}
