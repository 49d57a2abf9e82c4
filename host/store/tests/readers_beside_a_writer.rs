//! A reader during writes never misses a key, never sees a removed one, and never sees a value of the wrong moment.
//!
//! Every commit of the writer follows a schedule, so that what a reader must see at a version can be computed and compared.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mantis_store::{Direction, Expect, KeyRange, Store, Update, Version};

use crate::support::{Numbers, Working, commit, store};

/// Readers besides the one writer.
const READERS: usize = 2;
/// Keys that each reader reads in a run. There are eight runs: 12.8 million reads.
const READS_PER_READER: u64 = 800_000;
/// Keys in one scan, at most.
const SCAN_KEYS_MAX: u64 = 64;

#[test]
fn overwriting_every_key_hides_none_from_readers() {
    check(|_| false);
}

#[test]
fn deleting_neighbours_hides_no_other_key() {
    check(|key| key % 2 == 1);
}

#[test]
fn deleting_runs_of_neighbours_hides_no_other_key() {
    check(|key| key % 32 != 0);
}

#[test]
fn deleting_and_rewriting_every_key_hides_no_live_key() {
    check(|_| true);
}

/// The indexes grow and shrink while readers must find exactly the keys that are there.
#[test]
fn growth_and_shrinking_hide_no_key() {
    const KEYS: u64 = 100_000;
    const ROUNDS: u64 = 3;
    let store = store();
    let writers = AtomicUsize::new(1);
    thread::scope(|scope| {
        let working = Working::one_of(&writers);
        let store = &store;
        scope.spawn(move || {
            let _working = working;
            for _ in 0..ROUNDS {
                let write = |key: u64, update| _ = store.write(&name(key), update, Expect::Anything, None).unwrap();
                (0..KEYS).for_each(|key| write(key, Update::Put { value: "".into(), expires_at_ms: None }));
                (0..KEYS).for_each(|key| write(key, Update::Delete));
            }
        });
        for seed in 0..READERS as u64 {
            let writers = &writers;
            scope.spawn(move || {
                let mut numbers = Numbers::new(seed + 1);
                while writers.load(Ordering::Relaxed) > 0 {
                    // Each round writes all keys in order and then deletes them in order.
                    let before = store.version();
                    let (turn, written) = (before % KEYS, (before / KEYS).is_multiple_of(2));
                    let key = numbers.below(KEYS);
                    let expected = (key < turn) == written;
                    let found = store.get(&name(key)).is_some();
                    // Between the two, at most this many commits came.
                    let passed = store.version() - before;
                    let far = (turn..turn + passed).all(|touched| touched % KEYS != key) && passed < KEYS;
                    assert!(!far || found == expected, "key {key} at {before} + {passed}: found is {found}");
                    let snapshot = store.snapshot();
                    let version = snapshot.version();
                    let expected = (key < version % KEYS) == (version / KEYS).is_multiple_of(2);
                    assert_eq!(snapshot.get(&name(key)).unwrap().is_some(), expected, "key {key} at {version}");
                }
            });
        }
    });
    assert_eq!((store.version(), store.stats().keys), (2 * KEYS * ROUNDS, 0));
}

