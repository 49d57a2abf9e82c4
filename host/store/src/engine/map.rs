//! The key map: a skiplist for order and a hash index for point reads, both over the same records.
//!
//! The released `crossbeam-skiplist` loses reads when a live key is overwritten or removed and inserted again. So a node is inserted once,
//! when its key first appears, and removed once, when nobody can see the key any more; only the version chain that the node points to
//! changes. All changes come from one thread at a time: the holder of the store's writer lock.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use crossbeam_epoch::{self as epoch, Guard};
use crossbeam_skiplist::base::{Entry, SkipList};

#[cfg(not(target_family = "wasm"))]
use super::hash_index::HashIndex;
use super::record::Record;
use crate::types::{Direction, KeyRange};

/// Records that a walk reads at a time, at first and at most. A page's store is small.
const AHEAD_AT_FIRST: usize = 4;
const AHEAD_MAX: usize = if cfg!(target_family = "wasm") { 1 } else { 32 };

/// The start of a key, kept in the skiplist's node: enough to decide most comparisons without reading the record.
type Prefix = u128;

fn prefix(key: &[u8]) -> Prefix {
    let mut bytes = [0; size_of::<Prefix>()];
    let taken = key.len().min(bytes.len());
    bytes[..taken].copy_from_slice(&key[..taken]);
    Prefix::from_be_bytes(bytes)
}

/// A map that is being filled in order. The order has no cheaper way in than one search for each key.
pub(crate) struct Loading<'m> {
    map: &'m KeyMap,
    last: Option<Record>,
}

impl Loading<'_> {
    /// Adds the record of a key that comes after all others.
    pub(crate) fn push(&mut self, record: &Record) {
        if cfg!(debug_assertions) {
            let last = self.last.replace(record.clone());
            debug_assert!(last.is_none_or(|last| last.key() < record.key()), "keys out of order");
        }
        self.map.insert(record);
    }
}

/// Two ways to name a place in the order: the record there, or a key to look up.
trait Place {
    fn prefix(&self) -> Prefix;
    fn key(&self) -> &[u8];
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix().cmp(&other.prefix()).then_with(|| self.key().cmp(other.key()))
    }
}
impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for dyn Place + '_ {}

/// A key to look up.
struct Probe<'k> {
    prefix: Prefix,
    key: &'k [u8],
}

impl<'k> Probe<'k> {
    fn new(key: &'k [u8]) -> Self {
        Self { prefix: prefix(key), key }
    }
}

impl Place for Probe<'_> {
    fn prefix(&self) -> Prefix {
        self.prefix
    }
    fn key(&self) -> &[u8] {
        self.key
    }
}

/// A record as an element of the skiplist.
struct Ordered {
    prefix: Prefix,
    record: Record,
}

impl Place for Ordered {
    fn prefix(&self) -> Prefix {
        self.prefix
    }
    fn key(&self) -> &[u8] {
        self.record.key()
    }
}

impl<'a> Borrow<dyn Place + 'a> for Ordered {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.record.key().cmp(other.record.key()))
    }
}
impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ordered {}

/// All records, by order and by hash.
pub(crate) struct KeyMap {
    order: SkipList<Ordered, ()>,
    #[cfg(not(target_family = "wasm"))]
    hash_index: HashIndex,
}

impl KeyMap {
    /// An empty map whose hashes `seeds` make unpredictable.
    #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "a page has no hashes"))]
    pub(crate) fn new(seeds: [u64; 4]) -> Self {
        Self {
            order: SkipList::new(epoch::default_collector().clone()),
            #[cfg(not(target_family = "wasm"))]
            hash_index: HashIndex::new(seeds),
        }
    }

