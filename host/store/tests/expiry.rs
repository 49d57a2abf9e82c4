//! Deadlines: an expired key is never served, is removed by a commit, and no deadline outlives its value.

use mantis_store::{Direction, FeedCursor, KeyRange, Store};

use crate::support::{START_MS, commit, delete, exclusively, put, put_until, snapshot_lists, store_with, value};

fn get(store: &Store, key: &str) -> Option<String> {
    value(store.get(key.as_bytes()))
}

#[test]
fn an_expired_key_is_never_served() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a", "a", Some(START_MS + 10));
    put(&store, "b", "b");
    let snapshot = store.snapshot();
    let mut transaction = store.begin();
    clock.set_ms(START_MS + 9);
    assert_eq!(get(&store, "a").as_deref(), Some("a"));
    assert_eq!(store.get(b"a").unwrap().expires_at_ms, Some(START_MS + 10));
    clock.set_ms(START_MS + 10);
    assert_eq!(get(&store, "a"), None);
    assert_eq!(snapshot.get(b"a").unwrap(), None);
    assert_eq!(transaction.get(b"a").unwrap(), None);
    assert_eq!(exclusively(&store, |transaction| transaction.get(b"a").unwrap()).0, None);
    assert_eq!(snapshot_lists(&snapshot, &KeyRange::all(), Direction::Forward), "b=b");
    assert_eq!(snapshot_lists(&snapshot, &KeyRange::all(), Direction::Reverse), "b=b");
}

#[test]
fn an_expired_own_write_is_not_shown() {
    let (store, clock) = store_with(|_| {});
    put(&store, "a", "old");
    let mut transaction = store.begin();
    transaction.put(b"a", "own", Some(START_MS + 10));
    transaction.put(b"b", "own", Some(START_MS));
    assert_eq!(value(transaction.get(b"a").unwrap()).as_deref(), Some("own"));
    assert_eq!(transaction.get(b"b").unwrap(), None);
    clock.set_ms(START_MS + 10);
    assert_eq!(transaction.get(b"a").unwrap(), None, "what it replaces does not shine through");
    let mut seen = 0;
    let count = |_: &[u8], _| {
        seen += 1;
        std::ops::ControlFlow::Continue(())
    };
    transaction.visit_shared(&KeyRange::all(), Direction::Forward, count).unwrap();
    assert_eq!(seen, 0);
}

#[test]
fn removal_is_a_commit_that_the_feed_shows() {
    let (store, clock) = store_with(|_| {});
    let written = put_until(&store, "a", "a", Some(START_MS + 10));
    clock.set_ms(START_MS + 9);
    assert_eq!(store.maintain(10), 0);
    clock.set_ms(START_MS + 10);
    assert_eq!(store.maintain(10), 1);
    assert_eq!(store.version(), written + 1);
    let page = store.changes(FeedCursor::after(written), 10, |_| true).unwrap();
    let change = &page.changes[0];
    assert_eq!((change.key(), &change.value, change.version), (&b"a"[..], &None, written + 1));
    let stats = store.stats();
    assert_eq!((stats.expired, stats.keys, stats.deadlines, stats.versions), (1, 0, 0, 0));
    assert_eq!(store.maintain(10), 0, "removed once");
}

#[test]
fn a_deadline_is_replaced_with_its_value() {
    let (store, clock) = store_with(|_| {});
    for key in ["later", "sooner", "never", "deleted", "recreated", "same"] {
        put_until(&store, key, "1", Some(START_MS + 10));
    }
    put_until(&store, "later", "2", Some(START_MS + 20));
    put_until(&store, "sooner", "2", Some(START_MS + 5));
    put(&store, "never", "2");
    delete(&store, "deleted");
    delete(&store, "recreated");
    store.maintain(100);
    put(&store, "recreated", "2");
    put_until(&store, "same", "2", Some(START_MS + 10));
    assert_eq!(store.stats().deadlines, 3);
    for (at_ms, removed, left) in [
        (START_MS + 5, 1, ["later", "never", "recreated", "same"].as_slice()),
        (START_MS + 10, 1, &["later", "never", "recreated"]),
        (START_MS + 19, 0, &["later", "never", "recreated"]),
        (START_MS + 20, 1, &["never", "recreated"]),
        (u64::MAX - 1, 0, &["never", "recreated"]),
    ] {
        clock.set_ms(at_ms);
        assert_eq!(store.maintain(100), removed, "at {at_ms}");
        for key in ["later", "sooner", "never", "deleted", "recreated", "same"] {
            assert_eq!(get(&store, key).as_deref(), left.contains(&key).then_some("2"), "{key} at {at_ms}");
        }
    }
}

#[test]
fn many_keys_with_one_deadline_are_removed_in_bounded_steps() {
    let (store, clock) = store_with(|_| {});
    commit(&store, |transaction| {
        (0..1_000).for_each(|key| transaction.put(format!("{key:04}").as_bytes(), "", Some(START_MS + 10)));
    });
    clock.set_ms(START_MS + 10);
    let steps: Vec<_> = (0..5).map(|_| store.maintain(300)).collect();
    assert_eq!(steps, [300, 300, 300, 100, 0]);
    assert_eq!((store.stats().versions, store.version()), (0, 5));
}

#[test]
fn the_largest_deadline_is_none() {
    let (store, clock) = store_with(|options| options.feed_age_ms_max = u64::MAX);
    put_until(&store, "a", "a", Some(u64::MAX));
    clock.set_ms(u64::MAX);
    assert_eq!(store.maintain(10), 0);
    assert_eq!(store.get(b"a").unwrap().expires_at_ms, None);
    assert_eq!(store.changes(FeedCursor::after(0), 1, |_| true).unwrap().changes[0].expires_at_ms, None);
}

#[test]
fn a_deadline_in_the_past_is_never_served() {
    let (store, _) = store_with(|_| {});
    put(&store, "a", "old");
    put_until(&store, "a", "new", Some(0));
    assert_eq!(get(&store, "a"), None);
    assert_eq!((store.maintain(10), store.stats().versions), (1, 0));
}

#[test]
fn a_clock_set_back_revives_keys_not_yet_removed() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a", "a", Some(START_MS + 10));
    put_until(&store, "b", "b", Some(START_MS + 10));
    clock.set_ms(START_MS + 10);
    assert_eq!(store.maintain(1), 1);
    assert_eq!((get(&store, "a"), get(&store, "b")), (None, None));
    clock.set_ms(0);
    assert_eq!((get(&store, "a"), get(&store, "b").as_deref()), (None, Some("b")), "what was removed stays removed");
    assert_eq!(store.maintain(10), 0);
}

#[test]
fn overwriting_an_expired_key_creates_it() {
    let (store, clock) = store_with(|_| {});
    let first = put_until(&store, "a", "1", Some(START_MS + 10));
    let second = put_until(&store, "a", "2", Some(START_MS + 20));
    clock.set_ms(START_MS + 20);
    put(&store, "a", "3");
    let page = store.changes(FeedCursor::after(0), 10, |_| true).unwrap();
    let previous: Vec<_> = page.changes.iter().map(|change| change.previous).collect();
    assert_eq!((previous, second), (vec![None, Some(first), None], 2));
    assert_eq!(store.stats().expired, 0);
}
