//! What a pool lends.

use std::convert::Infallible;
use std::sync::Arc;

use mantis_db::{Session, SessionManager};
use mantis_pool::{Manager, Metrics};

use crate::far::{Far, FarPool};

/// A connection's link to its database.
pub(crate) enum Link {
    /// A session of a database in this process.
    Near(Session),
    /// A connection to a server.
    Far(Box<dyn Far>),
}

/// Makes links.
pub(crate) enum LinkManager {
    Near(SessionManager),
    Far(Arc<dyn FarPool>),
}

impl Manager for LinkManager {
    type Object = Link;
    type Error = Infallible;

    // Ready at its first poll: a connection to a server reaches for it with its first request.
    async fn create(&self) -> Result<Link, Infallible> {
        Ok(match self {
            Self::Near(sessions) => Link::Near(sessions.create().await?),
            Self::Far(server) => Link::Far(server.link()),
        })
    }

    fn release(&self, link: &mut Link, metrics: &Metrics) -> Result<(), Infallible> {
        match (self, link) {
            (Self::Near(sessions), Link::Near(session)) => sessions.release(session, metrics),
            (_, Link::Far(far)) => {
                far.reset();
                Ok(())
            }
            (Self::Far(_), Link::Near(_)) => Ok(()),
        }
    }
}
