//! Transactions with many reads are validated ahead of the writers' lock, and protected all the same.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use mantis_store::{Direction, Error, Expect, Isolation, KeyRange, ManualClock, Options, Store, Transaction, Update};

use crate::support::{START_MS, delete, number, put, put_until, store_with};

/// Keys that the transactions read: more than are looked up under the lock.
const KEYS: usize = 500;

fn key(number: usize) -> String {
    format!("key/{number:05}")
}

/// A store with `KEYS` keys.
fn filled(adjust: impl FnOnce(&mut Options)) -> (Store, Arc<ManualClock>) {
    let (store, clock) = store_with(adjust);
    (0..KEYS).for_each(|number| _ = put(&store, &key(number), "before"));
    put_until(&store, "key/short", "", Some(START_MS + 100));
    (store, clock)
}

/// Begins a transaction, reads by `read`, and writes one key.
fn reader(store: &Store, isolation: Isolation, read: fn(&mut Transaction)) -> Transaction {
    let mut transaction = store.begin_with(isolation);
    read(&mut transaction);
    transaction.put(b"written", "", None);
    transaction
}

fn scan(transaction: &mut Transaction) {
    let range = KeyRange::prefix(b"key/");
    transaction.visit_shared(&range, Direction::Forward, |_, _| ControlFlow::Continue(())).unwrap();
}

fn get_each(transaction: &mut Transaction) {
    (0..KEYS).for_each(|number| drop(transaction.get(key(number).as_bytes()).unwrap()));
    transaction.get(b"key/short").unwrap();
    transaction.get(b"key/absent").unwrap();
}

/// Commits a transaction that has read all keys, with `work` done between, by each way of validating it.
#[track_caller]
fn check(work: fn(&Store, &ManualClock), expected: Result<(), Error>) {
    // The ring reaches back to the snapshot, or has dropped the commits after it.
    for feed_bytes_max in [64 << 20, 0] {
        for read in [scan, get_each] {
            let (store, clock) = filled(|options| options.feed_bytes_max = feed_bytes_max);
            let transaction = reader(&store, Isolation::Serializable, read);
            work(&store, &clock);
            assert_eq!(transaction.commit().map(|_| ()), expected, "a feed of {feed_bytes_max} bytes");
        }
    }
}

#[test]
fn a_change_of_a_read_key_is_a_conflict() {
    check(|store, _| _ = put(store, &key(7), "after"), Err(Error::Conflict));
    check(|store, _| _ = delete(store, &key(KEYS - 1)), Err(Error::Conflict));
    check(|store, _| _ = put(store, "key/absent", "appeared"), Err(Error::Conflict));
    check(
        |store, _| {
            // The change that matters comes after many that do not, and before as many.
            (0..2_000).for_each(|number| _ = put(store, &format!("other/{number}"), ""));
            put(store, &key(7), "after");
            (0..2_000).for_each(|number| _ = put(store, &format!("other/{number}"), ""));
        },
        Err(Error::Conflict),
    );
}

#[test]
fn changes_elsewhere_are_no_conflict() {
    check(|_, _| (), Ok(()));
    check(|store, _| (0..5_000).for_each(|number| _ = put(store, &format!("other/{number}"), "")), Ok(()));
    check(
        |store, _| {
            put(store, "key/came", "");
            delete(store, "key/came");
        },
        Ok(()),
    );
}

#[test]
fn an_expired_read_is_a_conflict_whether_removed_or_not() {
    check(|_, clock| clock.set_ms(START_MS + 100), Err(Error::Conflict));
    check(
        |store, clock| {
            clock.set_ms(START_MS + 100);
            store.maintain(10);
        },
        Err(Error::Conflict),
    );
    check(|_, clock| clock.set_ms(START_MS + 99), Ok(()));
}

#[test]
fn many_deadlines_are_all_examined() {
    for last_is_read in [false, true] {
        let (store, clock) = filled(|_| ());
        for number in 0..1_000 {
            put_until(&store, &format!("other/{number}"), "", Some(START_MS + 10 + number % 3));
        }
        put_until(&store, if last_is_read { "key/last" } else { "other/last" }, "", Some(START_MS + 12));
        let transaction = reader(&store, Isolation::Serializable, scan);
        clock.set_ms(START_MS + 12);
        let expected = if last_is_read { Err(Error::Conflict) } else { Ok(()) };
        assert_eq!(transaction.commit().map(|_| ()), expected);
    }
}