fn name(key: u64) -> [u8; 8] {
    // Spread over the order as well.
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// A scan is made in parts. Whatever happens to the keys between two parts, and to the key at which one ends, every key of the snapshot is
/// shown once.
#[test]
fn a_long_scan_keeps_its_place_while_keys_come_and_go() {
    const KEYS: u32 = 5_000;
    for direction in [Direction::Forward, Direction::Reverse] {
        let store = store();
        commit(&store, |transaction| (0..KEYS).for_each(|key| transaction.put(&(key * 2).to_be_bytes(), "", None)));
        for pinned in [true, false] {
            let snapshot = store.snapshot();
            let mut seen = Vec::new();
            let outcome = snapshot.visit_shared(&KeyRange::all(), direction, |key, _| {
                seen.push(u32::from_be_bytes(key.try_into().unwrap()));
                let write = |key: &[u8], update| _ = store.write(key, update, Expect::Anything, None).unwrap();
                if !pinned {
                    // The last key shown is still there for this snapshot only; others appear around it.
                    write(key, Update::Delete);
                    let neighbour = (seen[seen.len() - 1] + 1).to_be_bytes();
                    write(&neighbour, Update::Put { value: "".into(), expires_at_ms: None });
                    store.maintain(10);
                }
                ControlFlow::Continue(())
            });
            outcome.unwrap();
            if direction == Direction::Reverse {
                seen.reverse();
            }
            assert!(seen.iter().copied().eq((0..KEYS).map(|key| key * 2)), "{direction:?}");
        }
    }
}

/// Readers during writes that delete and rewrite the keys that `churned` names and overwrite the others: few keys with short names, and
/// many that differ only after the end of the map's inline prefix.
#[track_caller]
fn check(churned: fn(u64) -> bool) {
    run(&Schedule { keys: (0..8).map(|key| format!("{key}").into()).collect(), churned });
    run(&Schedule { keys: (0..1_024).map(|key| format!("the same first bytes/{key:04}").into()).collect(), churned });
}

#[track_caller]
fn run(schedule: &Schedule) {
    let store = store();
    commit(&store, |transaction| schedule.keys.iter().for_each(|key| transaction.put(key.as_bytes(), value(1), None)));
    let readers = AtomicUsize::new(READERS);
    thread::scope(|scope| {
        scope.spawn(|| {
            while readers.load(Ordering::Relaxed) > 0 {
                schedule.write_next(&store);
            }
        });
        for seed in 0..READERS as u64 {
            let working = Working::one_of(&readers);
            let store = &store;
            scope.spawn(move || {
                let _working = working;
                read(store, schedule, &mut Numbers::new(seed + 1));
            });
        }
    });
    assert!(store.version() > 1_000, "the writer hardly ran");
}

fn read(store: &Store, schedule: &Schedule, numbers: &mut Numbers) {
    let mut reads = 0;
    while reads < READS_PER_READER {
        for _ in 0..SCAN_KEYS_MAX {
            schedule.check_newest(store, numbers.below(schedule.key_count()));
        }
        reads += SCAN_KEYS_MAX + schedule.check_snapshot(store, numbers);
    }
}

fn value(version: Version) -> Vec<u8> {
    version.to_le_bytes().to_vec()
}

/// The writes of each commit: the first writes all keys, and every later one the next key in turn.
struct Schedule {
    keys: Vec<Box<str>>,
    /// The keys that are deleted in even rounds.
    churned: fn(u64) -> bool,
}

impl Schedule {
    fn key_count(&self) -> u64 {
        self.keys.len() as u64
    }

    fn key(&self, key: u64) -> &[u8] {
        self.keys[usize::try_from(key).unwrap()].as_bytes()
    }

    /// The value of `key` at `version`, named by the commit that wrote it.
    fn live_at(&self, key: u64, version: Version) -> Option<Version> {
        let Some(turns) = version.checked_sub(2 + key) else { return Some(1) };
        let round = turns / self.key_count();
        (!self.deletes(key, round)).then_some(2 + key + round * self.key_count())
    }

    fn deletes(&self, key: u64, round: u64) -> bool {
        round.is_multiple_of(2) && (self.churned)(key)
    }

    fn write_next(&self, store: &Store) {
        let version = store.version() + 1;
        let turns = version - 2;
        let (key, round) = (turns % self.key_count(), turns / self.key_count());
        let update = if self.deletes(key, round) {
            Update::Delete
        } else {
            Update::Put { value: value(version).into(), expires_at_ms: None }
        };
        let written = store.write(self.key(key), update, Expect::Anything, None).unwrap().unwrap();
        assert_eq!(written.version, version);
        if version.is_multiple_of(64) {
            store.maintain(64);
        }
    }

    /// The newest value of `key` must have been the newest at some moment of the read.
    #[track_caller]
    fn check_newest(&self, store: &Store, key: u64) {
        let before = store.version();
        let entry = store.get(self.key(key));
        let after = store.version();
        let seen = entry.as_ref().map(|entry| entry.version);
        assert!(
            seen == self.live_at(key, before) || (before..=after).any(|version| self.live_at(key, version) == seen),
            "key {key} read as {seen:?} between the commits {before} and {after}"
        );
        if let Some(entry) = entry {
            assert_eq!(entry.value, value(entry.version), "key {key} has another commit's value");
        }
    }

    /// A snapshot, read by key and by scans, must show exactly its version. Returns how many keys were read.
    #[track_caller]
    fn check_snapshot(&self, store: &Store, numbers: &mut Numbers) -> u64 {
        let snapshot = store.snapshot();
        let version = snapshot.version();
        let start = numbers.below(self.key_count());
        let end = (start + SCAN_KEYS_MAX).min(self.key_count());
        let range =
            KeyRange { start: Bound::Included(self.key(start).into()), end: Bound::Included(self.key(end - 1).into()) };
        let mut expected: Vec<_> =
            (start..end).filter_map(|key| Some((self.key(key), self.live_at(key, version)?))).collect();
        for direction in [Direction::Forward, Direction::Reverse] {
            let mut seen = Vec::new();
            let see = |key: &[u8], entry: mantis_store::Entry| {
                seen.push((Box::<[u8]>::from(key), entry.version));
                ControlFlow::Continue(())
            };
            snapshot.visit_shared(&range, direction, see).unwrap();
            let seen: Vec<_> = seen.iter().map(|(key, version)| (&key[..], *version)).collect();
            assert_eq!(seen, expected, "scan {direction:?} at {version}");
            expected.reverse();
        }
        let entry = snapshot.get(self.key(start)).unwrap();
        assert_eq!(entry.map(|entry| entry.version), self.live_at(start, version), "key {start} at {version}");
        2 * (end - start) + 1
    }
}
