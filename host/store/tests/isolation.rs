//! What concurrent transactions may do to one another, anomaly by anomaly (Adya 1999; Berenson and others 1995).

use std::ops::{Bound, ControlFlow};

use mantis_store::{Direction, EntryHeader, Error, Expect, Isolation, KeyRange, Refused, Store, Transaction, Update};

use crate::support::{
    Numbers, START_MS, commit, delete, exclusively, listed, panics, put, put_until, store_of, store_with,
    transaction_lists, value,
};

use Direction::{Forward, Reverse};

/// Runs two transactions over the same store, both begun before either commits, and compares their outcomes.
#[track_caller]
fn check(
    isolation: Isolation,
    first: impl Fn(&mut Transaction),
    second: impl Fn(&mut Transaction),
    expected: [Result<(), Error>; 2],
) {
    let store = store_of(&["a", "b", "c"]);
    let mut transactions = [store.begin_with(isolation), store.begin_with(isolation)];
    first(&mut transactions[0]);
    second(&mut transactions[1]);
    let outcomes = transactions.map(|transaction| transaction.commit().map(|_| ()));
    assert_eq!(outcomes, expected, "{isolation:?}");
}

fn read(key: &'static str) -> impl Fn(&mut Transaction) {
    move |transaction| drop(transaction.get(key.as_bytes()).unwrap())
}

fn write(key: &'static str) -> impl Fn(&mut Transaction) {
    move |transaction| transaction.put(key.as_bytes(), "written", None)
}

/// Reads `range` in `direction` until `entries` were seen.
fn scan(range: KeyRange, direction: Direction, entries: usize) -> impl Fn(&mut Transaction) {
    move |transaction| drop(listed(|see| transaction.visit_shared(&range, direction, see).unwrap(), entries))
}

type Step = Box<dyn Fn(&mut Transaction)>;

fn all(steps: Vec<Step>) -> impl Fn(&mut Transaction) {
    move |transaction| steps.iter().for_each(|step| step(transaction))
}

macro_rules! all {
    ($($step:expr),+) => { all(vec![$(Box::new($step)),+]) };
}

const BOTH: [Result<(), Error>; 2] = [Ok(()), Ok(())];
const FIRST_ONLY: [Result<(), Error>; 2] = [Ok(()), Err(Error::Conflict)];

#[test]
fn a_lost_update_is_refused() {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        check(isolation, all![read("a"), write("a")], all![read("a"), write("a")], FIRST_ONLY);
    }
}

#[test]
fn write_skew_is_refused_unless_a_snapshot_was_asked_for() {
    let skew = |isolation, expected| {
        check(isolation, all![read("a"), write("b")], all![read("b"), write("a")], expected);
    };
    skew(Isolation::Serializable, FIRST_ONLY);
    skew(Isolation::Snapshot, BOTH);
}

/// A parent goes only if nothing references it, and a child comes only if its parent is there: guards keep that rule under both
/// isolations, whichever of the two commits first.
#[test]
fn guarded_reads_are_validated_in_snapshots_too() {
    let guarded = || scan_guarded(KeyRange::prefix(b"b"), usize::MAX);
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let takes_parent = || all![guarded(), remove("a")];
        let adds_child = || all![read_guarded("a"), write("b-child")];
        check(isolation, takes_parent(), adds_child(), FIRST_ONLY);
        check(isolation, adds_child(), takes_parent(), FIRST_ONLY);
        check(isolation, adds_child(), all![read_guarded("a"), write("b-other")], BOTH);
        // What lies beyond the range, or beyond the entry that the scan stopped at, is nothing that it saw.
        check(isolation, write("c"), all![guarded(), write("z")], BOTH);
        check(isolation, write("b-child"), all![scan_guarded(KeyRange::prefix(b"b"), 1), write("z")], BOTH);
        check(isolation, write("b"), all![scan_guarded(KeyRange::prefix(b"b"), 1), write("z")], FIRST_ONLY);
    }
}