/// Under snapshot isolation no other transaction may have written the keys to be written, however many.
#[test]
fn the_first_of_two_large_writers_wins_under_snapshot_isolation() {
    for feed_bytes_max in [64 << 20, 0] {
        for others in [&["key/00007"][..], &["other"][..], &["new/00300"][..]] {
            let (store, _) = filled(|options| options.feed_bytes_max = feed_bytes_max);
            let mut transaction = store.begin_with(Isolation::Snapshot);
            for number in 0..KEYS {
                transaction.put(key(number).as_bytes(), "mine", None);
                transaction.put(format!("new/{number:05}").as_bytes(), "mine", None);
            }
            for key in others {
                put(&store, key, "theirs");
            }
            let expected = if others == ["other"] { Ok(()) } else { Err(Error::Conflict) };
            assert_eq!(transaction.commit().map(|_| ()), expected, "{others:?}");
            let keys = usize::try_from(store.stats().keys).unwrap();
            // A refused transaction gives back the places that were prepared for its new keys.
            assert_eq!(
                keys,
                KEYS + 1
                    + if expected.is_ok() { KEYS + 1 } else { others.len() - usize::from(others == ["key/00007"]) }
            );
            let mut seen = 0;
            store
                .snapshot()
                .visit_shared(&KeyRange::all(), Direction::Forward, |_, _| {
                    seen += 1;
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(seen, keys);
        }
    }
}

/// Ends the test's threads, also when it panics.
struct Ends<'d>(&'d AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A transaction reads all counters and writes their sum while others count: a sum that was never true must not be committed.
#[test]
fn a_sum_of_many_counters_is_never_wrong_during_increments() {
    const COUNTERS: u64 = 300;
    for feed_bytes_max in [64 << 20, 2_000] {
        let (store, _) = store_with(|options| {
            options.feed_bytes_max = feed_bytes_max;
            options.validated_under_lock_max = 0;
        });
        let counted = |number: u64, value: u64| {
            let update = Update::Put { value: value.to_le_bytes().to_vec().into(), expires_at_ms: None };
            store.write(&number.to_be_bytes(), update, Expect::Anything, None).unwrap().unwrap();
        };
        (0..COUNTERS).for_each(|number| counted(number, 0));
        let (done, sums) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let _ends = Ends(&done);
            scope.spawn(|| {
                let mut round = 0;
                while !done.load(Ordering::SeqCst) {
                    // Two counters change together: at every commit the sum is even.
                    let mut transaction = store.begin();
                    for number in [round % COUNTERS, (round * 7 + 1) % COUNTERS] {
                        let value =
                            transaction.get(&number.to_be_bytes()).unwrap().map_or(0, |entry| self::number(&entry));
                        transaction.put(&number.to_be_bytes(), (value + 1).to_le_bytes().to_vec(), None);
                    }
                    let _ = transaction.commit();
                    round += 1;
                    if round % 50 == 0 {
                        thread::yield_now();
                        thread::sleep(std::time::Duration::from_millis(2));
                    }
                }
            });
            while sums.load(Ordering::SeqCst) < 50 || store.version() < 3_000 {
                let mut transaction = store.begin();
                let mut sum = 0;
                for number in 0..COUNTERS {
                    sum += transaction.get(&number.to_be_bytes()).unwrap().map_or(0, |entry| self::number(&entry));
                }
                transaction.put(b"sum", sum.to_le_bytes().to_vec(), None);
                if let Ok(version) = transaction.commit() {
                    // The state right before the commit has that sum.
                    let snapshot = store.snapshot();
                    if snapshot.version() == version {
                        let now: u64 = (0..COUNTERS)
                            .map(|number| {
                                snapshot.get(&number.to_be_bytes()).unwrap().map_or(0, |entry| self::number(&entry))
                            })
                            .sum();
                        assert_eq!(now, sum);
                    }
                    sums.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let sum = number(&store.get(b"sum").unwrap());
        assert!(sum > 0);
    }
}
