//! The store behaves like a plain map of every version, under any operations in any order.

mod operations;
mod reference;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use mantis_store::{
    Direction, Entry, EntryHeader, Error, Expect, FeedCursor, Isolation, KeyRange, ManualClock, Refused, Savepoint,
    Snapshot, Store, Transaction, Update, Written,
};
use proptest::prelude::*;

use self::operations::{Expected, KEYS, Operation, SLOTS, Scan, Write, operations};
use self::reference::{Changed, Key, Listing, Put, Read, Reference, Writes};
use crate::support::{START_MS, store_with};

const SNAPSHOT_AGE_MS_MAX: u64 = 60;

/// Lookups under the lock at most: all transactions are validated ahead of it, or those of many reads, or none.
const ANY_VALIDATION: std::ops::Range<u64> = 0..4;

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(6_000)))]

    #[test]
    fn the_store_behaves_like_the_model(operations in operations(), under_lock_max in ANY_VALIDATION) {
        let mut run = Run::new(under_lock_max);
        for operation in operations {
            run.perform(operation);
            run.check();
        }
        run.finish();
    }
}

/// A store, its model, and what is open on both.
struct Run {
    store: Store,
    clock: Arc<ManualClock>,
    reference: Reference,
    transactions: [Option<Open>; SLOTS],
    snapshots: [Option<Pinned>; SLOTS],
    cursor: FeedCursor,
    followed: usize,
}

struct Open {
    transaction: Transaction,
    pin: Pin,
    isolation: Isolation,
    began: u64,
    writes: Writes,
    reads: Vec<Read>,
    savepoints: Vec<(Savepoint, Writes)>,
}

struct Pinned {
    snapshot: Snapshot,
    pin: Pin,
    version: u64,
}

struct Pin {
    since_ms: u64,
    revoked: Cell<bool>,
}

impl Pin {
    fn at(passed_ms: u64) -> Self {
        Self { since_ms: passed_ms, revoked: Cell::new(false) }
    }

    fn revoke_if_old(&self, passed_ms: u64) -> bool {
        let revokes = !self.revoked.get() && passed_ms - self.since_ms > SNAPSHOT_AGE_MS_MAX;
        self.revoked.set(self.revoked.get() || revokes);
        revokes
    }

    /// The result of a read while the pin is held.
    fn allows<T>(&self, read: T) -> Result<T, Error> {
        if self.revoked.get() { Err(Error::SnapshotTooOld) } else { Ok(read) }
    }
}

