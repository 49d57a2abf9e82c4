//! The hash index: from a key straight to its record.
//!
//! A page does without it: its stores are small, and the index would be a tenth of the code that it loads.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::ops::ControlFlow;

use papaya::{HashSet, ResizeMode};

use super::record::{NodeExt, Record};

/// Keys that are looked up together. A processor waits for about as many places in memory at once.
const TOGETHER: usize = 32;

/// Entries that one insertion or removal moves while the table grows or shrinks. Each is a miss of the processor's caches, and a thousand
/// changes of one commit wait for all of theirs.
const MOVED_PER_CHANGE: usize = 16;

/// A record as an element of the hash index, with the equality of its key.
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
///
/// A set that moves a few entries at a time when it grows, and frees removed ones a few dozen at a time. One that keeps removed entries
/// until it grows or shrinks frees them in one go while all writers wait (`docs/decisions.md`, 26). Its table, 9 bytes a slot, shrinks only
/// when keys are inserted again.
pub(crate) struct HashIndex(HashSet<Indexed, ahash::RandomState>);

impl HashIndex {
    /// An empty index whose hashes `seeds` make unpredictable.
    pub(crate) fn new(seeds: [u64; 4]) -> Self {
        let hasher = ahash::RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3]);
        Self(HashSet::builder().hasher(hasher).resize_mode(ResizeMode::Incremental(MOVED_PER_CHANGE)).build())
    }

    /// Shows `see` the record of `key`, if there is one.
    pub(crate) fn find<R>(&self, key: &[u8], see: impl FnOnce(&Record) -> R) -> Option<R> {
        self.0.get(key, &self.0.guard()).map(|indexed| see(&indexed.0))
    }

    /// Shows `see` the record of each of `keys` by its place among them, where there is one, until it answers `Break`. A few are looked up,
    /// with their newest versions, before the first of them is shown: independent lookups wait for memory at the same time.
    pub(crate) fn find_many(&self, keys: &[&[u8]], mut see: impl FnMut(usize, &Record) -> ControlFlow<()>) {
        for (chunk, keys) in keys.chunks(TOGETHER).enumerate() {
            let guard = self.0.guard();
            let mut found = [None; TOGETHER];
            for (found, key) in found.iter_mut().zip(keys) {
                *found = self.0.get(*key, &guard).map(|indexed| &indexed.0);
            }
            for record in found.into_iter().flatten() {
                black_box(record.newest(|node| node.about().version));
            }
            for (place, record) in found.into_iter().enumerate() {
                if record.is_some_and(|record| see(chunk * TOGETHER + place, record).is_break()) {
                    return;
                }
            }
        }
    }

    /// Looks up several keys and their newest versions together: independent lookups wait for memory at the same time.
    pub(crate) fn bring_near<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let guard = self.0.guard();
        for key in keys {
            black_box(self.0.get(key, &guard).map(|indexed| indexed.0.newest(|node| node.about().version)));
        }
    }

    /// Adds the record of a key that is not in the index.
    pub(crate) fn insert(&self, record: &Record) {
        self.0.insert(Indexed(record.clone()), &self.0.guard());
    }

    /// Removes the record of a key.
    pub(crate) fn remove(&self, key: &[u8]) {
        self.0.remove(key, &self.0.guard());
    }
}
