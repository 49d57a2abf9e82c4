//! What tests set before a pool is opened and a connection acquired.

use std::sync::Arc;

use mantis_db::{Database, Grants};
use parking_lot::Mutex;

/// What the next pool in memory is opened over.
static NEXT: Mutex<Option<Database>> = Mutex::new(None);
/// What connections may do that are acquired from now on; everything if nothing is said.
static GRANTS: Mutex<Option<Arc<Grants>>> = Mutex::new(None);

/// Makes the next `mantis_pool_new(":memory:")` open this database in place of an empty one.
pub fn open_next(database: Database) {
    *NEXT.lock() = Some(database);
}

pub(crate) fn take_next() -> Option<Database> {
    NEXT.lock().take()
}

/// Gives these grants to connections that are acquired from now on; all if there are none.
pub fn grant_next(grants: Option<Grants>) {
    *GRANTS.lock() = grants.map(Arc::new);
}

pub(crate) fn grants() -> Option<Arc<Grants>> {
    GRANTS.lock().clone()
}
