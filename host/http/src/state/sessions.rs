//! The session of a request: from the pool, or of the transaction that the request names.

use std::ops::{Deref, DerefMut};

use mantis_db::{Code as DbCode, Session};

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
        self.sessions.acquire().await.map_err(|error| Problem::new(Code::Overloaded).detail(error.to_string()))
    }

    /// The session of the transaction that the request names, or one from the pool.
    pub(crate) async fn session_for(&self, request: &Request) -> Result<Held> {
        match transaction_of(request)? {
            Some(id) => Ok(Held::Leased(self.transactions.lend(id)?)),
            None => Ok(Held::Pooled(self.session().await?)),
        }
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
