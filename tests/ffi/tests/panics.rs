//! A panic within a function of the C interface becomes an error, and costs one connection.

#![allow(unsafe_code, reason = "the functions of the header take pointers")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ffi::{CStr, c_char};
use std::mem::size_of;
use std::ptr::{null, null_mut};

use mantisdb_c::status::{MANTIS_E_PANIC, MANTIS_NOT_FOUND, MANTIS_OK};
use mantisdb_c::types::{mantis_conn, mantis_error, mantis_pool, mantis_stats, mantis_token};
use mantisdb_c::{
    mantis_conn_get, mantis_conn_put, mantis_conn_release, mantis_pool_acquire, mantis_pool_destroy, mantis_pool_new,
    mantis_pool_stats,
};
use mantisdb_c_testing::mantis_test_panic;

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap()
}

fn no_error() -> mantis_error {
    let (code, message, details, hint) = ([0; 40], [0; 512], [0; 512], [0; 272]);
    mantis_error { size: size::<mantis_error>(), status: 0, deleted: 0, index: 0, code, message, details, hint }
}

fn acquire(pool: mantis_pool) -> mantis_conn {
    let mut conn = mantis_conn { id: 0 };
    // SAFETY: the connection is a place for one, and no error is wanted.
    let status = unsafe { mantis_pool_acquire(pool, 0, mantis_token { id: 0 }, &raw mut conn, null_mut()) };
    assert_eq!(status, MANTIS_OK);
    conn
}

/// Writes a key. Returns the result and the error's message.
fn put(conn: mantis_conn) -> (i32, String) {
    let mut error = no_error();
    // SAFETY: the key and the value are borrowed for the call; the error is whole.
    let status = unsafe {
        mantis_conn_put(
            conn,
            null(),
            0,
            b"k".as_ptr().cast(),
            1,
            b"v".as_ptr().cast(),
            1,
            null(),
            null_mut(),
            &raw mut error,
        )
    };
    (status, text(&error.message))
}

fn text(chars: &[c_char]) -> String {
    // SAFETY: the texts of an error end with a NUL.
    unsafe { CStr::from_ptr(chars.as_ptr()) }.to_str().unwrap().to_owned()
}

fn stats(pool: mantis_pool) -> mantis_stats {
    let mut stats = mantis_stats { size: size::<mantis_stats>(), ..mantis_stats::default() };
    // SAFETY: the structure is whole.
    assert_eq!(unsafe { mantis_pool_stats(pool, &raw mut stats, null_mut()) }, MANTIS_OK);
    stats
}

#[test]
fn a_panic_is_an_error_and_costs_the_connection_alone() {
    let (location, mut pool) = (":memory:", mantis_pool { id: 0 });
    // SAFETY: the text is borrowed for the call, the pool is a place for one.
    let opened =
        unsafe { mantis_pool_new(location.as_ptr().cast(), location.len(), null(), &raw mut pool, null_mut()) };
    assert_eq!(opened, MANTIS_OK);

    // With no connection: the error says so, and nothing else happens.
    let mut error = no_error();
    // SAFETY: the error is whole.
    assert_eq!(unsafe { mantis_test_panic(mantis_conn { id: 0 }, &raw mut error) }, MANTIS_E_PANIC);
    assert_eq!((text(&error.code).as_str(), error.status), ("panic", MANTIS_E_PANIC));
    assert!(!text(&error.message).is_empty());
    // SAFETY: without an error there is nothing to write.
    assert_eq!(unsafe { mantis_test_panic(mantis_conn { id: 0 }, null_mut()) }, MANTIS_E_PANIC);

    // With one: it refuses every later call, and says what to do.
    let (broken, other) = (acquire(pool), acquire(pool));
    assert_eq!(put(broken).0, MANTIS_OK);
    // SAFETY: without an error there is nothing to write.
    assert_eq!(unsafe { mantis_test_panic(broken, null_mut()) }, MANTIS_E_PANIC);
    let (status, message) = put(broken);
    assert_eq!(status, MANTIS_E_PANIC);
    assert!(message.ends_with("release it"), "{message}");

    // Others go on, with what was committed before.
    assert_eq!(put(other).0, MANTIS_OK);
    // SAFETY: the key is borrowed for the call.
    let read = |key: &[u8]| unsafe {
        mantis_conn_get(other, null(), 0, key.as_ptr().cast(), key.len(), null_mut(), 0, null_mut(), null_mut())
    };
    assert_eq!((read(b"k"), read(b"missing")), (MANTIS_OK, MANTIS_NOT_FOUND));

    // It is closed when it is released, and not used again.
    let closed = stats(pool).closed;
    // SAFETY: no error is wanted.
    assert_eq!(unsafe { mantis_conn_release(broken, null_mut()) }, MANTIS_OK);
    assert_eq!(stats(pool).closed, closed + 1);
    let new = acquire(pool);
    assert_eq!(put(new).0, MANTIS_OK);
    for conn in [other, new] {
        // SAFETY: no error is wanted.
        assert_eq!(unsafe { mantis_conn_release(conn, null_mut()) }, MANTIS_OK);
    }
    // SAFETY: no error is wanted.
    assert_eq!(unsafe { mantis_pool_destroy(pool, null_mut()) }, MANTIS_OK);
}
