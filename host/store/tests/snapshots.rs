//! Snapshots keep their state, no longer than they may, and leave no memory in use.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mantis_store::{Clock, Direction, Error, KeyRange, Snapshot, Store};

use crate::support::{
    START_MS, Working, commit, delete, exclusively, put, put_until, snapshot_lists, store, store_of, store_with, value,
};

/// The store has nothing in memory but one version of every key.
#[track_caller]
fn check_nothing_is_left_over(store: &Store) {
    while store.stats().prune_backlog > 0 {
        let backlog = store.stats().prune_backlog;
        store.maintain(1_000);
        assert!(
            store.stats().prune_backlog < backlog,
            "no snapshot is held, and nothing was pruned: {:?}",
            store.stats()
        );
    }
    let stats = store.stats();
    assert_eq!((stats.versions, stats.snapshots, stats.oldest_snapshot_age_ms), (stats.keys, 0, 0), "{stats:?}");
}

fn get(snapshot: &Snapshot, key: &str) -> Option<String> {
    value(snapshot.get(key.as_bytes()).unwrap())
}

#[test]
fn a_snapshot_does_not_change() {
    let store = store_of(&["a", "b"]);
    let before = store.snapshot();
    put(&store, "a", "new");
    delete(&store, "b");
    put(&store, "c", "c");
    store.maintain(100);
    let after = store.snapshot();
    assert_eq!(snapshot_lists(&before, &KeyRange::all(), Direction::Forward), "a=a b=b");
    assert_eq!(snapshot_lists(&before, &KeyRange::all(), Direction::Reverse), "b=b a=a");
    assert_eq!(snapshot_lists(&after, &KeyRange::all(), Direction::Forward), "a=new c=c");
    assert_eq!((get(&before, "b").as_deref(), get(&after, "b")), (Some("b"), None));
    assert_eq!((get(&before, "c"), before.version(), after.version()), (None, 1, 4));
}

#[test]
fn a_snapshot_keeps_a_key_that_was_deleted_and_written_again() {
    let store = store_of(&["a"]);
    let mut snapshots = Vec::new();
    for round in 0..5 {
        snapshots.push((store.snapshot(), if round == 0 { "a".to_owned() } else { format!("{round}") }));
        delete(&store, "a");
        snapshots.push((store.snapshot(), String::new()));
        store.maintain(100);
        put(&store, "a", &format!("{}", round + 1));
    }
    // Dropped from the oldest on, so that pruning goes on below those that are left.
    while !snapshots.is_empty() {
        for (snapshot, expected) in &snapshots {
            assert_eq!(get(snapshot, "a").unwrap_or_default(), *expected);
        }
        snapshots.remove(0);
        store.maintain(100);
    }
    check_nothing_is_left_over(&store);
}

#[test]
fn snapshots_dropped_in_any_order_leave_nothing() {
    for first in 0..3 {
        let store = store();
        let mut snapshots = Vec::new();
        for round in 0..3 {
            for key in 0..50 {
                put(&store, &format!("{key}"), &format!("{round}"));
            }
            for key in (0..50).filter(|key| key % 3 == round) {
                delete(&store, &format!("{key}"));
            }
            snapshots.push(store.snapshot());
        }
        snapshots.swap(0, first);
        for snapshot in snapshots {
            drop(snapshot);
            store.maintain(7);
        }
        check_nothing_is_left_over(&store);
    }
}

#[test]
fn deleted_keys_leave_no_memory() {
    let store = store();
    for key in 0..1_000 {
        put(&store, &format!("{key}"), "");
    }
    exclusively(&store, |transaction| (0..1_000).for_each(|key| transaction.delete(format!("{key}").as_bytes())));
    check_nothing_is_left_over(&store);
    assert_eq!((store.stats().keys, store.stats().versions, store.bytes()), (0, 0, 0));
}

