//! The change feed shows every commit once, in order, from wherever a follower left off, and reports gaps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mantis_store::{Change, Compacted, FeedCursor, Store, Version};

use crate::support::{START_MS, Working, commit, delete, exclusively, put, store, store_with};

fn key_and_version(change: &Change) -> (String, Version) {
    (String::from_utf8(change.key().to_vec()).unwrap(), change.version)
}

/// Reads from `since` to the end in pages of `page_max`.
#[track_caller]
fn follow(store: &Store, since: FeedCursor, page_max: usize, wanted: fn(&[u8]) -> bool) -> Vec<Change> {
    let (mut changes, mut cursor) = (Vec::new(), since);
    loop {
        let page = store.changes(cursor, page_max, wanted).unwrap();
        assert!(page.changes.len() <= page_max && page.cursor >= cursor, "{cursor:?} {page:?}");
        assert!(page.at_end || page.cursor > cursor, "no progress at {cursor:?}");
        cursor = page.cursor;
        changes.extend(page.changes);
        if page.at_end {
            return changes;
        }
    }
}

/// Commits of one to five changes, deletions among them.
fn commits_of_many_sizes() -> Store {
    let store = store();
    for round in 0..20 {
        exclusively(&store, |transaction| {
            for key in 0..=round % 5 {
                transaction.put(format!("{key}").as_bytes(), format!("{round}"), None);
            }
            if round % 3 == 0 {
                transaction.delete(b"0");
            }
        });
    }
    store
}

#[test]
fn a_follower_resumes_at_every_cursor_without_gap_or_repeat() {
    let store = commits_of_many_sizes();
    let all = follow(&store, FeedCursor::after(0), usize::MAX, |_| true);
    assert_eq!(all.len(), 59, "the deletion of what does not exist is no change");
    assert!(all.is_sorted_by(|one, next| one.cursor < next.cursor));
    let names: Vec<_> = all.iter().map(key_and_version).collect();
    for page_max in [1, 2, 3, 7, 100] {
        for (done, change) in (1..).zip(&all) {
            let rest = follow(&store, change.cursor, page_max, |_| true);
            assert_eq!(rest.iter().map(key_and_version).collect::<Vec<_>>(), names[done..], "{:?}", change.cursor);
        }
        // A cursor after a commit, made from its version.
        for version in 0..=store.version() {
            let rest = follow(&store, FeedCursor::after(version), page_max, |_| true);
            assert!(rest.iter().map(key_and_version).eq(names.iter().filter(|(_, of)| *of > version).cloned()));
        }
        let filtered = follow(&store, FeedCursor::after(0), page_max, |key| key == b"2");
        assert!(filtered.iter().map(key_and_version).eq(names.iter().filter(|(key, _)| key == "2").cloned()));
    }
}

#[test]
fn a_change_names_the_version_it_replaced() {
    let store = store();
    let first = put(&store, "a", "1");
    let second = put(&store, "a", "2");
    delete(&store, "a");
    put(&store, "a", "3");
    let shown: Vec<_> = follow(&store, FeedCursor::after(0), 10, |_| true)
        .iter()
        .map(|change| (change.value.is_some(), change.previous))
        .collect();
    assert_eq!(shown, [(true, None), (true, Some(first)), (false, Some(second)), (true, None)]);
}

#[test]
fn following_the_feed_gives_the_state() {
    let store = commits_of_many_sizes();
    let mut mirror = BTreeMap::new();
    for change in follow(&store, FeedCursor::after(0), 3, |_| true) {
        match &change.value {
            Some(value) => mirror.insert(change.key().to_vec(), value.clone()),
            None => mirror.remove(change.key()),
        };
    }
    assert_eq!(mirror.len() as u64, store.stats().keys);
    assert!(mirror.iter().all(|(key, value)| store.get(key).unwrap().value == *value));
}

#[test]
fn a_clock_step_drops_nothing_of_the_feed() {
    let (store, clock) = store_with(|options| options.feed_age_ms_max = 100);
    for now_ms in [START_MS + 24 * 60 * 60 * 1_000, 0, u64::MAX / 2, START_MS] {
        put(&store, "a", "1");
        clock.set_ms(now_ms);
        clock.advance_ms(25);
        store.maintain(0);
    }
    assert_eq!(follow(&store, FeedCursor::after(0), 10, |_| true).len(), 4);
    clock.set_ms(0);
    clock.advance_ms(1);
    store.maintain(0);
    assert_eq!(store.stats().feed_commits, 3, "time has passed all the same");
}

