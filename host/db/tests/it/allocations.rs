//! Reading a key allocates no more than the handle that shares its value, and one for its bucket's number.

use allocation_counter::measure;

use crate::support::{Short, Stage, now};

/// A count of owners and a pointer to the value, with room to spare.
const HANDLE_BYTES_MAX: u64 = 32;

#[test]
fn a_get_copies_nothing() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "short", "value");
    session.put("b", &"k".repeat(120), &"v".repeat(10_000));
    for (bucket, key, handles) in
        [("default", "short".to_owned(), 1), ("b", "k".repeat(120), 2), ("default", "missing".to_owned(), 0)]
    {
        let mut get = || now(session.kv(bucket).unwrap().get(key.as_bytes())).unwrap();
        // The first reader on a thread sets up what later ones use again.
        get();
        let measured = measure(|| drop(get()));
        let fits = measured.count_total <= handles && measured.bytes_total <= handles * HANDLE_BYTES_MAX;
        assert!(fits, "{bucket}/{key}: {measured:?}");
    }
}

#[test]
fn a_value_that_is_shown_allocates_nothing() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "short", "value");
    let mut read = || now(session.kv("default").unwrap().read(b"short", |entry| entry.value.len())).unwrap();
    assert_eq!(read(), Some(5));
    assert_eq!(measure(|| assert_eq!(read(), Some(5))).count_total, 0);
}

/// What is needed once for a call, however many keys it has: the encoded keys, the places of both, a snapshot.
const CALL_MAX: u64 = 6;

#[test]
fn keys_that_are_read_together_allocate_nothing_each() {
    let stage = Stage::new();
    let mut session = stage.session();
    let keys: Vec<String> = (0..1_000).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        session.put("default", key, "a value");
    }
    let mut read = || {
        let mut bytes = 0;
        let mut see = |entry: Option<mantis_db::EntryRef<'_>>| bytes += entry.map_or(0, |entry| entry.value.len());
        now(session.kv("default").unwrap().read_many(&keys, &mut see)).unwrap();
        bytes
    };
    assert_eq!(read(), 7_000);
    let measured = measure(|| assert_eq!(read(), 7_000));
    assert!(measured.count_total <= CALL_MAX, "{measured:?}");
}