    /// Shows `see` the record of `key`, if there is one.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn find<R>(&self, key: &[u8], see: impl FnOnce(&Record) -> R) -> Option<R> {
        self.hash_index.find(key, see)
    }

    /// Shows `see` the record of `key`, if there is one.
    #[cfg(target_family = "wasm")]
    pub(crate) fn find<R>(&self, key: &[u8], see: impl FnOnce(&Record) -> R) -> Option<R> {
        let guard = &epoch::pin();
        self.order.get(&Probe::new(key) as &dyn Place, guard).map(|entry| see(&entry.key().record))
    }

    /// Shows `see` the record of each of `keys` by its place among them, where there is one, until it answers `Break`.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn find_many(&self, keys: &[&[u8]], see: impl FnMut(usize, &Record) -> ControlFlow<()>) {
        self.hash_index.find_many(keys, see);
    }

    /// Shows `see` the record of each of `keys` by its place among them, where there is one, until it answers `Break`.
    #[cfg(target_family = "wasm")]
    pub(crate) fn find_many(&self, keys: &[&[u8]], mut see: impl FnMut(usize, &Record) -> ControlFlow<()>) {
        for (place, key) in keys.iter().enumerate() {
            if self.find(key, |record| see(place, record)).is_some_and(|flow| flow.is_break()) {
                return;
            }
        }
    }

    /// Loads what a change of the keys will read into the processor's caches.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn bring_near<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        self.hash_index.bring_near(keys);
    }

    /// Adds the record of a key that is not in the map. Only the writer calls this.
    pub(crate) fn insert(&self, record: &Record) {
        let guard = &epoch::pin();
        let ordered = Ordered { prefix: prefix(record.key()), record: record.clone() };
        self.order.insert(ordered, (), guard).release(guard);
        #[cfg(not(target_family = "wasm"))]
        self.hash_index.insert(record);
    }

    /// Begins to fill this map, which is empty and which nobody reads yet, with records in ascending order of their keys.
    pub(crate) fn load_sorted(&self) -> Loading<'_> {
        Loading { map: self, last: None }
    }

    /// Removes the record of a key that nobody can see any more. Only the writer calls this.
    pub(crate) fn remove(&self, key: &[u8]) {
        #[cfg(not(target_family = "wasm"))]
        self.hash_index.remove(key);
        let guard = &epoch::pin();
        if let Some(entry) = self.order.remove(&Probe::new(key) as &dyn Place, guard) {
            entry.release(guard);
        }
    }

    /// Hands over what this thread has removed from the order, and frees some of what was handed over before and no reader can see.
    /// Otherwise that falls to the next reader or writer.
    pub(crate) fn free_removed() {
        epoch::pin().flush();
    }

    /// Reads what a change of `key` will read.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn visit(&self, key: &[u8]) {
        self.find(key, |record| record.newest(|_| ()));
        let guard = &epoch::pin();
        if let Some(entry) = self.order.get(&Probe::new(key) as &dyn Place, guard) {
            debug_assert_eq!(*entry.key().record.key(), *key);
        }
    }

    /// Shows `see` the records of `range` in order until it answers `Break`.
    ///
    /// The walk holds one epoch guard, which delays the freeing of memory: callers stop after a bounded number of records.
    pub(crate) fn walk<B>(
        &self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&Record) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let guard = &epoch::pin();
        for record in Walk::start(&self.order, range, direction, guard) {
            if !range.reaches(record.key(), direction) {
                break;
            }
            see(record)?;
        }
        ControlFlow::Continue(())
    }
}

/// Records in order, from one end of a range.
///
/// They are scattered in memory, and independent reads wait for it at the same time. So some are read ahead, and more as the walk gets
/// longer, because most walks end soon.
struct Walk<'g> {
    direction: Direction,
    next: Option<Entry<'g, 'g, Ordered, ()>>,
    ahead: [Option<&'g Record>; AHEAD_MAX],
    /// How many are read at a time.
    batch: usize,
    /// The index of the next one to show.
    place: usize,
}

impl<'g> Walk<'g> {
    fn start(order: &'g SkipList<Ordered, ()>, range: &KeyRange, direction: Direction, guard: &'g Guard) -> Self {
        let next = match direction {
            Direction::Forward => {
                order.lower_bound(probe(&range.start).as_ref().map(|place| place as &dyn Place), guard)
            }
            Direction::Reverse => order.upper_bound(probe(&range.end).as_ref().map(|place| place as &dyn Place), guard),
        };
        Self { direction, next, ahead: [None; AHEAD_MAX], batch: AHEAD_AT_FIRST / 2, place: AHEAD_MAX }
    }

    fn read_ahead(&mut self) {
        self.batch = (2 * self.batch).min(AHEAD_MAX);
        self.place = AHEAD_MAX - self.batch;
        let ahead = &mut self.ahead[self.place..];
        for record in &mut *ahead {
            *record = self.next.as_ref().map(|here| &here.key().record);
            self.next = self.next.as_ref().and_then(|here| match self.direction {
                Direction::Forward => here.next(),
                Direction::Reverse => here.prev(),
            });
        }
        #[cfg(not(target_family = "wasm"))]
        for record in ahead {
            std::hint::black_box(record.map(|record| record.key().first()));
        }
    }
}

impl<'g> Iterator for Walk<'g> {
    type Item = &'g Record;

    fn next(&mut self) -> Option<&'g Record> {
        if self.place == AHEAD_MAX {
            self.read_ahead();
        }
        let record = self.ahead[self.place];
        self.place += 1;
        record
    }
}

fn probe(bound: &Bound<Box<[u8]>>) -> Bound<Probe<'_>> {
    bound.as_ref().map(|key| Probe::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::{Node, NodeExt};
    use crate::types::NEVER_MS;

    fn walked(map: &KeyMap, direction: Direction) -> Vec<Box<[u8]>> {
        let mut keys = Vec::new();
        let flow: ControlFlow<()> = map.walk(&KeyRange::all(), direction, |record| {
            keys.push(record.key().into());
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        keys
    }

    /// No statistic of the store would show that one of the two indexes kept a removed record.
    #[test]
    fn a_removed_key_is_in_neither_index() {
        let map = KeyMap::new([1, 2, 3, 4]);
        let keys: Vec<Box<[u8]>> = (0..20_000_u32).map(|key| key.to_be_bytes().into()).collect();
        for _ in 0..2 {
            for key in &keys {
                map.insert(&Record::new(key, Node::create(1, 0, NEVER_MS, None, None)));
            }
            assert!(
                walked(&map, Direction::Forward) == keys && walked(&map, Direction::Reverse).iter().rev().eq(&keys)
            );
            for key in &keys {
                map.remove(key);
            }
            assert!(
                keys.iter().all(|key| map.find(key, |_| ()).is_none()) && walked(&map, Direction::Forward).is_empty()
            );
        }
    }
}