#[test]
fn a_gap_in_the_feed_is_reported() {
    let (store, _) = store_with(|options| options.feed_bytes_max = 4_096);
    for round in 0..100 {
        put(&store, &format!("{round}"), &"v".repeat(100));
    }
    let start = store.feed_start();
    let Compacted { dropped } = store.changes(FeedCursor::after(0), 10, |_| true).unwrap_err();
    assert_eq!(start, FeedCursor::after(dropped));
    assert!(dropped > 0 && dropped < 100, "{dropped}");
    let kept = follow(&store, start, 10, |_| true);
    assert_eq!(kept.iter().map(|change| change.version).collect::<Vec<_>>(), (dropped + 1..=100).collect::<Vec<_>>());
    let stats = store.stats();
    assert!(stats.feed_bytes <= 4_096, "{stats:?}");
    assert_eq!(stats.feed_commits, 100 - dropped);
    for version in 0..dropped {
        let outcome = store.changes(FeedCursor::after(version), 10, |_| true);
        assert_eq!(outcome.unwrap_err(), Compacted { dropped });
    }
    let within = FeedCursor { version: dropped, index: 0 };
    assert_eq!(
        store.changes(within, 10, |_| true).unwrap_err(),
        Compacted { dropped },
        "the commit was not seen whole"
    );
}

#[test]
fn a_commit_larger_than_the_feed_is_reported_as_a_gap() {
    let (store, _) = store_with(|options| options.feed_bytes_max = 1_000);
    put(&store, "a", "1");
    let version = put(&store, "a", &"v".repeat(2_000));
    assert_eq!(store.changes(FeedCursor::after(1), 10, |_| true).unwrap_err(), Compacted { dropped: version });
    assert_eq!(store.stats().feed_commits, 0);
    let page = store.changes(store.feed_start(), 10, |_| true).unwrap();
    assert!(page.at_end && page.changes.is_empty() && page.cursor == FeedCursor::after(version));
    put(&store, "a", "3");
    assert_eq!(follow(&store, page.cursor, 10, |_| true).len(), 1);
}

#[test]
fn forgotten_changes_are_reported_as_a_gap() {
    let store = commits_of_many_sizes();
    let before = store.stats();
    store.forget_changes(7);
    assert_eq!(store.changes(FeedCursor::after(6), 10, |_| true).unwrap_err(), Compacted { dropped: 7 });
    assert_eq!(store.feed_start(), FeedCursor::after(7));
    assert_eq!(follow(&store, FeedCursor::after(7), 3, |_| true)[0].version, 8);
    let after = store.stats();
    assert_eq!(after.feed_commits, before.feed_commits - 7);
    assert!(after.feed_bytes < before.feed_bytes);
    store.forget_changes(3);
    assert_eq!(store.feed_start(), FeedCursor::after(7), "what has gone does not come back");
    store.forget_changes(u64::MAX);
    assert_eq!(store.feed_start(), FeedCursor::after(store.version()), "and what is to come stays");
    put(&store, "next", "");
    assert_eq!(follow(&store, store.feed_start(), 3, |_| true).len(), 1);
}

#[test]
fn an_empty_feed_is_at_its_end() {
    let store = store();
    for since in [store.feed_start(), FeedCursor::after(0), FeedCursor { version: 0, index: 0 }] {
        let page = store.changes(since, 10, |_| true).unwrap();
        assert!(page.at_end && page.changes.is_empty(), "{since:?}");
    }
    put(&store, "a", "a");
    assert_eq!(follow(&store, FeedCursor { version: 0, index: 0 }, 10, |_| true).len(), 1);
}

#[test]
fn forged_cursors_get_a_sensible_answer() {
    let store = commits_of_many_sizes();
    let newest = store.version();
    for version in [newest + 1, u64::MAX] {
        for index in [0, 1, u32::MAX] {
            assert!(store.changes(FeedCursor { version, index }, 10, |_| true).is_err(), "{version} {index}");
        }
    }
    // An index beyond the commit's changes is after all of them.
    let beyond = follow(&store, FeedCursor { version: 5, index: 1_000 }, 10, |_| true);
    assert_eq!(beyond.len(), follow(&store, FeedCursor::after(5), 10, |_| true).len());
    let nothing_asked = store.changes(FeedCursor::after(0), 0, |_| true).unwrap();
    assert!(!nothing_asked.at_end && nothing_asked.changes.is_empty() && nothing_asked.cursor == FeedCursor::after(0));
}

