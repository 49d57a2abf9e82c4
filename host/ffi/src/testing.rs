//! For tests in Rust that drive the functions of the header: no C program has it.

use mantis_db::Database;

use crate::abi::types::{mantis_pool, mantis_pool_config};
use crate::pool::{POOLS, Pool};
use crate::process;

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
