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
