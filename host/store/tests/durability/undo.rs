//! A commit that the disk refused leaves no trace: the store continues as one that was never asked for it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{
    Direction, Durability, Error, Expect, FeedCursor, Isolation, KeyRange, ManualClock, Space, Store, Transaction,
    Update, Version,
};

use super::{Shown, feed_of, open, options, outcome, state_of};
use crate::support::{START_MS, commit, delete, exclusively, increment, number, put, put_until, value};

/// A store on a disk that can be full, under `Always`.
struct Full {
    store: Store,
    disk: FailingDisk<MemoryDisk>,
    memory: MemoryDisk,
    clock: Arc<ManualClock>,
}

impl Full {
    fn new() -> Self {
        let memory = MemoryDisk::new();
        let (disk, clock) = (FailingDisk::new(memory.clone()), Arc::new(ManualClock::new(START_MS)));
        let opened = Store::open(options(&clock, 5), Arc::new(disk.clone()), Durability::Always);
        Self { store: opened.unwrap().0, disk, memory, clock }
    }

    /// Does `work`, and makes the disk refuse all of its commits.
    #[track_caller]
    fn refuse(&self, work: impl FnOnce(&Store)) {
        let before = self.store.newest();
        work(&self.store);
        let pending = before + 1..=self.store.newest();
        self.disk.plan(Some(full_once()));
        self.store.flush();
        self.disk.plan(None);
        for version in pending {
            assert_eq!(outcome(&self.store, version), Poll::Ready(Err(Error::DiskFull)));
        }
        assert_eq!(self.store.disk_failure().map(|(_, for_good)| for_good), Some(false));
    }
}

fn full_once() -> Fault {
    Fault { at: 0, only: Some(Operation::Write), times: 1, error: std::io::ErrorKind::StorageFull }
}

/// The observable state of a store, without numbers of commits and counters of attempts.
#[derive(Debug, PartialEq)]
struct Observed {
    values: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>,
    spaces: [Space; 2],
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    versions: u64,
    deadlines: u64,
    prune_backlog: u64,
    bytes: u64,
    feed_commits: u64,
    feed_bytes: u64,
    feed: Vec<(Vec<u8>, Option<Vec<u8>>, bool)>,
}

impl Observed {
    fn of(store: &Store) -> Self {
        // Pruning runs one commit late, and a refused commit does its part of it.
        store.maintain(1_000);
        (0..3).for_each(|_| _ = store.prune(1_000));
        let stats = store.stats();
        let values = state_of(store).into_iter().map(|(key, entry)| (key, (entry.value.to_vec(), entry.expires_at_ms)));
        let without_numbers = |change: Shown| (change.key, change.value, change.previous.is_some());
        Self {
            values: values.collect(),
            spaces: [b"a", b"b"].map(|prefix| store.space(prefix)),
            keys: stats.keys,
            key_bytes: stats.key_bytes,
            value_bytes: stats.value_bytes,
            versions: stats.versions,
            deadlines: stats.deadlines,
            prune_backlog: stats.prune_backlog,
            bytes: store.bytes(),
            feed_commits: stats.feed_commits,
            feed_bytes: stats.feed_bytes,
            feed: feed_of(store).into_iter().map(without_numbers).collect(),
        }
    }
}

/// The initial state of all cases: a key with a value, one without, one with a deadline, one that was deleted.
fn prepare(store: &Store) {
    put(store, "a-old", "old");
    put(store, "b-other", "other");
    put_until(store, "a-until", "until", Some(START_MS + 50));
    put(store, "a-gone", "gone");
    store.flush();
    delete(store, "a-gone");
    store.flush();
}

