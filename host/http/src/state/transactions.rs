//! The open transactions, which span several requests.
//!
//! Each holds a session of the pool. A request takes the session out while it uses it, so that no two requests use one transaction
//! at once. Idle transactions are rolled back.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use mantis_db::{Code as DbCode, Session, SessionManager};
use mantis_pool::Object;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// A session on loan from the pool.
pub(crate) type PooledSession = Object<SessionManager>;

/// The open transactions. Its mutexes are held for a look-up, never across an await.
#[derive(Debug)]
pub(crate) struct OpenTransactions {
    open: Mutex<HashMap<TransactionId, Slot>>,
    /// The latest that ended without a rollback by their client, which may not know yet.
    ended: Mutex<VecDeque<(TransactionId, Ending)>>,
    count_max: usize,
    idle_max: Duration,
}

/// 128 random bits: to know the id is to have the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransactionId(u128);

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A commit was tried; the response to it has the outcome.
    Commit,
    /// It was idle for too long.
    Idle,
}

#[derive(Debug)]
enum Slot {
    Idle { session: PooledSession, since: Instant },
    Busy,
}

/// A transaction's session, for one request. Goes back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    registry: Arc<OpenTransactions>,
    id: TransactionId,
    session: Option<PooledSession>,
}

impl TransactionId {
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// Reads the 32 hexadecimal digits of [`text`](Self::text).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    pub(crate) fn text(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl OpenTransactions {
    pub(crate) fn new(count_max: usize, idle_max_ms: u64) -> Self {
        let ended = Mutex::new(VecDeque::new());
        Self { open: Mutex::new(HashMap::new()), ended, count_max, idle_max: Duration::from_millis(idle_max_ms) }
    }

    pub(crate) fn idle_max(&self) -> Duration {
        self.idle_max
    }

    pub(crate) fn count_max(&self) -> usize {
        self.count_max
    }

    pub(crate) fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// Checks the limit, before a session is taken from the pool.
    pub(crate) fn check_room(&self) -> Result<()> {
        if self.count() < self.count_max {
            return Ok(());
        }
        Err(self.full())
    }

    /// Adds a session whose transaction was just opened.
    pub(crate) fn keep(&self, id: TransactionId, session: PooledSession) -> Result<()> {
        let mut open = self.open.lock();
        if open.len() >= self.count_max {
            drop(open);
            return Err(self.full());
        }
        open.insert(id, Slot::Idle { session, since: Instant::now() });
        Ok(())
    }

    /// Lends a transaction's session to a request.
    pub(crate) fn lend(self: &Arc<Self>, id: TransactionId) -> Result<Lease> {
        let mut open = self.open.lock();
        let slot = open.get_mut(&id).ok_or_else(|| self.not_open(id))?;
        match std::mem::replace(slot, Slot::Busy) {
            Slot::Busy => Err(Code::TransactionBusy.into()),
            Slot::Idle { session, .. } => Ok(Lease { registry: Arc::clone(self), id, session: Some(session) }),
        }
    }

    /// Rolls back idle transactions.
    pub(crate) fn roll_back_idle(&self) {
        let now = Instant::now();
        let is_idle =
            |slot: &Slot| matches!(slot, Slot::Idle { since, .. } if now.duration_since(*since) > self.idle_max);
        let idle: Vec<_> = {
            let mut open = self.open.lock();
            open.extract_if(|_, slot| is_idle(slot)).collect()
        };
        for (id, _) in &idle {
            self.remember(*id, Ending::Idle);
        }
        // The sessions go back to their pool, which rolls back, outside the lock.
        drop(idle);
    }

    /// How a transaction that is no longer open ended, if that is still known.
    pub(crate) fn ending(&self, id: TransactionId) -> Option<Ending> {
        self.ended.lock().iter().rev().find(|(ended, _)| *ended == id).map(|(_, ending)| *ending)
    }

    fn not_open(&self, id: TransactionId) -> Problem {
        Problem::new(DbCode::TransactionNotOpen).detail(match self.ending(id) {
            Some(Ending::Commit) => {
                "a commit of this transaction was tried already; the response to it has the outcome"
            }
            Some(Ending::Idle) => "the transaction was rolled back because it was idle for too long",
            None => "no transaction with this id is open: it was rolled back, or there never was one",
        })
    }

    fn remember(&self, id: TransactionId, ending: Ending) {
        let mut ended = self.ended.lock();
        if ended.len() >= limits::ENDED_TRANSACTIONS_MAX {
            ended.pop_front();
        }
        ended.push_back((id, ending));
    }

    fn full(&self) -> Problem {
        Problem::new(Code::TransactionsTooMany)
            .detail(format!("{} transactions are open, which is the limit", self.count_max))
    }
}

impl Lease {
    /// Takes the session out, to commit it.
    pub(crate) fn end_with_commit(self) -> PooledSession {
        self.registry.remember(self.id, Ending::Commit);
        self.end()
    }

    /// Takes the session out: the transaction ends with this request.
    pub(crate) fn end(mut self) -> PooledSession {
        self.registry.open.lock().remove(&self.id);
        match self.session.take() {
            Some(session) => session,
            None => unreachable!("the session leaves when this is dropped or consumed"),
        }
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        match &self.session {
            Some(session) => session,
            None => unreachable!("the session leaves when this is dropped or consumed"),
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        match &mut self.session {
            Some(session) => session,
            None => unreachable!("the session leaves when this is dropped or consumed"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.registry.open.lock().insert(self.id, Slot::Idle { session, since: Instant::now() });
        }
    }
}
