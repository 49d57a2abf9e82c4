//! The session of a request: from the pool, or of the transaction that the request names.

use std::ops::{Deref, DerefMut};

use mantis_db::{Code as DbCode, Session};
use mantis_pool::{Error, Step};

use crate::api::request::Request;
use crate::api::transaction_header::{TRANSACTION, names_transaction};
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::state::State;
use crate::state::transactions::{Lease, PooledSession, TransactionId};

/// A session for one request.
#[derive(Debug)]
pub(crate) enum Held {
    Pooled(PooledSession),
    Leased(Lease),
}

impl State {
    /// A session, if one is free at once and the request names no transaction.
    pub(crate) fn session_now(&self, request: &Request) -> Option<PooledSession> {
        if names_transaction(request.headers()) {
            return None;
        }
        self.sessions.try_acquire().ok().flatten()
    }

    /// A session from the pool.
    pub(crate) async fn session(&self) -> Result<PooledSession> {
        self.sessions.acquire().await.map_err(|error| Problem::new(Code::Overloaded).detail(why_none(&error)))
    }

    /// The session of the transaction that the request names, or one from the pool.
    pub(crate) async fn session_for(&self, request: &Request) -> Result<Held> {
        match transaction_of(request)? {
            Some(id) => Ok(Held::Leased(self.transactions.lend(id)?)),
            None => Ok(Held::Pooled(self.session().await?)),
        }
    }
}

/// Why a request gets no session, in the words of the server's settings.
fn why_none<E: std::error::Error>(error: &Error<E>) -> String {
    match error {
        Error::Timeout { step: Step::Wait, limit, .. } => {
            format!("no session became free within {limit:?}: `pool.wait_timeout_ms` and `pool.max` are the limits")
        }
        Error::AcquireTimeout { limit, .. } => {
            format!("getting a session took longer than {limit:?}: `pool.acquire_timeout_ms` is the limit")
        }
        Error::QueueFull { max_waiters } => format!("{max_waiters} requests wait for a session already"),
        Error::Closed => "the server is ending".to_owned(),
        _ => "no session could be made".to_owned(),
    }
}

/// The transaction that the request names.
pub(crate) fn transaction_of(request: &Request) -> Result<Option<TransactionId>> {
    let mut values = request.headers().get_all(TRANSACTION.name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::HeaderInvalid).detail("`mantisdb-transaction` was sent twice"));
    }
    // What could never be an id is answered like one that is no longer open.
    let id = value.to_str().ok().and_then(TransactionId::parse).ok_or(DbCode::TransactionNotOpen)?;
    Ok(Some(id))
}

impl Deref for Held {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Pooled(session) => session,
            Self::Leased(lease) => lease,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Session {
        match self {
            Self::Pooled(session) => session,
            Self::Leased(lease) => lease,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_without_a_session_names_the_settings() {
        let limit = Duration::from_millis(700);
        let (step, last_failure) = (Step::Wait, None);
        let waited = Error::<std::io::Error>::Timeout { step, limit, last_failure };
        assert!(why_none(&waited).contains("700ms: `pool.wait_timeout_ms` and `pool.max`"));
        let late = Error::<std::io::Error>::AcquireTimeout { during: step, limit, last_failure: None };
        assert!(why_none(&late).contains("700ms: `pool.acquire_timeout_ms`"));
    }
}