#[test]
fn a_guard_of_presence_conflicts_with_removals_alone() {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let adds_child = || all![exists_guarded("a"), write("b-child")];
        check(isolation, write("a"), adds_child(), BOTH);
        check(isolation, remove("a"), adds_child(), FIRST_ONLY);
        check(isolation, write("new"), all![exists_guarded("new"), write("b")], FIRST_ONLY);
        check(isolation, remove("b"), adds_child(), BOTH);
        // What is read as well is guarded as it was read, in whichever order.
        for reads in [all![exists_guarded("a"), read_guarded("a")], all![read_guarded("a"), exists_guarded("a")]] {
            check(isolation, write("a"), all![reads, write("b")], FIRST_ONLY);
        }
    }
    check(Isolation::Serializable, write("a"), all![exists_guarded("a"), read("a"), write("b")], FIRST_ONLY);
    check(Isolation::Snapshot, write("a"), all![exists_guarded("a"), read("a"), write("b")], BOTH);
    // It may even have been another one meanwhile.
    let store = store_of(&["a"]);
    let mut transaction = store.begin_with(Isolation::Snapshot);
    assert!(transaction.exists_guarded(b"a").unwrap());
    transaction.put(b"b-child", "written", None);
    delete(&store, "a");
    put(&store, "a", "again");
    assert!(transaction.commit().is_ok());
}

fn exists_guarded(key: &'static str) -> impl Fn(&mut Transaction) {
    move |transaction| assert!(transaction.exists_guarded(key.as_bytes()).is_ok())
}

fn read_guarded(key: &'static str) -> impl Fn(&mut Transaction) {
    move |transaction| drop(transaction.get_guarded(key.as_bytes()).unwrap())
}

