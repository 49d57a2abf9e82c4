//! The session that a request works with: one from the pool, or that of the transaction which it names.

use std::ops::{Deref, DerefMut};

use http::HeaderMap;
use http::request::Parts;
use mantis_db::{Code as DbCode, Session};

use crate::api::operation::{Operation, RequestHeader};
use crate::api::query::Role;
use crate::api::request::Request;
use crate::app::App;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::state::transactions::{Lent, PooledSession, TransactionId};

/// The header that names a transaction.
pub(crate) static TRANSACTION: RequestHeader = RequestHeader {
    name: "mantisdb-transaction",
    pattern: Some("^[0-9a-f]{32}$"),
    description: "The id of an open transaction, which the request then belongs to.",
    role: Role::Optional,
};

/// A session for one request.
#[derive(Debug)]
pub(crate) enum Held {
    Pooled(PooledSession),
    Lent(Lent),
}

impl App {
    /// A session, if one is free at once and the request names no transaction.
    pub(crate) fn session_now(&self, request: &Request) -> Option<PooledSession> {
        if names_transaction(request.headers()) {
            return None;
        }
        self.0.sessions.try_acquire().ok().flatten()
    }

    /// A session from the pool.
    pub(crate) async fn session(&self) -> Result<PooledSession> {
        self.0.sessions.acquire().await.map_err(|error| Problem::new(Code::Overloaded).detail(error.to_string()))
    }

    /// The session of the transaction that the request names, or one from the pool.
    pub(crate) async fn session_for(&self, request: &Request) -> Result<Held> {
        match transaction_of(request)? {
            Some(id) => Ok(Held::Lent(self.0.transactions.lend(id)?)),
            None => Ok(Held::Pooled(self.session().await?)),
        }
    }
}

/// Refuses a request that names a transaction to which it could not belong: it would be done although that is rolled back.
pub(crate) fn check_taken(operation: &Operation, head: &Parts) -> Result<()> {
    // Most requests may name one, which is known without looking for the header.
    let takes_one = operation.headers.first().is_some_and(|header| std::ptr::eq(*header, &raw const TRANSACTION));
    if takes_one || !names_transaction(&head.headers) {
        return Ok(());
    }
    Err(Code::TransactionNotTaken.into())
}

/// Looks at each header: requests have few, and a search would hash the name first.
fn names_transaction(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name == TRANSACTION.name)
}

/// The transaction that the request names.
pub(crate) fn transaction_of(request: &Request) -> Result<Option<TransactionId>> {
    let mut values = request.headers().get_all(TRANSACTION.name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::HeaderInvalid).detail("`mantisdb-transaction` is given twice"));
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
            Self::Lent(lent) => lent,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Session {
        match self {
            Self::Pooled(session) => session,
            Self::Lent(lent) => lent,
        }
    }
}
