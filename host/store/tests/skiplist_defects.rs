//! The defects of the released `crossbeam-skiplist` that shape the key map (`src/engine/map.rs`).
//!
//! These tests fail when a defect is gone: then see what the map avoids because of it, and remove the test. They interleave two operations
//! on one thread, by acting from inside a comparison of keys, so that they do not depend on timing.

use std::cell::RefCell;
use std::cmp::Ordering as Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_epoch::{Collector, Guard};
use crossbeam_skiplist::SkipMap;
use crossbeam_skiplist::base::SkipList;

thread_local! {
    static ON_COMPARE: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

/// Runs `operation` and calls `meanwhile` at every comparison of keys that it makes, those of `meanwhile` itself excepted.
fn interleave<R>(operation: impl FnOnce() -> R, meanwhile: impl FnMut() + 'static) -> R {
    ON_COMPARE.set(Some(Box::new(meanwhile)));
    let result = operation();
    ON_COMPARE.set(None);
    result
}

/// A key whose comparisons can be acted on.
#[derive(Debug)]
struct Key(u32);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Order {
        if let Some(mut act) = ON_COMPARE.take() {
            act();
            ON_COMPARE.set(Some(act));
        }
        self.0.cmp(&other.0)
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}
impl Eq for Key {}

/// A map for the rest of the program, so that what runs inside a comparison can hold its entries.
fn two_keys() -> &'static SkipMap<Key, &'static str> {
    let map = SkipMap::new();
    map.insert(Key(1), "one");
    map.insert(Key(2), "two");
    Box::leak(Box::new(map))
}

/// Why the map never overwrites an element: it puts a new version on the chain that the element points to.
#[test]
fn overwriting_hides_the_key_for_a_moment() {
    let map = two_keys();
    let misses = Arc::new(AtomicUsize::new(0));
    interleave(|| map.insert(Key(2), "new"), {
        let misses = Arc::clone(&misses);
        move || {
            misses.fetch_add(usize::from(map.get(&Key(2)).is_none()), Ordering::Relaxed);
        }
    });
    assert_eq!(*map.get(&Key(2)).unwrap().value(), "new");
    assert!(misses.load(Ordering::Relaxed) > 0, "an overwriting insert no longer hides the key");
}

/// Why only the holder of the writer lock removes elements.
#[test]
fn two_removals_of_one_element_both_succeed() {
    // Which comparison is the last before the outer removal acts depends on the heights of the elements.
    let removals = (0..32).map(removals_with_the_inner_at).max();
    assert_eq!(removals, Some(2), "of two removals at once only one succeeds now");
}

/// How often one element is removed when a second removal runs inside the `comparison`-th comparison of the first.
fn removals_with_the_inner_at(comparison: usize) -> usize {
    let map = two_keys();
    let inner = Arc::new(AtomicUsize::new(0));
    let outer = interleave(|| map.remove(&Key(2)).is_some(), {
        let inner = Arc::clone(&inner);
        // Held beyond the outer removal, as another thread would hold it.
        let mut held = Vec::new();
        let mut comparisons = 0;
        move || {
            if comparisons == comparison {
                held.extend(map.remove(&Key(2)));
                inner.store(held.len(), Ordering::Relaxed);
            }
            comparisons += 1;
        }
    });
    inner.load(Ordering::Relaxed) + usize::from(outer)
}

/// Why the map walks from entry to entry and does not use `range`.
#[test]
fn a_walked_range_leaks_later_removals() {
    let all_entries = dropped_after(|list, guard| {
        let mut entries = list.ref_iter();
        let walked = std::iter::from_fn(|| entries.next(guard)).map(|entry| entry.release(guard)).count();
        entries.drop_impl(guard);
        walked
    });
    assert_eq!(all_entries, ENTRIES, "walking all entries keeps nothing");
    let range = dropped_after(|list, guard| {
        let mut entries = list.ref_range::<usize, _>(0..);
        let walked = std::iter::from_fn(|| entries.next(guard)).map(|entry| entry.release(guard)).count();
        entries.drop_impl(guard);
        walked
    });
    assert!(range < ENTRIES, "walking a range no longer leaks");
}

const ENTRIES: usize = 100;

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many values are dropped when `walk` walked over all of them, all were removed and the list is gone.
fn dropped_after(walk: impl Fn(&SkipList<usize, CountsDrops>, &Guard) -> usize) -> usize {
    // A collector of its own, so that no other test holds back what is to be dropped.
    let collector = Collector::new();
    let handle = collector.register();
    let drops = Arc::new(AtomicUsize::new(0));
    let list = SkipList::new(collector);
    for key in 0..ENTRIES {
        let guard = &handle.pin();
        list.insert(key, CountsDrops(Arc::clone(&drops)), guard).release(guard);
    }
    assert_eq!(walk(&list, &handle.pin()), ENTRIES);
    for key in 0..ENTRIES {
        let guard = &handle.pin();
        list.remove(&key, guard).unwrap().release(guard);
    }
    drop(list);
    for _ in 0..10 {
        handle.pin().flush();
    }
    drops.load(Ordering::Relaxed)
}

/// Why an insert that depends on existing keys is decided before, under the writer lock.
#[test]
fn a_conditional_insert_skips_its_condition_if_the_key_is_absent() {
    let map = SkipMap::new();
    let asked = AtomicUsize::new(0);
    let refuse = |_: &&str| {
        asked.fetch_add(1, Ordering::Relaxed);
        false
    };
    map.compare_insert(1, "one", refuse);
    assert_eq!((asked.load(Ordering::Relaxed), map.len()), (0, 1), "the closure now decides about absent keys too");
}
