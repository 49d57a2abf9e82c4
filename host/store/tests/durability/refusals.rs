//! Commits, refusals, expiry, snapshots and ends of the process in any order: the store behaves like a model that knows which commits
//! happened.
//!
//! `MANTIS_TORTURE=n` takes n times as many runs.

use std::sync::Arc;
use std::task::Poll;

use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{Clock, Direction, Durability, Error, KeyRange, ManualClock, Snapshot, Store, Version};

use super::{Model, commit_writes, due_writes, options, outcome, some_writes, torture};
use crate::support::{Numbers, START_MS};

/// A store under `Always` on a disk that is full now and then.
struct Run {
    disk: FailingDisk<MemoryDisk>,
    clock: Arc<ManualClock>,
    store: Option<Store>,
    /// The certain state, and the state if everything pending happens.
    certain: Model,
    hoped: Model,
    pending: Vec<Version>,
    given: Version,
    snapshots: Vec<Snapshot>,
    numbers: Numbers,
    feed_bytes_max: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Self {
            disk: FailingDisk::new(MemoryDisk::new()),
            clock: Arc::new(ManualClock::new(START_MS)),
            store: None,
            certain: Model::new(),
            hoped: Model::new(),
            pending: Vec::new(),
            given: 0,
            snapshots: Vec::new(),
            numbers: Numbers::new(seed),
            feed_bytes_max: if seed.is_multiple_of(3) { 2_000 } else { usize::MAX },
        };
        run.reopen();
        run
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.numbers.below(20) {
            0..9 => self.commit(),
            9 => self.expire(),
            10..13 => self.flush(),
            13..16 => self.refuse(),
            16 => self.snapshots.push(self.store().snapshot()),
            17 if !self.snapshots.is_empty() => {
                let place = self.numbers.below(self.snapshots.len() as u64) as usize;
                self.snapshots.swap_remove(place);
            }
            17 => {}
            18 => _ = self.store().checkpoint().unwrap(),
            _ => self.reopen(),
        }
        self.check();
    }

    fn commit(&mut self) {
        self.clock.advance_ms(self.numbers.below(4));
        let writes = some_writes(&mut self.numbers, 3, self.clock.now_ms());
        let version = commit_writes(self.store(), &writes);
        if self.hoped.commit(self.given + 1, self.clock.now_ms(), &writes) {
            assert_eq!(version, self.given + 1);
            self.given = version;
            self.pending.push(version);
        } else {
            assert_eq!(version, self.hoped.newest().0, "nothing to do is no commit");
        }
    }

    fn expire(&mut self) {
        let due = due_writes(self.hoped.newest().1, self.clock.now_ms());
        assert_eq!(self.store().maintain(usize::MAX), due.len());
        if self.hoped.commit(self.given + 1, self.clock.now_ms(), &due) {
            self.given += 1;
            self.pending.push(self.given);
        }
    }

    fn flush(&mut self) {
        self.store().flush();
        self.certain = self.hoped.clone();
        self.settle(Ok(()));
    }

    fn refuse(&mut self) {
        let (only, error) = (Some(Operation::Write), std::io::ErrorKind::StorageFull);
        self.disk.plan(Some(Fault { at: 0, only, times: 1, error }));
        self.store().flush();
        self.disk.plan(None);
        self.hoped = self.certain.clone();
        self.settle(Err(Error::DiskFull));
    }

    fn settle(&mut self, as_expected: Result<(), Error>) {
        for version in std::mem::take(&mut self.pending) {
            assert_eq!(outcome(self.store(), version), Poll::Ready(as_expected), "{version}");
        }
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        self.store = None;
        let mut options = options(&self.clock, 1);
        (options.feed_bytes_max, options.snapshot_age_ms_max) = (self.feed_bytes_max, u64::MAX);
        let (store, recovered) = Store::open(options, Arc::new(self.disk.clone()), Durability::Always).unwrap();
        assert_eq!((recovered.version, recovered.cut), (self.certain.newest().0, None));
        self.hoped = self.certain.clone();
        self.pending.clear();
        self.given = recovered.version;
        self.store = Some(store);
    }

    fn check(&mut self) {
        assert_eq!(self.store().newest(), self.hoped.newest().0);
        assert!(self.pending.iter().all(|version| outcome(self.store(), *version) == Poll::Pending));
        let now_ms = self.clock.now_ms();
        self.clock.set_ms(0);
        for snapshot in &self.snapshots {
            let mut seen = super::State::new();
            let see = |key: &[u8], entry| {
                seen.insert(key.to_vec(), entry);
                std::ops::ControlFlow::Continue(())
            };
            snapshot.visit_shared(&KeyRange::all(), Direction::Forward, see).unwrap();
            assert_eq!(Some(&seen), self.certain.states.get(&snapshot.version()), "at {}", snapshot.version());
        }
        if self.pending.is_empty() {
            self.certain.check(self.store()).unwrap();
        } else {
            // The statistics include pending commits.
            assert_eq!(super::state_of(self.store()), *self.certain.newest().1);
            let start = self.store().feed_start().version;
            assert_eq!(super::feed_of(self.store()), self.certain.changes_within(start, self.store().version()));
        }
        self.clock.set_ms(now_ms);
    }

    /// When nobody reads the past any more, nothing of it is left.
    fn finish(mut self) {
        self.flush();
        self.snapshots.clear();
        let keys = self.store().stats().keys;
        self.clock.set_ms(0);
        for _ in 0..3 {
            self.store().maintain(10_000);
        }
        let stats = self.store().stats();
        assert_eq!((stats.versions, stats.prune_backlog, stats.keys), (keys, 0, keys));
    }
}

#[test]
fn a_refused_operation_leaves_no_trace_in_the_store() {
    for seed in 0..600 * torture() {
        let mut run = Run::new(seed);
        (0..80).for_each(|_| run.step());
        run.finish();
    }
}