/// The further work of all cases: it touches every key again, and every deadline.
fn go_on(store: &Store, clock: &ManualClock) {
    for round in 0..3 {
        for key in ["a-old", "a-new", "a-gone", "b-new"] {
            let version = put(store, key, &format!("{round}"));
            store.flush();
            assert_eq!(outcome(store, version), Poll::Ready(Ok(())));
        }
        delete(store, "a-new");
        put_until(store, "b-new", "short", Some(START_MS + 60 + round));
        store.flush();
        clock.set_ms(START_MS + 50 + 10 * round);
        store.maintain(10);
        store.flush();
    }
    clock.set_ms(START_MS + 1_000_000);
    for _ in 0..3 {
        store.maintain(1_000);
        store.flush();
    }
}

/// Compares a store that was refused `work` with one that was never asked for it, at once and after more work; with or without a snapshot
/// that keeps old versions alive meanwhile.
#[track_caller]
fn check_undone(case: &str, work: fn(&Store)) {
    for pinned in [false, true] {
        for times in [1, 3] {
            let (refused, other) = (Full::new(), Full::new());
            let mut pins = Vec::new();
            for full in [&refused, &other] {
                if pinned {
                    put(&full.store, "a-gone", "before");
                    full.store.flush();
                    pins.push(full.store.snapshot());
                }
                prepare(&full.store);
            }
            let case = format!("{case}, pinned: {pinned}, {times} times");
            let (visible, cursor) = (refused.store.version(), FeedCursor::after(refused.store.version()));
            for _ in 0..times {
                refused.refuse(work);
            }
            assert_eq!(Observed::of(&refused.store), Observed::of(&other.store), "{case}");
            assert_eq!(
                (refused.store.version(), refused.store.newest(), refused.store.stats().version),
                (visible, visible, visible)
            );
            assert!(refused.store.changes(cursor, 10, |_| true).unwrap().changes.is_empty(), "{case}");
            drop(pins);
            for full in [&refused, &other] {
                go_on(&full.store, &full.clock);
            }
            assert_eq!(Observed::of(&refused.store), Observed::of(&other.store), "{case}, after more work");
            assert_eq!(refused.store.stats().deadlines, 0);
            // Nothing of it is on the disk either.
            let (state, feed, version) = (state_of(&refused.store), feed_of(&refused.store), refused.store.version());
            drop(refused.store);
            let (store, recovered) = open(&refused.memory, Durability::Always).unwrap();
            assert_eq!((state_of(&store), feed_of(&store), store.version()), (state, feed, version), "{case}");
            assert_eq!(recovered.cut, None, "{case}");
        }
    }
}

fn put_pending_until(store: &Store, key: &str, at_ms: u64) {
    put_until(store, key, "pending", Some(at_ms));
}