fn scan_guarded(range: KeyRange, entries: usize) -> impl Fn(&mut Transaction) {
    move |transaction| {
        let mut left = entries;
        let see = |_: &[u8], _: &EntryHeader, _: &[u8]| {
            left = left.saturating_sub(1);
            if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        transaction.visit_guarded(&range, Forward, see).unwrap();
    }
}

fn remove(key: &'static str) -> impl Fn(&mut Transaction) {
    move |transaction| transaction.delete(key.as_bytes())
}

#[test]
fn blind_writes_conflict_only_under_snapshot_isolation() {
    check(Isolation::Snapshot, write("a"), write("a"), FIRST_ONLY);
    check(Isolation::Snapshot, write("new"), write("new"), FIRST_ONLY);
    // In a serial order of the two the later one overwrites: nothing was read that could be wrong.
    check(Isolation::Serializable, write("a"), write("a"), BOTH);
}

#[test]
fn a_phantom_is_refused() {
    for direction in [Forward, Reverse] {
        let scan_all = || scan(KeyRange::all(), direction, usize::MAX);
        for key in ["0", "a", "bb", "d"] {
            check(Isolation::Serializable, write(key), all![scan_all(), write("z")], FIRST_ONLY);
        }
        check(
            Isolation::Serializable,
            |transaction| transaction.delete(b"b"),
            all![scan_all(), write("z")],
            FIRST_ONLY,
        );
        check(Isolation::Snapshot, write("bb"), all![scan_all(), write("z")], BOTH);
    }
}

#[test]
fn only_the_scanned_range_is_protected() {
    let stopped = |direction| all![scan(KeyRange::all(), direction, 2), write("z")];
    check(Isolation::Serializable, write("ab"), stopped(Forward), FIRST_ONLY);
    check(Isolation::Serializable, write("b"), stopped(Forward), FIRST_ONLY);
    check(Isolation::Serializable, write("bb"), stopped(Forward), BOTH);
    check(Isolation::Serializable, write("d"), stopped(Reverse), FIRST_ONLY);
    check(Isolation::Serializable, write("b"), stopped(Reverse), FIRST_ONLY);
    check(Isolation::Serializable, write("ab"), stopped(Reverse), BOTH);
}

/// Scanned ranges are merged before validation: what they cover stays the same.
#[test]
fn exactly_the_scanned_ranges_are_protected() {
    let mut numbers = Numbers::new(11);
    for run in 0..2_000 {
        let key = |number: u64| Box::from([b'a' + (number % 12) as u8]);
        let mut bound = || match numbers.below(25) {
            0 => Bound::Unbounded,
            number if number % 2 == 0 => Bound::Included(key(number / 2)),
            number => Bound::Excluded(key(number / 2)),
        };
        let ranges: Vec<_> = (0..run % 7).map(|_| KeyRange { start: bound(), end: bound() }).collect();
        let changed: Box<[u8]> = key(numbers.below(12));
        let store = store_of(&["c", "f", "i"]);
        let mut transaction = store.begin();
        for range in &ranges {
            transaction
                .visit_shared(range, if run % 2 == 0 { Forward } else { Reverse }, |_, _| ControlFlow::Continue(()))
                .unwrap();
        }
        transaction.put(b"z", "own", None);
        commit(&store, |other| other.put(&changed, "changed", None));
        let is_protected = ranges.iter().any(|range| !range.is_empty() && range.contains(&changed));
        assert_eq!(transaction.commit().is_err(), is_protected, "{ranges:?} and {changed:?}");
    }
}

/// A key that expires between two scans makes them disagree, even if the last one would read the same again.
#[test]
fn overlapping_scans_are_protected_at_the_time_of_each() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a", "1", Some(START_MS + 10));
    put(&store, "b", "1");
    for (first, second) in [(0, 10), (10, 10), (0, 0)] {
        clock.set_ms(START_MS);
        let mut transaction = store.begin();
        for at_ms in [first, second] {
            clock.set_ms(START_MS + at_ms);
            scan(KeyRange::all(), Forward, usize::MAX)(&mut transaction);
        }
        transaction.put(b"z", "own", None);
        let outcome = transaction.commit().map(|_| ());
        assert_eq!(outcome.is_ok(), first == second, "{first} and {second}");
    }
}

#[test]
fn bounds_of_a_scanned_range_are_exact() {
    let range = KeyRange { start: Bound::Excluded((*b"a").into()), end: Bound::Excluded((*b"c").into()) };
    for direction in [Forward, Reverse] {
        let scanned = || all![scan(range.clone(), direction, usize::MAX), write("z")];
        for (key, expected) in [("a", BOTH), ("a\0", FIRST_ONLY), ("b\u{7f}", FIRST_ONLY), ("c", BOTH)] {
            check(Isolation::Serializable, write(key), scanned(), expected);
        }
    }
}

#[test]
fn a_scan_that_stops_at_an_own_write_is_protected_up_to_it() {
    let scanned = || all![write("aa"), scan(KeyRange::all(), Forward, 2), write("z")];
    check(Isolation::Serializable, write("a0"), scanned(), FIRST_ONLY);
    check(Isolation::Serializable, write("ab"), scanned(), BOTH);
}

#[test]
fn an_absent_key_that_appears_is_a_conflict() {
    check(Isolation::Serializable, write("new"), all![read("new"), write("b")], FIRST_ONLY);
}

#[test]
fn a_deleted_key_is_a_conflict_even_when_it_was_pruned() {
    let delete_a = |transaction: &mut Transaction| transaction.delete(b"a");
    check(Isolation::Serializable, delete_a, all![read("a"), write("b")], FIRST_ONLY);

    let store = store_of(&["a", "b"]);
    let mut transaction = store.begin();
    read("a")(&mut transaction);
    write("b")(&mut transaction);
    delete(&store, "a");
    store.maintain(100);
    assert_eq!(transaction.commit(), Err(Error::Conflict));
}

