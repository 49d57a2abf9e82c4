//! How a pool makes and cleans sessions.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;

use mantis_pool::{Manager, Metrics};

use crate::{Database, Grants, Session};

/// Makes sessions of one database for a [`mantis_pool::Pool`]. They come with all grants; whoever takes one narrows them.
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

    /// Whatever the last user left open is rolled back, so that a transaction ends with its user.
    fn release(&self, session: &mut Session, _: &Metrics) -> Result<(), Infallible> {
        session.rollback();
        if !session.grants().is_all() {
            session.set_grants(Arc::clone(&self.all));
        }
        Ok(())
    }
}
