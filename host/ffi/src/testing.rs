//! For tests that drive the functions of the header: no C program has it.

use mantis_db::Database;

use crate::abi::types::{mantis_pool, mantis_pool_config};
use crate::pool::{POOLS, Pool};
use crate::process;

#[cfg(feature = "testing")]
pub use crate::staged::{grant_next, open_next};

/// A pool of connections to a database that is open already. Destroying the pool closes it.
///
/// # Panics
/// Threads are refused, or too many pools are open.
#[must_use]
pub fn pool_over(database: Database) -> mantis_pool {
    process::note_use();
    let pool = Pool::over(database, &mantis_pool_config::default()).expect("the defaults make a pool");
    let Ok(id) = POOLS.insert(pool) else { panic!("too many pools are open") };
    mantis_pool { id }
}

/// A call that panics: with this connection, or with none if its id is 0.
///
/// # Safety
/// If `error` is not NULL, it points to as many writable bytes as its size says.
#[cfg(feature = "testing")]
pub unsafe fn panic_in(
    conn: crate::abi::types::mantis_conn,
    error: *mut crate::abi::types::mantis_error,
) -> crate::abi::status::Status {
    /// Panics when it is dropped: what was caught must not do so on its way out.
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("the payload of a panic was dropped");
        }
    }
    let work = || {
        if conn.id == 0 {
            std::panic::panic_any(Trap);
        }
        crate::conn::Conn::with(conn.id, |_| std::panic::panic_any(Trap))
    };
    // SAFETY: the caller of this function promises the same.
    unsafe { crate::calls::call(error, work) }
}