/// All reads would give the same again.
#[test]
fn a_key_created_and_deleted_meanwhile_is_no_conflict() {
    let steps = [&read("new") as &dyn Fn(&mut Transaction), &scan(KeyRange::all(), Forward, usize::MAX)];
    for (step, maintained) in steps.into_iter().flat_map(|step| [(step, false), (step, true)]) {
        for validated_under_lock_max in [0, 64] {
            let store = store_with(|options| options.validated_under_lock_max = validated_under_lock_max).0;
            put(&store, "a", "");
            let mut transaction = store.begin();
            step(&mut transaction);
            write("b")(&mut transaction);
            put(&store, "new", "");
            delete(&store, "new");
            if maintained {
                store.maintain(100);
            }
            assert_eq!(transaction.commit().map(|_| ()), Ok(()));
        }
    }
}

#[test]
fn the_same_value_written_again_is_a_conflict() {
    let same = |transaction: &mut Transaction| transaction.put(b"a", "a", None);
    check(Isolation::Serializable, same, all![read("a"), write("b")], FIRST_ONLY);
}

#[test]
fn readers_never_conflict() {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        check(isolation, write("a"), all![read("a"), scan(KeyRange::all(), Forward, usize::MAX)], BOTH);
    }
    let store = store_of(&["a"]);
    let mut reader = store.begin();
    let began = store.version();
    put(&store, "a", "new");
    assert_eq!(value(reader.get(b"a").unwrap()).as_deref(), Some("a"), "reads stay at the moment of the start");
    assert_eq!(reader.commit(), Ok(began));
}

#[test]
fn disjoint_transactions_both_commit() {
    check(Isolation::Serializable, all![read("a"), write("a")], all![read("b"), write("b")], BOTH);
}

#[test]
fn a_refused_transaction_leaves_no_trace() {
    let store = store_of(&["a"]);
    let mut transaction = store.begin();
    read("a")(&mut transaction);
    write("a")(&mut transaction);
    write("b")(&mut transaction);
    let version = put(&store, "a", "other");
    assert_eq!(transaction.commit(), Err(Error::Conflict));
    assert_eq!((store.version(), store.stats().conflicts), (version, 1));
    assert_eq!(listed_now(&store), "a=other");
}

#[test]
fn own_writes_are_seen_in_place() {
    let store = store_of(&["b", "d", "f"]);
    let mut transaction = store.begin();
    for key in [b"a", b"c", b"d", b"g"] {
        transaction.put(key, "own", None);
    }
    transaction.delete(b"f");
    transaction.delete(b"never");
    assert_eq!(transaction_lists(&mut transaction, &KeyRange::all(), Forward), "a=own b=b c=own d=own g=own");
    assert_eq!(transaction_lists(&mut transaction, &KeyRange::all(), Reverse), "g=own d=own c=own b=b a=own");
    let inner = KeyRange { start: Bound::Excluded((*b"a").into()), end: Bound::Included((*b"d").into()) };
    assert_eq!(transaction_lists(&mut transaction, &inner, Forward), "b=b c=own d=own");
    assert_eq!(transaction_lists(&mut transaction, &inner, Reverse), "d=own c=own b=b");
    assert_eq!(transaction.get(b"d").unwrap().map(|entry| entry.version), Some(0), "not committed yet");
    assert_eq!(transaction.get(b"f").unwrap(), None);
    assert_eq!(listed_now(&store), "b=b d=d f=f", "others see nothing of it");
    transaction.commit().unwrap();
    assert_eq!(listed_now(&store), "a=own b=b c=own d=own g=own");
}