impl Run {
    fn new(validated_under_lock_max: u64) -> Self {
        let (store, clock) = store_with(|options| {
            options.validated_under_lock_max = validated_under_lock_max;
            options.snapshot_age_ms_max = SNAPSHOT_AGE_MS_MAX;
            options.space_prefix_bytes = 1;
        });
        Self {
            store,
            clock,
            reference: Reference::new(START_MS),
            transactions: Default::default(),
            snapshots: Default::default(),
            cursor: FeedCursor::after(0),
            followed: 0,
        }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Write { key, write, expect, unchanged } => self.write(KEYS[key], &write, expect, unchanged),
            Operation::Exclusively { writes, fails } => self.exclusively(&writes, fails),
            Operation::Begin { slot, isolation } => self.begin(slot, isolation),
            Operation::Buffer { slot, key, write } => self.buffer(slot, KEYS[key], &write),
            Operation::Get { slot, key } => self.with(slot, |reference, open| open.get(reference, KEYS[key])),
            Operation::Visit { slot, scan } => self.with(slot, |reference, open| open.visit(reference, &scan)),
            Operation::Savepoint { slot } => self.with(slot, |_, open| {
                open.savepoints.push((open.transaction.savepoint(), open.writes.clone()));
            }),
            Operation::RollBack { slot } => self.with(slot, |_, open| {
                if let Some((savepoint, writes)) = open.savepoints.pop() {
                    open.transaction.rollback_to(savepoint);
                    open.writes = writes;
                }
            }),
            Operation::RollBackToFirst { slot } => self.with(slot, |_, open| {
                if let Some((savepoint, writes)) = open.savepoints.drain(..).next() {
                    open.transaction.rollback_to(savepoint);
                    open.writes = writes;
                }
            }),
            Operation::Release { slot } => self.with(slot, |_, open| {
                if let Some((savepoint, _)) = open.savepoints.pop() {
                    open.transaction.release(savepoint);
                }
            }),
            Operation::Commit { slot } => self.commit(slot),
            Operation::Abandon { slot } => self.transactions[slot] = None,
            Operation::Pin { slot } => {
                self.snapshots[slot] = Some(Pinned {
                    snapshot: self.store.snapshot(),
                    pin: Pin::at(self.reference.passed_ms),
                    version: self.reference.version(),
                });
            }
            Operation::Unpin { slot } => self.snapshots[slot] = None,
            Operation::PinnedGet { slot, key } => self.with_pinned(slot, |reference, pinned| {
                let expected = pinned.pin.allows(reference.get(pinned.version, KEYS[key]));
                assert_eq!(pinned.snapshot.get(KEYS[key]), expected);
                let all = KEYS.iter().map(|key| reference.get(pinned.version, key)).collect();
                let mut seen = vec![None; KEYS.len()];
                let outcome = pinned.snapshot.get_many(&KEYS, |place, header, value| {
                    let EntryHeader { version, modified_ms, expires_at_ms } = *header;
                    let value = Bytes::copy_from_slice(value);
                    seen[place] = Some(Entry { value, version, modified_ms, expires_at_ms });
                    ControlFlow::Continue(())
                });
                assert_eq!(outcome.map(|()| seen), pinned.pin.allows(all));
            }),
            Operation::PinnedVisit { slot, scan } => self.with_pinned(slot, |reference, pinned| {
                let seen = listing(&scan, |range, direction, see| pinned.snapshot.visit_shared(range, direction, see));
                let expected = expected_listing(reference, pinned.version, &scan, &Writes::new());
                assert_eq!(seen, pinned.pin.allows(expected), "{scan:?}");
            }),
            Operation::Maintain { keys_max } => self.maintain(keys_max),
            Operation::Follow { changes_max, only } => self.follow(changes_max, only.map(|key| KEYS[key])),
            Operation::Pass { ms } => {
                self.reference.now_ms += ms;
                self.reference.passed_ms += ms;
                self.clock.advance_ms(ms);
            }
            Operation::SetClock { by_ms } => {
                self.reference.now_ms = self.reference.now_ms.saturating_add_signed(by_ms);
                self.clock.set_ms(self.reference.now_ms);
            }
        }
    }

    fn with(&mut self, slot: usize, work: impl FnOnce(&Reference, &mut Open)) {
        if let Some(open) = &mut self.transactions[slot] {
            work(&self.reference, open);
        }
    }

    fn with_pinned(&self, slot: usize, work: impl FnOnce(&Reference, &Pinned)) {
        if let Some(pinned) = &self.snapshots[slot] {
            work(&self.reference, pinned);
        }
    }

    fn put_of(&self, write: &Write) -> Option<Put> {
        match write {
            Write::Put { value, expires_in_ms } => Some(Put {
                value: vec![*value; usize::from(*value % 5)],
                expires_at_ms: expires_in_ms.map(|in_ms| self.reference.now_ms.saturating_add_signed(in_ms)),
            }),
            Write::Delete => None,
        }
    }

    fn write(&mut self, key: &[u8], write: &Write, expect: Expected, unchanged: Option<(usize, bool)>) {
        let now = self.reference.version();
        let previous = self.reference.get(now, key);
        let current = previous.as_ref().map(|entry| entry.version);
        let expect = match expect {
            Expected::Anything => Expect::Anything,
            Expected::Absent => Expect::Absent,
            Expected::Present => Expect::Present,
            Expected::TheVersion => Expect::Version(current.unwrap_or(0)),
            Expected::AnotherVersion => Expect::Version(current.map_or(1, |version| version + 1)),
        };
        let guard = unchanged.map(|(guard, right)| {
            let version = self.reference.get(now, KEYS[guard]).map(|entry| entry.version);
            let named = version.unwrap_or(1) + u64::from(!right);
            (KEYS[guard], named, version == Some(named))
        });
        let put = self.put_of(write);
        let outcome = self.store.write(key, update_of(put.as_ref()), expect, guard.map(|(key, named, _)| (key, named)));
        let expected = if guard.is_some_and(|(_, _, holds)| !holds) {
            self.reference.conflicts += 1;
            Err(Error::Conflict)
        } else if expect.holds(current) {
            Ok(Ok(Written { version: self.reference.commit([(key.to_vec(), put)]), previous }))
        } else {
            Ok(Err(Refused { current: previous, seen: self.reference.version() }))
        };
        assert_eq!(outcome, expected);
    }

    fn exclusively(&mut self, writes: &[(usize, Write)], fails: bool) {
        let all = Scan { range: KeyRange::all(), direction: Direction::Reverse, entries_max: usize::MAX };
        let mut own = Writes::new();
        let outcome = self.store.exclusively(|transaction| {
            for (key, write) in writes {
                let put = self.put_of(write);
                buffer(transaction, KEYS[*key], put.as_ref());
                own.insert(KEYS[*key].to_vec(), put);
            }
            let seen = listing(&all, |range, direction, see| transaction.visit_shared(range, direction, see)).unwrap();
            assert_eq!(seen, expected_listing(&self.reference, self.reference.version(), &all, &own));
            if fails { Err("on purpose") } else { Ok(seen.len()) }
        });
        match outcome {
            Ok((_, version)) => assert_eq!(version, self.reference.commit(own)),
            Err(_) => assert!(fails),
        }
    }

    fn begin(&mut self, slot: usize, isolation: Isolation) {
        self.transactions[slot] = Some(Open {
            transaction: self.store.begin_with(isolation),
            pin: Pin::at(self.reference.passed_ms),
            isolation,
            began: self.reference.version(),
            writes: Writes::new(),
            reads: Vec::new(),
            savepoints: Vec::new(),
        });
    }

    fn buffer(&mut self, slot: usize, key: &[u8], write: &Write) {
        let put = self.put_of(write);
        self.with(slot, |_, open| {
            buffer(&mut open.transaction, key, put.as_ref());
            open.writes.insert(key.to_vec(), put);
        });
    }

    fn commit(&mut self, slot: usize) {
        let Some(open) = self.transactions[slot].take() else { return };
        let Open { transaction, pin, isolation, began, writes, reads, .. } = open;
        let outcome = transaction.commit();
        let reference = &mut self.reference;
        let conflict = match isolation {
            Isolation::Serializable => reference.are_outdated(began, &reads),
            Isolation::Snapshot => writes.keys().any(|key| reference.has_changed_since(began, key)),
        };
        if writes.is_empty() {
            assert_eq!(outcome, Ok(began), "readers always succeed");
        } else if pin.revoked.get() {
            assert_eq!(outcome, Err(Error::SnapshotTooOld));
        } else if conflict {
            assert_eq!(outcome, Err(Error::Conflict), "{reads:?}");
            reference.conflicts += 1;
        } else {
            let repeatable = isolation == Isolation::Snapshot || reads.iter().all(|read| reference.would_repeat(read));
            assert!(repeatable, "serialisable means that the reads would be the same now: {reads:?}");
            assert_eq!(outcome, Ok(reference.commit(writes)));
        }
    }

    fn maintain(&mut self, keys_max: usize) {
        let passed_ms = self.reference.passed_ms;
        let revoked = self.pins().filter(|pin| pin.revoke_if_old(passed_ms)).count();
        self.reference.revoked += revoked as u64;
        assert_eq!(self.store.maintain(keys_max), self.reference.expire(keys_max));
    }

    fn pins(&self) -> impl Iterator<Item = &Pin> {
        let open = self.transactions.iter().flatten().map(|open| &open.pin);
        open.chain(self.snapshots.iter().flatten().map(|pinned| &pinned.pin))
    }

    fn follow(&mut self, changes_max: usize, only: Option<&[u8]>) {
        let wanted = |key: &[u8]| only.is_none_or(|only| only == key);
        let page = self.store.changes(self.cursor, changes_max, wanted).unwrap();
        let mut seen = page.changes.iter();
        while self.followed < self.reference.changes.len() && !(seen.len() == 0 && page.changes.len() == changes_max) {
            let expected = &self.reference.changes[self.followed];
            if wanted(&expected.key) {
                let Some(change) = seen.next() else { break };
                let put = change
                    .value
                    .as_ref()
                    .map(|value| Put { value: value.to_vec(), expires_at_ms: change.expires_at_ms });
                let changed = Changed {
                    key: change.key().to_vec(),
                    put,
                    version: change.version,
                    previous: change.previous,
                    time_ms: change.time_ms,
                };
                assert_eq!(changed, *expected);
            }
            self.followed += 1;
        }
        assert!(seen.next().is_none());
        assert_eq!(page.at_end, self.followed == self.reference.changes.len());
        // Only the start of the next page matters; the cursor's form is the feed's own affair.
        self.cursor = page.cursor;
    }

    /// What must hold after every operation.
    fn check(&self) {
        let (store, reference) = (&self.store, &self.reference);
        let version = reference.version();
        assert_eq!(store.version(), version);
        for key in KEYS {
            assert_eq!(store.get(key), reference.get(version, key), "{key:?}");
        }
        let held = reference.held();
        let stats = store.stats();
        let counters = (stats.version, stats.commits, stats.feed_commits, stats.conflicts, stats.expired);
        assert_eq!(counters, (version, version, version, reference.conflicts, reference.expired));
        let bytes = |of: fn((&Key, &Entry)) -> usize| held.iter().map(of).sum::<usize>() as u64;
        let (key_bytes, value_bytes) = (bytes(|(key, _)| key.len()), bytes(|(_, entry)| entry.value.len()));
        assert_eq!((stats.keys, stats.key_bytes, stats.value_bytes), (held.len() as u64, key_bytes, value_bytes));
        assert_eq!(store.bytes(), key_bytes + value_bytes);
        assert_eq!(stats.deadlines, held.values().filter(|entry| entry.expires_at_ms.is_some()).count() as u64);
        assert_eq!(stats.versions + stats.pruned, reference.changes.len() as u64, "every change made a version");
        let pins: Vec<_> = self.pins().filter(|pin| !pin.revoked.get()).collect();
        let age_ms = pins.iter().map(|pin| reference.passed_ms - pin.since_ms).max();
        assert_eq!((stats.snapshots, stats.snapshots_revoked), (pins.len() as u64, reference.revoked));
        assert_eq!(stats.oldest_snapshot_age_ms, age_ms.unwrap_or(0));
        for first in KEYS.iter().filter_map(|key| key.first()) {
            let keys = held.keys().filter(|key| key.first() == Some(first)).count();
            assert_eq!(store.space(&[*first]).keys, keys as u64);
        }
    }

    /// When everything that was open is closed, everything superseded is gone; and the feed has shown everything.
    fn finish(mut self) {
        self.transactions = Default::default();
        self.snapshots = Default::default();
        self.maintain(1_000);
        self.check();
        assert_eq!(self.store.stats().versions, self.reference.held().len() as u64, "superseded versions were left");
        while self.followed < self.reference.changes.len() {
            self.follow(7, None);
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            let all = Scan { range: KeyRange::all(), direction, entries_max: usize::MAX };
            let snapshot = self.store.snapshot();
            let seen = listing(&all, |range, direction, see| snapshot.visit_shared(range, direction, see));
            assert_eq!(seen, Ok(expected_listing(&self.reference, snapshot.version(), &all, &Writes::new())));
        }
    }
}