#[test]
fn a_snapshot_is_revoked_at_its_maximum_age() {
    let (store, clock) = store_with(|options| options.snapshot_age_ms_max = 100);
    put(&store, "a", "a");
    let (snapshot, mut transaction) = (store.snapshot(), store.begin());
    transaction.put(b"b", "b", None);
    put(&store, "a", "new");
    clock.advance_ms(100);
    store.maintain(100);
    assert_eq!(get(&snapshot, "a").as_deref(), Some("a"), "just old enough");
    assert_eq!((store.stats().snapshots, store.stats().oldest_snapshot_age_ms), (2, 100));
    let young = store.snapshot();

    clock.advance_ms(1);
    store.maintain(100);
    let stats = store.stats();
    assert_eq!((stats.snapshots_revoked, stats.snapshots, stats.versions), (2, 1, 1));
    assert_eq!(snapshot.get(b"a"), Err(Error::SnapshotTooOld));
    assert_eq!(snapshot.get(b"missing"), Err(Error::SnapshotTooOld));
    let see = |_: &[u8], _| -> ControlFlow<()> { panic!("nothing can be shown") };
    assert_eq!(snapshot.visit_shared(&KeyRange::all(), Direction::Forward, see), Err(Error::SnapshotTooOld));
    assert_eq!(transaction.get(b"a"), Err(Error::SnapshotTooOld));
    assert_eq!(transaction.commit(), Err(Error::SnapshotTooOld));
    assert_eq!(get(&young, "a").as_deref(), Some("new"));
    drop((young, snapshot));
    check_nothing_is_left_over(&store);
}

#[test]
fn a_clock_set_back_does_not_lengthen_the_age() {
    let (store, clock) = store_with(|options| options.snapshot_age_ms_max = 100);
    clock.set_ms(START_MS * 1_000);
    let snapshot = store.snapshot();
    clock.set_ms(START_MS);
    store.maintain(100);
    assert_eq!(snapshot.get(b"a"), Ok(None));
    clock.advance_ms(101);
    store.maintain(100);
    assert_eq!(snapshot.get(b"a"), Err(Error::SnapshotTooOld));
}

#[test]
fn a_clock_step_ages_no_snapshot() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let (store, clock) = store_with(|options| options.snapshot_age_ms_max = 100);
    put(&store, "a", "old");
    let (snapshot, mut transaction) = (store.snapshot(), store.begin());
    put(&store, "a", "new");
    for now_ms in [START_MS + DAY_MS, 0, u64::MAX / 2, START_MS] {
        clock.set_ms(now_ms);
        clock.advance_ms(25);
        store.maintain(100);
        assert_eq!(snapshot.get(b"a").map(|entry| entry.map(|entry| entry.value)), Ok(Some("old".into())));
    }
    assert_eq!((store.stats().oldest_snapshot_age_ms, store.stats().snapshots_revoked), (100, 0));
    transaction.put(b"b", "1", None);
    transaction.commit().unwrap();
    clock.set_ms(0);
    clock.advance_ms(1);
    store.maintain(100);
    assert_eq!(snapshot.get(b"a"), Err(Error::SnapshotTooOld), "time has passed all the same");
}

#[test]
fn a_snapshot_revoked_during_a_scan_reports_it() {
    let (store, clock) = store_with(|options| options.snapshot_age_ms_max = 100);
    for key in ["a", "b", "c"] {
        put(&store, key, key);
    }
    let snapshot = store.snapshot();
    let mut shown = Vec::new();
    let outcome = snapshot.visit_shared(&KeyRange::all(), Direction::Forward, |key, entry| {
        assert_eq!(entry.value, key);
        shown.push(key.to_vec());
        if key == b"b" {
            put(&store, "c", "new");
            clock.advance_ms(101);
            store.maintain(100);
        }
        ControlFlow::Continue(())
    });
    assert_eq!((outcome, shown), (Err(Error::SnapshotTooOld), vec![b"a".to_vec(), b"b".to_vec()]));
}