#[test]
fn one_call_examines_a_bounded_number_of_changes() {
    const EXAMINED_MAX: u32 = 16_384;
    let store = store();
    let version = commit(&store, |transaction| {
        (0..EXAMINED_MAX + 2_000).for_each(|key| transaction.put(&key.to_be_bytes(), "", None));
    });
    let mut looked = 0;
    let mut nothing = |_: &[u8]| {
        looked += 1;
        false
    };
    let page = store.changes(FeedCursor::after(0), 10, &mut nothing).unwrap();
    assert_eq!((page.at_end, page.cursor), (false, FeedCursor { version, index: EXAMINED_MAX }));
    let page = store.changes(page.cursor, 10, &mut nothing).unwrap();
    assert_eq!((page.at_end, page.cursor, looked), (true, FeedCursor::after(version), EXAMINED_MAX + 2_000));
}

#[test]
fn a_filter_may_use_the_store() {
    let store = commits_of_many_sizes();
    let newest = store.version();
    let page = store.changes(FeedCursor::after(0), 1_000, |key| put(&store, "seen", "") > 0 && key == b"1").unwrap();
    assert!(page.at_end && page.cursor == FeedCursor::after(newest), "what the filter wrote comes later: {page:?}");
    assert!(store.version() > newest);
}

/// Followers during writes: every version in turn, never ahead of the readable state, and no false gaps.
#[test]
fn followers_during_writes_are_never_ahead_and_miss_nothing() {
    const WRITES: u64 = 60_000;
    let store = store();
    thread::scope(|scope| {
        for writer in 0..2 {
            let store = &store;
            scope.spawn(move || (0..WRITES / 2).for_each(|_| _ = put(store, &format!("{writer}"), "")));
        }
        for page_max in [1, 100] {
            let store = &store;
            scope.spawn(move || {
                let mut cursor = FeedCursor::after(0);
                while cursor.version < WRITES {
                    let page = store.changes(cursor, page_max, |_| true).unwrap();
                    for change in &page.changes {
                        assert_eq!(change.version, cursor.version + 1, "a gap or a repeat");
                        cursor = change.cursor;
                        let now = store.get(change.key()).unwrap();
                        assert!(now.version >= change.version, "the feed is ahead of the state");
                    }
                }
            });
        }
    });
}

/// A follower slower than the feed is long must learn of its gap, and finds the rest in place.
#[test]
fn a_slow_follower_learns_of_its_gap_and_misses_nothing_else() {
    let (store, _) = store_with(|options| options.feed_bytes_max = 20_000);
    let writers = AtomicUsize::new(1);
    let mut gaps = 0;
    thread::scope(|scope| {
        let working = Working::one_of(&writers);
        scope.spawn(|| {
            let _working = working;
            (0..200_000).for_each(|_| _ = put(&store, "a", ""));
        });
        let mut cursor = store.feed_start();
        while writers.load(Ordering::Relaxed) > 0 {
            match store.changes(cursor, 10, |_| true) {
                Ok(page) => {
                    for change in page.changes {
                        assert_eq!(change.version, cursor.version + 1, "a silent gap");
                        cursor = change.cursor;
                    }
                }
                Err(Compacted { dropped }) => {
                    assert!(dropped > cursor.version, "a gap that is not there");
                    gaps += 1;
                    cursor = FeedCursor::after(dropped);
                }
            }
        }
    });
    assert!(gaps > 0, "the follower kept up: the race was not run");
}

#[test]
fn waiters_learn_of_the_newest_commit() {
    let store = store();
    put(&store, "a", "1");
    put(&store, "a", "2");
    let mut receiver = store.watch();
    assert_eq!(*receiver.borrow_and_update(), 2, "commits from before it was there count");
    put(&store, "a", "3");
    assert!(receiver.has_changed().unwrap());
    assert_eq!(*receiver.borrow_and_update(), 3);
    delete(&store, "missing");
    store.maintain(10);
    assert!(!receiver.has_changed().unwrap(), "no commit, no word");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..2_000).for_each(|_| _ = put(&store, "a", "")));
        }
        // A receiver that is added later sees earlier commits without waiting for another one.
        for _ in 0..2_000 {
            let before = store.version();
            assert!(*store.watch().borrow() >= before);
        }
    });
    assert_eq!(*receiver.borrow_and_update(), store.version());
}