impl Open {
    fn get(&mut self, reference: &Reference, key: &[u8]) {
        let seen = self.transaction.get(key);
        let Some(own) = self.writes.get(key) else {
            let expected = reference.get(self.began, key);
            let version = expected.as_ref().map(|entry| entry.version);
            assert_eq!(seen, self.pin.allows(expected));
            if seen.is_ok() && !self.reads.iter().any(|read| matches!(read, Read::Key { key: read, .. } if read == key))
            {
                self.reads.push(Read::Key { key: key.to_vec(), seen: version });
            }
            return;
        };
        let expected = own.as_ref().filter(|put| put.expires_at_ms.is_none_or(|at_ms| at_ms > reference.now_ms));
        let seen = seen.unwrap().map(|entry| (entry.version, entry.value.to_vec()));
        assert_eq!(seen, expected.map(|put| (0, put.value.clone())));
    }

    fn visit(&mut self, reference: &Reference, scan: &Scan) {
        let seen = listing(scan, |range, direction, see| self.transaction.visit_shared(range, direction, see));
        if scan.range.is_empty() {
            assert_eq!(seen, Ok(Listing::new()));
            return;
        }
        let expected = expected_listing(reference, self.began, scan, &self.writes);
        assert_eq!(seen, self.pin.allows(expected), "{scan:?} over {:?}", self.writes);
        let Ok(seen) = seen else { return };
        let range = match seen.last() {
            Some((last, _)) if seen.len() == scan.entries_max => scan.range.until(last, scan.direction),
            _ => scan.range.clone(),
        };
        let seen = reference.list(self.began, &range, Direction::Forward, &Writes::new());
        self.reads.push(Read::Range { range, at_ms: reference.now_ms, seen });
    }
}

fn update_of(put: Option<&Put>) -> Update {
    put.map_or(Update::Delete, |put| Update::Put { value: put.value.clone().into(), expires_at_ms: put.expires_at_ms })
}

fn buffer(transaction: &mut Transaction, key: &[u8], put: Option<&Put>) {
    match put {
        Some(put) => transaction.put(key, put.value.clone(), put.expires_at_ms),
        None => transaction.delete(key),
    }
}

type See<'s> = &'s mut dyn FnMut(&[u8], Entry) -> ControlFlow<()>;

/// The entries of a scan before it has enough.
fn listing(
    scan: &Scan,
    visit: impl FnOnce(&KeyRange, Direction, See<'_>) -> Result<(), Error>,
) -> Result<Listing, Error> {
    let mut seen = Listing::new();
    let mut see = |key: &[u8], entry: Entry| {
        seen.push((key.to_vec(), entry));
        if seen.len() == scan.entries_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    visit(&scan.range, scan.direction, &mut see)?;
    Ok(seen)
}

fn expected_listing(reference: &Reference, version: u64, scan: &Scan, own: &Writes) -> Listing {
    let mut listing = reference.list(version, &scan.range, scan.direction, own);
    listing.truncate(scan.entries_max);
    listing
}
