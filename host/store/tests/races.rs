//! Threads against each other: sums add up, batches are seen whole, and exactly one of several rivals wins.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mantis_store::{Direction, Error, Expect, FeedCursor, Isolation, KeyRange, Store, Transaction, Update};

use crate::support::{Numbers, START_MS, Working, commit, exclusively, increment, number, store, store_with};

const THREADS: u64 = 4;

/// Runs `work` in every thread at once, with the thread's number.
fn in_threads(work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

/// Runs `work` in transactions until one commits.
fn retry<T>(store: &Store, mut work: impl FnMut(&mut Transaction) -> Result<T, Error>) -> T {
    loop {
        let mut transaction = store.begin();
        match work(&mut transaction).and_then(|value| transaction.commit().map(|_| value)) {
            Ok(value) => return value,
            Err(Error::Conflict) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn increments_of_every_kind_add_up() {
    const ROUNDS: u64 = 3_000;
    let store = store();
    in_threads(|thread| {
        for round in 0..ROUNDS {
            match (thread + round) % 4 {
                0 => _ = exclusively(&store, |transaction| increment(transaction, b"count").unwrap()),
                1 => _ = retry(&store, |transaction| increment(transaction, b"count")),
                2 => compare_and_swap(&store),
                _ => {
                    retry(&store, |transaction| {
                        // Read by a scan instead of by key.
                        let mut before = 0;
                        transaction.visit_shared(&KeyRange::prefix(b"cou"), Direction::Forward, |_, entry| {
                            before = number(&entry);
                            ControlFlow::Break(())
                        })?;
                        transaction.put(b"count", (before + 1).to_le_bytes().to_vec(), None);
                        Ok(())
                    });
                }
            }
        }
    });
    assert_eq!(number(&store.get(b"count").unwrap()), THREADS * ROUNDS);
    let stats = store.stats();
    assert_eq!((stats.version, stats.commits, stats.keys), (THREADS * ROUNDS, THREADS * ROUNDS, 1));
}

fn compare_and_swap(store: &Store) {
    let mut current = store.get(b"count");
    loop {
        let expect = current.as_ref().map_or(Expect::Absent, |entry| Expect::Version(entry.version));
        let next = current.as_ref().map_or(0, number) + 1;
        let update = Update::Put { value: next.to_le_bytes().to_vec().into(), expires_at_ms: None };
        match store.write(b"count", update, expect, None).unwrap() {
            Ok(_) => return,
            Err(refused) => current = refused.current,
        }
    }
}

#[test]
fn exactly_one_racing_writer_creates_a_key() {
    const ROUNDS: usize = 5_000;
    let store = store();
    let created = AtomicUsize::new(0);
    in_threads(|_| {
        for round in 0..ROUNDS {
            let update = Update::Put { value: "".into(), expires_at_ms: None };
            let outcome = store.write(&round.to_be_bytes(), update, Expect::Absent, None).unwrap();
            created.fetch_add(usize::from(outcome.is_ok()), Ordering::Relaxed);
        }
    });
    assert_eq!(created.into_inner(), ROUNDS);
}

/// Each thread puts something under a prefix if it is empty: a scan that misses a phantom would let two in.
#[test]
fn exactly_one_racing_transaction_takes_an_empty_range() {
    const ROUNDS: u64 = 2_000;
    let store = store();
    in_threads(|thread| {
        for round in 0..ROUNDS {
            retry(&store, |transaction| {
                let prefix = round.to_be_bytes();
                let mut taken = false;
                transaction.visit_shared(&KeyRange::prefix(&prefix), Direction::Reverse, |_, _| {
                    taken = true;
                    ControlFlow::Break(())
                })?;
                if !taken {
                    transaction.put(&[&prefix[..], &thread.to_be_bytes()].concat(), "", None);
                }
                Ok(())
            });
        }
    });
    assert_eq!(store.stats().keys, ROUNDS);
}

/// Parents come and go while children come: a parent goes only where a guarded scan finds no child, and a child comes only where a guarded
/// read finds its parent.
#[test]
fn guards_leave_no_child_without_a_parent_in_snapshots() {
    const ROUNDS: u64 = 4_000;
    const PARENTS: u64 = 4;
    let store = store();
    in_threads(|thread| {
        let mut numbers = Numbers::new(thread + 1);
        for round in 0..ROUNDS {
            let parent = [b"p", &numbers.below(PARENTS).to_be_bytes()[..]].concat();
            let children = [b"c", &parent[..]].concat();
            let child = [&children[..], &thread.to_be_bytes()].concat();
            let mut transaction = store.begin_with(Isolation::Snapshot);
            let is_there = transaction.get_guarded(&parent).unwrap().is_some();
            let mut has_children = false;
            transaction
                .visit_guarded(&KeyRange::prefix(&children), Direction::Forward, |_, _, _| {
                    has_children = true;
                    ControlFlow::Break(())
                })
                .unwrap();
            match (thread + round) % 4 {
                0 => transaction.put(&parent, "", None),
                1 if !has_children => transaction.delete(&parent),
                2 if is_there => transaction.put(&child, "", None),
                _ => transaction.delete(&child),
            }
            let _ = transaction.commit();
        }
    });
    store
        .snapshot()
        .visit_shared(&KeyRange::prefix(b"c"), Direction::Forward, |child, _| {
            assert!(store.get(&child[1..10]).is_some(), "a child has no parent");
            ControlFlow::Continue(())
        })
        .unwrap();
}

/// Each thread may take from either of two accounts while their sum allows it: write skew would overdraw them.
#[test]
fn write_skew_cannot_break_a_rule_over_two_keys() {
    const BUDGET: u64 = 4_000;
    let store = store();
    let keys: [&[u8]; 2] = [b"left", b"right"];
    let taken = AtomicUsize::new(0);
    in_threads(|thread| {
        loop {
            let took = retry(&store, |transaction| {
                let mut spent = 0;
                for key in keys {
                    spent += transaction.get(key)?.map_or(0, |entry| number(&entry));
                }
                if spent == BUDGET {
                    return Ok(false);
                }
                increment(transaction, keys[usize::from(thread % 2 == 1)]).map(|_| true)
            });
            if !took {
                return;
            }
            taken.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(taken.into_inner() as u64, BUDGET);
    let total: u64 = keys.iter().filter_map(|key| store.get(key)).map(|entry| number(&entry)).sum();
    assert_eq!(total, BUDGET);
}

/// Money moves between accounts, some of which come and go; each reader of all of them sees the same total.
#[test]
fn a_commit_is_seen_whole_or_not_at_all() {
    const ACCOUNTS: u64 = 50;
    const TOTAL: u64 = ACCOUNTS * 10;
    const LOOKS: usize = 10_000;
    let (store, clock) = store_with(|_| {});
    commit(&store, |transaction| {
        (0..ACCOUNTS).for_each(|account| transaction.put(&account.to_be_bytes(), 10_u64.to_le_bytes().to_vec(), None));
    });
    let lookers = AtomicUsize::new(2);
    thread::scope(|scope| {
        for seed in 0..2 {
            let (store, lookers, clock) = (&store, &lookers, &clock);
            scope.spawn(move || {
                let mut numbers = Numbers::new(seed + 1);
                while lookers.load(Ordering::Relaxed) > 0 {
                    let [from, to] = [numbers.below(ACCOUNTS), numbers.below(ACCOUNTS)];
                    retry(store, |transaction| transfer(transaction, from, to, 1 + numbers.below(5)));
                    clock.advance_ms(1);
                    store.maintain(16);
                }
            });
        }
        for seed in 0..2 {
            let (store, working) = (&store, Working::one_of(&lookers));
            scope.spawn(move || {
                let _working = working;
                for look in seed..seed + LOOKS {
                    let direction = if look % 2 == 0 { Direction::Forward } else { Direction::Reverse };
                    let mut sum = 0;
                    let add = |_: &[u8], entry: mantis_store::Entry| {
                        sum += number(&entry);
                        ControlFlow::Continue(())
                    };
                    match look % 3 {
                        0 => store.snapshot().visit_shared(&KeyRange::all(), direction, add).unwrap(),
                        1 => store.begin().visit_shared(&KeyRange::all(), direction, add).unwrap(),
                        _ => {
                            let snapshot = store.snapshot();
                            let accounts = (0..ACCOUNTS).map(u64::to_be_bytes);
                            sum = accounts.filter_map(|key| snapshot.get(&key).unwrap()).map(|e| number(&e)).sum();
                        }
                    }
                    assert_eq!(sum, TOTAL, "half of a commit was seen");
                }
            });
        }
    });
}

/// Empty accounts are deleted, so that keys come and go; those that are not empty have a deadline far away.
fn transfer(transaction: &mut Transaction, from: u64, to: u64, amount: u64) -> Result<(), Error> {
    let balance = transaction.get(&from.to_be_bytes())?.map_or(0, |entry| number(&entry));
    if balance < amount || from == to {
        return Ok(());
    }
    let received = transaction.get(&to.to_be_bytes())?.map_or(0, |entry| number(&entry)) + amount;
    if balance == amount {
        transaction.delete(&from.to_be_bytes());
    } else {
        transaction.put(&from.to_be_bytes(), (balance - amount).to_le_bytes().to_vec(), None);
    }
    transaction.put(&to.to_be_bytes(), received.to_le_bytes().to_vec(), Some(START_MS * 1_000));
    Ok(())
}

/// Everything at once; afterwards the feed, the statistics and the keys must agree.
#[test]
fn after_a_storm_feed_statistics_and_keys_agree() {
    const ROUNDS: u64 = 20_000;
    const KEYS: u64 = 64;
    let (store, clock) = store_with(|options| {
        options.snapshot_age_ms_max = 50;
        options.space_prefix_bytes = 1;
    });
    in_threads(|thread| {
        let mut numbers = Numbers::new(thread + 1);
        let mut held = None;
        for round in 0..ROUNDS {
            let key = format!("{}", numbers.below(KEYS));
            let update = match numbers.below(3) {
                0 => Update::Delete,
                1 => {
                    Update::Put { value: "short-lived".into(), expires_at_ms: Some(store.now_ms() + numbers.below(9)) }
                }
                _ => Update::Put { value: round.to_le_bytes().to_vec().into(), expires_at_ms: None },
            };
            _ = store.write(key.as_bytes(), update, Expect::Anything, None).unwrap();
            match numbers.below(16) {
                0 => held = Some(store.snapshot()),
                1 => held = None,
                2 => clock.advance_ms(1),
                3 => _ = store.maintain(8),
                _ => {}
            }
        }
        drop(held);
    });
    clock.advance_ms(10);
    while store.maintain(100) > 0 || store.stats().prune_backlog > 0 {}

    let mut mirror = std::collections::BTreeMap::new();
    let (mut cursor, mut changes) = (FeedCursor::after(0), 0);
    loop {
        let page = store.changes(cursor, 1_000, |_| true).unwrap();
        for change in &page.changes {
            assert!(change.version - cursor.version <= 1 && change.cursor > cursor);
            cursor = change.cursor;
            changes += 1;
            mirror.remove(change.key());
            if let Some(value) = &change.value {
                mirror.insert(change.key().to_vec(), value.clone());
            }
        }
        if page.at_end {
            break;
        }
    }
    let mut keys = Vec::new();
    store
        .snapshot()
        .visit_shared(&KeyRange::all(), Direction::Forward, |key, entry| {
            keys.push((key.to_vec(), entry.value));
            ControlFlow::Continue(())
        })
        .unwrap();
    let stats = store.stats();
    let key_bytes = keys.iter().map(|(key, _)| key.len() as u64).sum::<u64>();
    let value_bytes = keys.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
    assert_eq!(keys, mirror.into_iter().collect::<Vec<_>>());
    assert_eq!((stats.keys, stats.versions), (keys.len() as u64, keys.len() as u64));
    assert_eq!((stats.key_bytes, stats.value_bytes, store.bytes()), (key_bytes, value_bytes, key_bytes + value_bytes));
    assert_eq!(stats.pruned + stats.versions, changes, "every change made a version");
    assert_eq!((stats.deadlines, stats.snapshots), (0, 0));
    for first in b'0'..=b'9' {
        let within = keys.iter().filter(|(key, _)| key[0] == first);
        assert_eq!(store.space(&[first]).keys, within.count() as u64);
    }
}
