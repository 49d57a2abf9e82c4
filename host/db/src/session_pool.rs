//! [`SessionManager`]: sessions for a pool.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;

use mantis_pool::{Manager, Metrics};

use crate::{Database, Grants, Session};

/// Makes sessions of one database for a [`mantis_pool::Pool`]. They have all grants; the borrower narrows them.
///
/// A session of the embedded engine is memory of this process and cannot go bad. So the pool's `recycle` and `validate` keep their
/// defaults, which do nothing; a release undoes everything that a use leaves in a session. [`Session::operations`] keeps counting over all
/// uses.
///
/// ```
/// use mantis_db::pool::{Config, Pool};
/// use mantis_db::{Database, SessionManager};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::in_memory()?;
/// let pool = Pool::new(SessionManager::new(database), Config { min_idle: 1, max: 8, ..Config::default() })?;
/// let mut session = pool.acquire().await?;
/// session.kv("stock")?.set(b"pear", b"5").await?;
/// drop(session); // back in the pool, without what was left open
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SessionManager {
    database: Database,
    all: Arc<Grants>,
}

impl SessionManager {
    /// Sessions of `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, all: Arc::new(Grants::all()) }
    }
}

impl Manager for SessionManager {
    type Object = Session;
    type Error = Infallible;

    fn create(&self) -> impl Future<Output = Result<Session, Infallible>> + Send {
        ready(Ok(self.database.session_with(Arc::clone(&self.all))))
    }

    /// Rolls back what the borrower left open, and gives back all grants: neither outlives the use.
    fn release(&self, session: &mut Session, _: &Metrics) -> Result<(), Infallible> {
        session.rollback();
        session.set_deferred(false);
        session.take_unsettled();
        if !session.grants().is_all() {
            session.set_grants(Arc::clone(&self.all));
        }
        Ok(())
    }
}