/// A name, and the work that is refused.
type Case = (&'static str, fn(&Store));

#[test]
fn a_refused_commit_leaves_no_trace() {
    let cases: [Case; 17] = [
        ("a new key", |store| {
            put(store, "a-new", "pending");
        }),
        ("another value", |store| {
            put(store, "a-old", "pending");
        }),
        ("a deletion", |store| {
            delete(store, "a-old");
        }),
        ("a value over a deletion", |store| {
            put(store, "a-gone", "pending");
        }),
        ("a new key with a deadline", |store| put_pending_until(store, "a-new", START_MS + 5)),
        ("a deadline where there was none", |store| put_pending_until(store, "a-old", START_MS + 5)),
        ("an earlier deadline", |store| put_pending_until(store, "a-until", START_MS + 5)),
        ("a later deadline", |store| put_pending_until(store, "a-until", START_MS + 99)),
        ("the same deadline", |store| put_pending_until(store, "a-until", START_MS + 50)),
        ("no deadline any more", |store| {
            put(store, "a-until", "pending");
        }),
        ("the end of a deadline's key", |store| {
            delete(store, "a-until");
        }),
        ("several values of one key", |store| (0..4).for_each(|round| _ = put(store, "a-old", &"x".repeat(round)))),
        ("a key that comes and goes", |store| {
            put(store, "b-new", "1");
            delete(store, "b-new");
            put(store, "b-new", "2");
            delete(store, "b-new");
        }),
        ("a key that goes and comes", |store| {
            delete(store, "a-old");
            put(store, "a-old", "pending");
            put(store, "a-old", "pending again");
        }),
        ("a deletion and what follows, among others", |store| {
            delete(store, "b-other");
            put(store, "a-old", "pending");
            put(store, "b-other", "pending");
            delete(store, "a-old");
            put_until(store, "b-other", "pending", Some(START_MS + 7));
        }),
        ("a batch", |store| {
            commit(store, |transaction| {
                for key in ["a-old", "a-new", "a-gone", "b-new"] {
                    transaction.put(key.as_bytes(), "pending", None);
                }
                transaction.delete(b"a-until");
            });
        }),
        ("batches that overlap", |store| {
            for round in 0..3 {
                exclusively(store, |transaction| {
                    transaction.put(b"a-new", format!("{round}"), Some(START_MS + round));
                    transaction.put(b"a-gone", format!("{round}"), Some(START_MS + 9 - round));
                    transaction.delete(b"a-old");
                });
            }
        }),
    ];
    for (case, work) in cases {
        check_undone(case, work);
    }
}

#[test]
fn a_refused_commit_is_not_counted() {
    let full = Full::new();
    prepare(&full.store);
    let before = full.store.stats().commits;
    full.refuse(|store| {
        put(store, "a-new", "x");
        put(store, "a-old", "x");
        assert_eq!(store.stats().commits, before, "they may still be undone");
    });
    assert_eq!(full.store.stats().commits, before);
    assert_eq!(full.store.disk_stats().unwrap().commits_undone, 2);
    put(&full.store, "a-new", "y");
    full.store.flush();
    assert_eq!(full.store.stats().commits, before + 1);
}

#[test]
fn a_refused_expiry_is_repeated() {
    let full = Full::new();
    prepare(&full.store);
    full.clock.set_ms(START_MS + 50);
    full.refuse(|store| assert_eq!(store.maintain(10), 1));
    assert_eq!((full.store.get(b"a-until"), full.store.stats().deadlines), (None, 1), "hidden, and still due");
    assert_eq!(full.store.maintain(10), 1);
    full.store.flush();
    assert_eq!((full.store.stats().deadlines, full.store.stats().keys), (0, 2));
}

#[test]
fn commits_that_build_on_a_refused_one_are_refused() {
    let full = Full::new();
    full.refuse(|store| {
        let first = put(store, "a", "1");
        let update = || Update::Put { value: "2".into(), expires_at_ms: None };
        let written = store.write(b"a", update(), Expect::Version(first), None).unwrap().unwrap();
        assert_eq!(written.previous.map(|entry| entry.version), Some(first));
        store.write(b"b", update(), Expect::Absent, Some((b"a", written.version))).unwrap().unwrap();
        for _ in 0..3 {
            exclusively(store, |transaction| increment(transaction, b"count").unwrap());
        }
    });
    assert_eq!(full.store.stats().keys, 0);
    let (count, version) = exclusively(&full.store, |transaction| increment(transaction, b"count").unwrap());
    full.store.flush();
    assert_eq!((count, outcome(&full.store, version)), (1, Poll::Ready(Ok(()))));
    assert_eq!(number(&full.store.get(b"count").unwrap()), 1);
}

#[test]
fn only_answers_that_rest_on_a_refused_commit_fail() {
    let full = Full::new();
    put(&full.store, "a", "1");
    full.store.flush();
    let (mut seen, mut nothing_to_do) = (0, 0);
    full.refuse(|store| {
        delete(store, "a");
        seen = store.write(b"a", Update::Delete, Expect::Present, None).unwrap().unwrap_err().seen;
        nothing_to_do = delete(store, "a");
        assert_eq!([seen, nothing_to_do], [store.newest(); 2]);
        assert_eq!(outcome(store, seen), Poll::Pending);
    });
    for version in [seen, nothing_to_do] {
        assert_eq!(outcome(&full.store, version), Poll::Ready(Err(Error::DiskFull)));
    }
    // The same operations again: they see nothing that was refused.
    let update = Update::Put { value: "2".into(), expires_at_ms: None };
    let seen = full.store.write(b"a", update, Expect::Absent, None).unwrap().unwrap_err().seen;
    let nothing_to_do = delete(&full.store, "b");
    for version in [seen, nothing_to_do, full.store.newest()] {
        assert_eq!(outcome(&full.store, version), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_version_is_given_once_and_its_outcome_is_final() {
    let full = Full::new();
    let mut outcomes: Vec<(Version, Result<(), Error>)> = Vec::new();
    for round in 0..12 {
        let newest = outcomes.last().map_or(0, |(version, _)| *version);
        if round % 3 == 0 {
            let version = put(&full.store, "a", "1");
            full.store.flush();
            outcomes.push((version, Ok(())));
        } else {
            full.disk.plan(Some(full_once()));
            let version = put(&full.store, "a", "2");
            full.store.flush();
            outcomes.push((version, Err(Error::DiskFull)));
        }
        assert!(outcomes.last().unwrap().0 > newest);
        for (version, known) in &outcomes {
            assert_eq!(outcome(&full.store, *version), Poll::Ready(*known), "{version} of {outcomes:?}");
        }
    }
}

#[test]
fn an_old_refusal_is_not_taken_for_success() {
    const REFUSALS: usize = 2_000;
    let full = Full::new();
    let first = put(&full.store, "a", "1");
    full.store.flush();
    let (mut refused, mut done) = (Vec::new(), first);
    for _ in 0..REFUSALS {
        full.refuse(|store| refused.push(put(store, "a", "2")));
        done = put(&full.store, "a", "3");
        full.store.flush();
    }
    for (place, version) in refused.iter().enumerate() {
        let outcome = outcome(&full.store, *version);
        assert!(matches!(outcome, Poll::Ready(Err(_))), "{place} of {REFUSALS}: {outcome:?}");
        let is_recent = place + 1_000 > REFUSALS;
        assert!(!is_recent || outcome == Poll::Ready(Err(Error::DiskFull)), "{place}: {outcome:?}");
        assert!(place > 0 || outcome == Poll::Ready(Err(Error::ReasonForgotten)), "{place}: {outcome:?}");
    }
    for version in [0, first, done] {
        assert_eq!(outcome(&full.store, version), Poll::Ready(Ok(())), "{version}");
    }
}

#[test]
fn validation_ignores_refused_commits() {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let full = Full::new();
        put(&full.store, "a", "1");
        full.store.flush();
        let begin = || {
            let mut transaction = full.store.begin_with(isolation);
            assert_eq!(value(transaction.get(b"a").unwrap()).as_deref(), Some("1"));
            assert_eq!(transaction.get(b"new").unwrap(), None);
            transaction.put(b"a", "mine", None);
            transaction
        };
        let (early, late) = (begin(), begin());
        full.refuse(|store| {
            put(store, "a", "pending");
            put(store, "new", "pending");
            assert_eq!(early.commit(), Err(Error::Conflict), "it may yet happen");
        });
        let version = late.commit().unwrap();
        full.store.flush();
        assert_eq!(outcome(&full.store, version), Poll::Ready(Ok(())));
        assert_eq!(value(full.store.get(b"a")).as_deref(), Some("mine"));
    }
}

#[test]
fn followers_and_watchers_see_no_refused_commit() {
    let full = Full::new();
    put(&full.store, "a", "1");
    full.store.flush();
    let mut watch = full.store.watch();
    watch.mark_unchanged();
    let cursor = full.store.changes(FeedCursor::after(0), 10, |_| true).unwrap().cursor;
    full.refuse(|store| {
        put(store, "a", "2");
        put(store, "b", "2");
        assert!(store.changes(cursor, 10, |_| true).unwrap().changes.is_empty());
    });
    assert_eq!(
        (watch.has_changed().unwrap(), full.store.changes(cursor, 10, |_| true).unwrap().cursor),
        (false, cursor)
    );
    let version = put(&full.store, "a", "3");
    full.store.flush();
    assert_eq!(*watch.borrow_and_update(), version);
    let page = full.store.changes(cursor, 10, |_| true).unwrap();
    let changes: Vec<_> =
        page.changes.iter().map(Shown::from).map(|change| (change.version, change.previous)).collect();
    assert_eq!(changes, [(version, Some(cursor.version))]);
}

#[test]
fn a_feed_of_no_bytes_keeps_commits_that_may_be_undone() {
    let (memory, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(START_MS)));
    let disk = FailingDisk::new(memory);
    let mut options = options(&clock, 5);
    (options.feed_bytes_max, options.feed_age_ms_max) = (0, 0);
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap();
    put(&store, "a", "1");
    store.flush();
    disk.plan(Some(full_once()));
    for round in 0..10 {
        put(&store, "a", &round.to_string());
        put(&store, &round.to_string(), "new");
        clock.advance_ms(1_000);
        store.maintain(10);
    }
    store.flush();
    assert_eq!((value(store.get(b"a")).as_deref(), store.stats().keys, store.stats().versions), (Some("1"), 1, 1));
}

#[test]
fn a_refused_commit_is_not_acknowledged_with_a_later_one() {
    for policy in [Durability::Always, Durability::Interval { ms: 1_000 }, Durability::Never] {
        let disk = FailingDisk::new(MemoryDisk::new());
        let clock = Arc::new(ManualClock::new(START_MS));
        let store = Store::open(options(&clock, 5), Arc::new(disk.clone()), policy).unwrap().0;
        put(&store, "first", "1");
        store.flush();
        // Of four commits, each written by itself, the second and the third find no space.
        disk.plan(Some(Fault { at: 1, times: 2, ..full_once() }));
        let versions: Vec<_> = ["a", "b", "c", "d"]
            .map(|key| {
                let version = put(&store, key, "1");
                store.flush();
                version
            })
            .into();
        let expected = [Ok(()), Err(Error::DiskFull), Err(Error::DiskFull), Ok(())];
        let outcomes: Vec<_> = versions.iter().map(|&version| outcome(&store, version)).collect();
        assert_eq!(outcomes, expected.map(Poll::Ready), "{policy:?}: the last one succeeds, and not all before it");
        assert_eq!((store.get(b"b"), store.get(b"d").map(|entry| entry.version)), (None, Some(versions[3])));
    }
}

/// The versions that work under the writers' lock and a single write report to rest on, and the newest commit.
#[test]
fn an_outcome_names_the_newest_version_read() {
    let full = Full::new();
    let store = &full.store;
    let [a, b, c] = ["a", "b", "c"].map(|key| put(store, key, "1"));
    store.flush();
    let visible = store.version();
    let changed = put(store, "a", "2");
    let gone = delete(store, "b");
    let added = put(store, "d", "1");
    let failing = |keys: &[&str]| {
        let (outcome, seen) = store.exclusively_seen(|transaction| {
            for key in keys {
                transaction.get(key.as_bytes()).unwrap();
            }
            Err::<(), _>(())
        });
        assert_eq!(outcome, Err(()));
        seen
    };
    assert_eq!([failing(&[]), failing(&["missing"]), failing(&["a"]), failing(&["b"])], [0, 0, changed, gone]);
    assert_eq!([failing(&["c"]), failing(&["c", "a"]), failing(&["d", "a"])], [visible, changed, added]);
    assert!(a < b && b < c && c == visible && visible < changed);
    let walking = |range: KeyRange, keys_max: usize| {
        let mut left = keys_max;
        store.exclusively_seen(|transaction| {
            transaction.visit_shared(&range, Direction::Forward, |_, _| {
                left -= 1;
                if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        })
    };
    assert_eq!(walking(KeyRange::all(), 10), (Ok(()), added));
    assert_eq!(walking(KeyRange::all(), 1), (Ok(()), changed), "it came no further");
    assert_eq!(walking(KeyRange::prefix(b"b"), 1), (Ok(()), gone), "that there is nothing rests on a deletion");
    assert_eq!(walking(KeyRange::prefix(b"c"), 1), (Ok(()), visible));
    assert_eq!(walking(KeyRange::prefix(b"x"), 1), (Ok(()), visible), "nothing is written: what can be seen");
    let (_, written) = store.exclusively_seen(|transaction| {
        transaction.put(b"e", "1", None);
        Ok::<_, ()>(())
    });
    assert_eq!(written, store.newest());

    let refused = |key: &str, expect| {
        let (refused, seen) = store.write_seen(key.as_bytes(), Update::Delete, expect, None).unwrap();
        assert_eq!(refused.unwrap_err().seen, store.newest());
        seen
    };
    assert_eq!([refused("a", Expect::Absent), refused("b", Expect::Present)], [changed, gone]);
    assert_eq!([refused("c", Expect::Absent), refused("missing", Expect::Present)], [visible, 0]);
    let unneeded = |key: &str| store.write_seen(key.as_bytes(), Update::Delete, Expect::Anything, None).unwrap().1;
    assert_eq!(["b", "missing"].map(unneeded), [gone, visible]);
    assert_eq!(store.newest(), written, "nothing to do is no commit");
}

#[test]
fn a_conflict_names_the_winning_commit_while_it_is_open() {
    let full = Full::new();
    let store = &full.store;
    let lost = |transaction: Transaction| transaction.commit_seen().map_err(|lost| (lost.error, lost.seen));
    put(store, "a", "1");
    store.flush();
    for (isolation, reads) in
        [(Isolation::Serializable, true), (Isolation::Serializable, false), (Isolation::Snapshot, false)]
    {
        let begin = || {
            let mut transaction = store.begin_with(isolation);
            if reads {
                transaction.get(b"a").unwrap();
            } else {
                // Two parts of a scan, the second of which contains the key.
                for range in [KeyRange::prefix(b"0"), KeyRange::prefix(b"a")] {
                    transaction.visit_shared(&range, Direction::Forward, |_, _| ControlFlow::Continue(())).unwrap();
                }
            }
            transaction.put(b"a", "3", None);
            transaction
        };
        let (open, seen) = (begin(), begin());
        let rival = put(store, "a", "2");
        put(store, "b", "nobody reads it");
        assert_eq!(lost(open), Err((Error::Conflict, rival)), "{isolation:?}, {reads}");
        store.flush();
        put(store, "b", "again");
        assert_eq!(lost(seen), Err((Error::Conflict, 0)), "{isolation:?}, {reads}: that can be seen");
        store.flush();
    }
}

/// The loser against a commit begins again before the winner does, who would win again.
#[test]
fn losers_are_woken_before_winners() {
    struct Waking(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Wake for Waking {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let full = Full::new();
    let store = &full.store;
    store.drive_by_hand();
    let version = put(store, "a", "1");
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut waiting: [Pin<Box<dyn Future<Output = _>>>; 3] =
        [Box::pin(store.settled(version)), Box::pin(store.settled_rival(version)), Box::pin(store.settled(version))];
    for (future, name) in waiting.iter_mut().zip(["winner", "loser", "another"]) {
        let waker = Waker::from(Arc::new(Waking(name, Arc::clone(&woken))));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    store.flush();
    assert_eq!(*woken.lock().unwrap(), ["loser", "winner", "another"]);
}