#[test]
fn a_scan_among_own_writes_stops_at_break() {
    let store = store_of(&["b", "d"]);
    let mut transaction = store.begin();
    for key in [b"a", b"c", b"d", b"e"] {
        transaction.put(key, "own", None);
    }
    for (direction, expected) in [
        (Forward, ["a=own", "a=own b=b", "a=own b=b c=own", "a=own b=b c=own d=own"]),
        (Reverse, ["e=own", "e=own d=own", "e=own d=own c=own", "e=own d=own c=own b=b"]),
    ] {
        for (entries, expected) in (1..).zip(expected) {
            let seen = listed(|see| transaction.visit_shared(&KeyRange::all(), direction, see).unwrap(), entries);
            assert_eq!(seen, expected);
        }
    }
}

#[test]
fn a_range_without_keys_is_empty_and_does_not_panic() {
    let store = store_of(&["a", "b"]);
    let mut transaction = store.begin();
    transaction.put(b"a", "own", None);
    let bounds = |key: &[u8]| [Bound::Included(key.into()), Bound::Excluded(key.into()), Bound::Unbounded];
    for (start, end) in [(&b"b"[..], &b"a"[..]), (b"a", b"a"), (b"b", b""), (b"", b"")] {
        for start in bounds(start) {
            for end in bounds(end) {
                let range = KeyRange { start: start.clone(), end };
                for direction in [Forward, Reverse] {
                    let seen = transaction_lists(&mut transaction, &range, direction);
                    assert!(range.is_empty() <= seen.is_empty(), "{range:?} shows {seen}");
                }
            }
        }
    }
}

#[test]
fn rolling_back_keeps_the_reads() {
    let store = store_of(&["a"]);
    let mut transaction = store.begin();
    write("b")(&mut transaction);
    let savepoint = transaction.savepoint();
    read("a")(&mut transaction);
    write("c")(&mut transaction);
    transaction.rollback_to(savepoint);
    assert_eq!(transaction_lists(&mut transaction, &KeyRange::all(), Forward), "a=a b=written");
    put(&store, "a", "other");
    // The caller may have decided to roll back because of what it had read.
    assert_eq!(transaction.commit(), Err(Error::Conflict));
}

#[test]
fn a_key_that_expires_during_a_transaction_is_a_conflict() {
    let live = START_MS + 10;
    for (step, conflict) in [
        (&read("a") as &dyn Fn(&mut Transaction), true),
        (&scan(KeyRange::all(), Forward, usize::MAX), true),
        (&scan(KeyRange::prefix(b"b"), Forward, usize::MAX), false),
        (&read("b"), false),
    ] {
        for swept in [false, true] {
            let (store, clock) = store_with(|_| {});
            put_until(&store, "a", "", Some(live));
            put(&store, "b", "");
            let mut transaction = store.begin();
            step(&mut transaction);
            write("c")(&mut transaction);
            clock.set_ms(live);
            if swept {
                assert_eq!(store.maintain(10), 1);
            }
            let outcome = transaction.commit();
            assert_eq!(outcome.is_err(), conflict, "{outcome:?}, removed before: {swept}");
        }
    }
}

#[test]
fn a_key_that_expired_before_the_transaction_is_no_conflict() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a", "", Some(START_MS + 10));
    clock.set_ms(START_MS + 10);
    let mut transaction = store.begin();
    assert_eq!(transaction.get(b"a").unwrap(), None);
    assert_eq!(transaction_lists(&mut transaction, &KeyRange::prefix(b"a"), Forward), "");
    write("c")(&mut transaction);
    assert!(transaction.commit().is_ok());
}

#[test]
fn a_clock_set_back_that_revives_a_key_is_a_conflict_with_scans() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a", "", Some(START_MS + 10));
    clock.set_ms(START_MS + 10);
    let mut transaction = store.begin();
    assert_eq!(transaction_lists(&mut transaction, &KeyRange::all(), Forward), "");
    write("c")(&mut transaction);
    put(&store, "z", "another commit, so that the transaction is validated");
    clock.set_ms(START_MS);
    assert_eq!(transaction.commit(), Err(Error::Conflict));
}

