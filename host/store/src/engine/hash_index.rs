//! The hash index: from a key straight to its record.
//!
//! A page does without it: its stores are small, and the index would be a tenth of the code that it loads.

use std::hash::{BuildHasher, Hash, Hasher};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use papaya::{Equivalent, HashSet, ResizeMode};
use seize::Collector;

use super::record::{NodeExt, Record};

/// Keys that are looked up together. A processor waits for about as many places in memory at once.
const TOGETHER: usize = 32;

/// Sets among which the keys are divided, by the first bits of their hashes. A set makes its next table in one insertion, which takes some
/// 36 ms of the processor's time for 8 million slots. With many more parts, lookups miss the caches more often.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 3;

/// Entries that one insertion or removal moves while a table grows or shrinks. Each is a miss of the processor's caches, and a thousand
/// changes of one commit wait for all of theirs.
const MOVED_PER_CHANGE: usize = 24;

/// A record as an element of the hash index, with the equality of its key.
struct Indexed(Record);

impl Hash for Indexed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.key());
    }
}
impl PartialEq for Indexed {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}
impl Eq for Indexed {}

/// A key with its hash: that chooses the part, and is not computed again there.
struct Hashed<'k> {
    hash: u64,
    key: &'k [u8],
}

impl Hash for Hashed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
impl Equivalent<Indexed> for Hashed<'_> {
    fn equivalent(&self, indexed: &Indexed) -> bool {
        self.key == indexed.0.key()
    }
}

/// Makes hashers of keys.
#[derive(Clone)]
struct KeyHashing(ahash::RandomState);

/// The hash of a key's bytes, or the number that is written to it: a hash that is known.
struct KeyHasher {
    hashing: ahash::RandomState,
    hash: u64,
}

impl BuildHasher for KeyHashing {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { hashing: self.0.clone(), hash: 0 }
    }
}

impl KeyHashing {
    fn hash(&self, key: &[u8]) -> u64 {
        hash_of(&self.0, key)
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, key: &[u8]) {
        self.hash = hash_of(&self.hashing, key);
    }

    fn write_u64(&mut self, hash: u64) {
        self.hash = hash;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

fn hash_of(hashing: &ahash::RandomState, key: &[u8]) -> u64 {
    let mut hasher = hashing.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// All records by the hash of their keys.
///
/// Sets that move a few entries at a time when they grow, and free removed ones a few dozen at a time. One that keeps removed entries
/// until it grows or shrinks frees them in one go while all writers wait (`docs/decisions.md`, 26). Their tables, 9 bytes a slot, shrink only
/// when keys are inserted again.
pub(crate) struct HashIndex {
    parts: Box<[HashSet<Indexed, KeyHashing>]>,
    hashing: KeyHashing,
    /// Of all parts: a guard of it holds for each.
    collector: Arc<Collector>,
}

impl HashIndex {
    /// An empty index whose hashes `seeds` make unpredictable.
    pub(crate) fn new(seeds: [u64; 4]) -> Self {
        let hashing = KeyHashing(ahash::RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3]));
        let collector = Arc::new(Collector::new());
        let part = |_| {
            HashSet::builder()
                .hasher(hashing.clone())
                .shared_collector(Arc::clone(&collector))
                .resize_mode(ResizeMode::Incremental(MOVED_PER_CHANGE))
                .build()
        };
        Self { parts: (0..PARTS).map(part).collect(), hashing, collector }
    }

    /// A key with its hash, and the part that it belongs to.
    fn part<'k>(&self, key: &'k [u8]) -> (Hashed<'k>, &HashSet<Indexed, KeyHashing>) {
        let hash = self.hashing.hash(key);
        (Hashed { hash, key }, &self.parts[(hash >> (u64::BITS - PART_BITS)) as usize])
    }

    /// Shows `see` the record of `key`, if there is one.
    pub(crate) fn find<R>(&self, key: &[u8], see: impl FnOnce(&Record) -> R) -> Option<R> {
        let (key, part) = self.part(key);
        part.get(&key, &self.collector.enter()).map(|indexed| see(&indexed.0))
    }

    /// Shows `see` the record of each of `keys` by its place among them, where there is one, until it answers `Break`. A few are looked up,
    /// with their newest versions, before the first of them is shown: independent lookups wait for memory at the same time.
    pub(crate) fn find_many(&self, keys: &[&[u8]], mut see: impl FnMut(usize, &Record) -> ControlFlow<()>) {
        for (chunk, keys) in keys.chunks(TOGETHER).enumerate() {
            let guard = self.collector.enter();
            let mut found = [None; TOGETHER];
            for (found, key) in found.iter_mut().zip(keys) {
                let (key, part) = self.part(key);
                *found = part.get(&key, &guard).map(|indexed| &indexed.0);
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
        let guard = self.collector.enter();
        for key in keys {
            let (key, part) = self.part(key);
            black_box(part.get(&key, &guard).map(|indexed| indexed.0.newest(|node| node.about().version)));
        }
    }

    /// Adds the record of a key that is not in the index.
    pub(crate) fn insert(&self, record: &Record) {
        let (_, part) = self.part(record.key());
        part.insert(Indexed(record.clone()), &self.collector.enter());
    }

    /// Removes the record of a key.
    pub(crate) fn remove(&self, key: &[u8]) {
        let (key, part) = self.part(key);
        part.remove(&key, &self.collector.enter());
    }
}