/// Readers hold snapshots that may be revoked at any moment while a writer prunes what they protected: they must get an error, or see every
/// key of their version.
#[test]
fn a_revoked_snapshot_never_shows_a_torn_state() {
    const KEYS: usize = 64;
    const READS: usize = 30_000;
    let (store, clock) = store_with(|options| options.snapshot_age_ms_max = 1);
    let write_all = |value: &str| {
        commit(&store, |transaction| {
            (0..KEYS).for_each(|key| transaction.put(format!("{key:02}").as_bytes(), value.to_owned(), None));
        })
    };
    write_all("1");
    let readers = AtomicUsize::new(2);
    let (whole, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 2_u64.. {
                if readers.load(Ordering::Relaxed) == 0 {
                    return;
                }
                if round.is_multiple_of(4) {
                    exclusively(&store, |all| (0..KEYS).for_each(|key| all.delete(format!("{key:02}").as_bytes())));
                } else {
                    write_all(&round.to_string());
                }
                clock.advance_ms(1);
                store.maintain(1_000);
            }
        });
        for _ in 0..2 {
            let working = Working::one_of(&readers);
            scope.spawn(|| {
                let _working = working;
                // More where the writer was not given the time to disturb them.
                for read in 0..100 * READS {
                    if read >= READS && refused.load(Ordering::Relaxed) > 0 {
                        break;
                    }
                    let direction = if read % 2 == 0 { Direction::Forward } else { Direction::Reverse };
                    // Some reads last until their snapshot is too old, however the threads are scheduled.
                    let until_ms = if read % 64 == 0 { clock.now_ms() + 3 } else { 0 };
                    let pause = || (clock.now_ms() < until_ms).then(thread::yield_now).is_some();
                    match read_whole(&store.snapshot(), direction, pause) {
                        Ok(keys) => {
                            assert!(keys == KEYS || keys == 0, "{keys} of {KEYS} keys");
                            whole.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
    });
    let (whole, refused) = (whole.into_inner(), refused.into_inner());
    assert!(whole > 0 && refused > 0, "the race was not run: {whole} whole, {refused} refused");
}

/// Counts the keys of a snapshot, which must all have been written by one commit, and compares with point reads. After the first key
/// it waits for as long as `pauses` says so.
fn read_whole(snapshot: &Snapshot, direction: Direction, pauses: impl Fn() -> bool) -> Result<usize, Error> {
    let mut versions = Vec::new();
    snapshot.visit_shared(&KeyRange::all(), direction, |_, entry| {
        while versions.is_empty() && pauses() {}
        versions.push(entry.version);
        ControlFlow::Continue(())
    })?;
    assert!(versions.iter().all(|version| *version == versions[0]), "a mixture of commits: {versions:?}");
    let one = snapshot.get(b"07")?;
    assert_eq!(one.map(|entry| entry.version), versions.first().copied());
    Ok(versions.len())
}

#[test]
fn a_chain_of_a_million_versions_is_read_pruned_and_dropped() {
    const VERSIONS: u64 = 1_000_000;
    for dropped_unpruned in [true, false] {
        let store = store();
        put(&store, "hot", "first");
        // Versions between snapshots are freed: each of these has its own.
        let mut snapshots = vec![store.snapshot()];
        for _ in 0..VERSIONS {
            put(&store, "hot", "");
            snapshots.push(store.snapshot());
        }
        assert_eq!(get(&snapshots[0], "hot").as_deref(), Some("first"));
        assert_eq!(store.stats().versions, VERSIONS + 1);
        // A test thread's stack is 2 MiB: a drop that recursed would end the process here or below.
        drop(snapshots);
        if !dropped_unpruned {
            while store.stats().prune_backlog > 0 {
                store.maintain(100_000);
            }
            check_nothing_is_left_over(&store);
        }
    }
}

/// Two snapshots that overlap leave a long queue below a long chain. Pruning must not walk the chain for every entry of the queue.
#[test]
fn the_cost_of_pruning_does_not_grow_with_the_chain_above() {
    const VERSIONS: u64 = 100_000;
    let store = store();
    put(&store, "hot", "");
    let put_and_pin = |_| {
        let snapshot = store.snapshot();
        put(&store, "hot", "");
        snapshot
    };
    let first: Vec<_> = (0..VERSIONS).map(put_and_pin).collect();
    let mut second: Vec<_> = (0..=VERSIONS).map(put_and_pin).collect();
    drop(first);
    #[allow(clippy::disallowed_methods, reason = "a test measures time")]
    let started = Instant::now();
    while store.stats().prune_backlog > VERSIONS + 1 {
        store.maintain(1_000);
    }
    assert_eq!(store.stats().pruned, VERSIONS);
    // It takes some 20 ms; walking the chain each time would take minutes.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(second.pop().and_then(|newest| get(&newest, "hot")).as_deref(), Some(""));
    drop(second);
    check_nothing_is_left_over(&store);
}

/// A snapshot sees one version of each key, however often it is rewritten: the others are freed.
#[test]
fn a_held_snapshot_keeps_only_versions_that_it_can_see() {
    const VERSIONS: u64 = 10_000;
    let store = store();
    put(&store, "hot", "first");
    let oldest = store.snapshot();
    (0..VERSIONS).for_each(|_| _ = put(&store, "hot", ""));
    put(&store, "hot", "middle");
    let middle = store.snapshot();
    (0..VERSIONS).for_each(|_| _ = put(&store, "hot", ""));
    let stats = store.stats();
    // The newest versions are looked at with the next commits.
    assert!(stats.versions <= 6 && stats.prune_backlog <= 20, "{stats:?}");
    assert_eq!((get(&oldest, "hot").as_deref(), get(&middle, "hot").as_deref()), (Some("first"), Some("middle")));
    drop(oldest);
    assert_eq!(get(&middle, "hot").as_deref(), Some("middle"));
    drop(middle);
    check_nothing_is_left_over(&store);
}

/// What came and went since a snapshot leaves nothing: the queue is as short as without it.
#[test]
fn keys_that_come_and_go_during_a_snapshot_leave_no_memory() {
    let store = store();
    put(&store, "stays", "");
    let snapshot = store.snapshot();
    for number in 0..10_000 {
        put(&store, &format!("queue/{number}"), "");
        delete(&store, &format!("queue/{number}"));
    }
    (0..10).for_each(|_| _ = store.maintain(100));
    let stats = store.stats();
    assert!(stats.versions <= 3 && stats.prune_backlog == 0, "{stats:?}");
    assert_eq!(snapshot_lists(&snapshot, &KeyRange::all(), Direction::Forward), "stays=");
}

/// Without housekeeping: values are freed by the commits that follow, and a bounded number of deleted keys waits.
#[test]
fn commits_alone_bound_the_prune_backlog() {
    const KEYS: u64 = 3_000;
    let store = store();
    let each_key = |work: &dyn Fn(&str)| (0..KEYS).for_each(|key| work(&format!("{key:05}")));
    each_key(&|key| _ = put(&store, key, "x"));
    let held = store.snapshot();
    each_key(&|key| _ = delete(&store, key));
    drop(held);
    assert_eq!(store.stats().versions, 2 * KEYS);
    (0..2 * KEYS).for_each(|round| _ = put(&store, "hot", &round.to_string()));
    let stats = store.stats();
    assert!(stats.versions < 1_030 && stats.prune_backlog < 1_030 && stats.keys == 1, "{stats:?}");
    // Keys that were written again are not removed.
    each_key(&|key| _ = put(&store, key, "y"));
    check_nothing_is_left_over(&store);
    assert_eq!(store.stats().keys, KEYS + 1);
    each_key(&|key| assert_eq!(value(store.get(key.as_bytes())).as_deref(), Some("y")));
}

#[test]
fn dropping_a_long_pruned_chain_does_not_recurse() {
    let store = store();
    put(&store, "hot", "0");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Long chains come and go under the other reader.
                let held = store.snapshot();
                thread::yield_now();
                assert!(held.get(b"hot").unwrap().is_some());
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(store.get(b"hot").is_some());
            }
        });
        for round in 0..200_000 {
            put_until(&store, "hot", "1", None);
            if round % 1_000 == 0 {
                store.maintain(10_000);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    check_nothing_is_left_over(&store);
}