#[test]
fn exclusive_work_sees_the_newest_state_and_writes_all_or_nothing() {
    let store = store_of(&["a"]);
    let (seen, version) = exclusively(&store, |transaction| {
        transaction.put(b"b", "own", None);
        transaction.delete(b"a");
        transaction_lists(transaction, &KeyRange::all(), Forward)
    });
    assert_eq!((seen.as_str(), version), ("b=own", 2));
    let refused: Result<((), u64), &str> = store.exclusively(|transaction| {
        transaction.put(b"c", "never", None);
        Err("changed my mind")
    });
    assert_eq!(refused, Err("changed my mind"));
    assert!(panics(|| {
        exclusively(&store, |transaction| {
            transaction.put(b"c", "never", None);
            panic!("in the middle of the work");
        })
    }));
    let ((), version) = exclusively(&store, |_| {});
    assert_eq!((listed_now(&store).as_str(), version), ("b=own", 2), "nothing written is no commit");
}

#[test]
fn a_write_whose_precondition_fails_changes_nothing() {
    let (store, clock) = store_with(|_| {});
    let one = put(&store, "live", "1");
    put_until(&store, "expired", "1", Some(START_MS + 10));
    clock.set_ms(START_MS + 10);
    let stale = put(&store, "overwritten", "1");
    put(&store, "overwritten", "2");
    for (key, expect, happens) in [
        ("live", Expect::Anything, true),
        ("live", Expect::Absent, false),
        ("live", Expect::Present, true),
        ("live", Expect::Version(one), true),
        ("live", Expect::Version(0), false),
        ("overwritten", Expect::Version(stale), false),
        ("expired", Expect::Absent, true),
        ("expired", Expect::Present, false),
        ("expired", Expect::Version(2), false),
        ("missing", Expect::Absent, true),
        ("missing", Expect::Present, false),
        ("missing", Expect::Version(1), false),
    ] {
        assert_eq!(expect.holds(store.get(key.as_bytes()).map(|entry| entry.version)), happens, "{key} {expect:?}");
        if !happens {
            let outcome = store.write(key.as_bytes(), Update::Delete, expect, None).unwrap();
            let (current, seen) = (store.get(key.as_bytes()), store.version());
            assert_eq!(outcome, Err(Refused { current, seen }), "{key} {expect:?}");
        }
    }
    let update = || Update::Put { value: "2".into(), expires_at_ms: None };
    let guarded = |unchanged| store.write(b"live", update(), Expect::Anything, Some(unchanged));
    assert_eq!(guarded((b"overwritten", stale)), Err(Error::Conflict));
    assert_eq!(guarded((b"missing", 1)), Err(Error::Conflict));
    let written = guarded((b"live", one)).unwrap().unwrap();
    assert_eq!(written.previous.map(|entry| entry.version), Some(one));
}

#[test]
fn deleting_an_absent_key_is_no_commit() {
    let store = store_of(&["a"]);
    assert_eq!(delete(&store, "missing"), 1);
    assert_eq!(commit(&store, |transaction| transaction.delete(b"missing")), 1);
    delete(&store, "a");
    assert_eq!(delete(&store, "a"), 2, "the second time there is nothing to do");
    assert_eq!(store.stats().commits, 2);
}

fn listed_now(store: &Store) -> String {
    let snapshot = store.snapshot();
    listed(|see| snapshot.visit_shared(&KeyRange::all(), Forward, see).unwrap(), usize::MAX)
}

#[test]
fn a_panicking_visitor_harms_nobody() {
    let store = store_of(&["a", "b"]);
    let mut transaction = store.begin();
    assert!(panics(|| {
        transaction
            .visit_shared(&KeyRange::all(), Forward, |_, _| -> ControlFlow<()> { panic!("in the middle of a scan") })
    }));
    put(&store, "c", "c");
    assert_eq!(listed_now(&store), "a=a b=b c=c");
}
