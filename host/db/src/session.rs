//! [`Session`]: what a client holds while it works.

use std::sync::Arc;

#[cfg(not(target_family = "wasm"))]
use crate::engine::Footprint;
use crate::engine::{Isolation, Transaction, UnsettledError};
#[cfg(not(target_family = "wasm"))]
use crate::retry::Attempts;
#[cfg(not(target_family = "wasm"))]
use crate::savepoint_list::Savepoints;
use crate::{Code, Database, Error, Grants, Result};

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub version: u64,
    /// Whether it is certain to survive a power cut. In memory nothing is.
    pub durable: bool,
}

/// A client's identity and state: grants, an optional open transaction, counters.
///
/// Every operation goes through a session; a pool hands them out. All methods are async because an engine may have to wait. The embedded
/// engine waits for nothing but a commit that has to be on the disk first, and for turns: all other futures are ready when first polled.
///
/// ```
/// # use std::sync::Arc;
/// # use mantis_db::{Database, Limits, ManualClock, SeededRandom};
/// # let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)));
/// # let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut session = database.session();
/// session.begin(Default::default()).await?;
/// session.kv("default")?.set(b"greeting", b"hello").await?;
/// session.commit().await?;
/// let entry = session.kv("default")?.get(b"greeting").await?.unwrap();
/// assert_eq!(&entry.value[..], b"hello");
/// # Ok::<(), mantis_db::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Session {
    pub(crate) database: Database,
    pub(crate) grants: Arc<Grants>,
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) operations: u64,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) attempts: Option<Box<Attempts>>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) is_deferred: bool,
    /// Of the open transaction.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) savepoints: Savepoints,
    /// The newest deferred commit.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) unsettled: u64,
}

impl Database {
    /// A session that may do everything.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone(), Arc::new(Grants::all()))
    }

    /// A session with these grants.
    #[must_use]
    pub fn session_with(&self, grants: Arc<Grants>) -> Session {
        Session::new(self.clone(), grants)
    }
}

impl Session {
    fn new(database: Database, grants: Arc<Grants>) -> Self {
        Self {
            database,
            grants,
            transaction: None,
            operations: 0,
            #[cfg(not(target_family = "wasm"))]
            attempts: None,
            #[cfg(not(target_family = "wasm"))]
            is_deferred: false,
            #[cfg(not(target_family = "wasm"))]
            savepoints: Savepoints::default(),
            #[cfg(not(target_family = "wasm"))]
            unsettled: 0,
        }
    }

    /// The database that the session works on.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The grants of the session.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// Replaces the grants of the session.
    pub fn set_grants(&mut self, grants: Arc<Grants>) {
        self.grants = grants;
    }

    /// Operations done so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// `transaction-open` when there is one already.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn begin(&mut self, isolation: Isolation) -> Result<()> {
        if self.transaction.is_some() {
            return Err(Code::TransactionOpen.into());
        }
        let mut transaction = self.database.0.engine.begin(isolation);
        transaction.set_visits_max(self.database.0.limits.transaction_visits_max);
        self.transaction = Some(Box::new(transaction));
        #[cfg(not(target_family = "wasm"))]
        {
            self.savepoints.clear();
            self.attempts = None;
        }
        Ok(())
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Commits the open transaction, which ends it, whatever the outcome.
    ///
    /// # Errors
    /// `transaction-not-open`, `conflict` (run it again), `transaction-too-old`, `read-only`, `store-full`,
    /// `disk-full`, `storage-failed`.
    pub async fn commit(&mut self) -> Result<Committed> {
        let transaction = self.transaction.take().ok_or_else(|| Error::from(Code::TransactionNotOpen))?;
        if transaction.puts() {
            self.database.check_room(transaction.written_bytes())?;
        } else if transaction.write_count() > 0 {
            self.database.check_open()?;
        }
        #[cfg(not(target_family = "wasm"))]
        if self.database.0.engine.has_turns() && self.attempts.as_ref().is_none_or(|attempts| attempts.turn.is_none()) {
            let disturbs = |footprint: &Footprint| transaction.written_keys().any(|key| footprint.names(key));
            self.database.0.engine.wait_for_turns(&disturbs).await;
        }
        let version = match transaction.commit_seen() {
            Ok(version) => version,
            Err(uncommitted) => {
                #[cfg(not(target_family = "wasm"))]
                self.attempts.get_or_insert_default().add_conflict(uncommitted.footprint);
                // Whether that commit happens or not, running this transaction again helps, once it is final.
                #[cfg(not(target_family = "wasm"))]
                if uncommitted.seen > 0 {
                    self.database.0.engine.rival_settled(uncommitted.seen).await;
                }
                return Err(uncommitted.error.into());
            }
        };
        #[cfg(not(target_family = "wasm"))]
        {
            // Others need not wait until it is durable.
            self.attempts = None;
        }
        let outcome = Ok::<_, UnsettledError<Error>>(((), version));
        let ((), version, durable) = self.settle(outcome).await?;
        Ok(Committed { version, durable })
    }

    /// Discards the open transaction and its writes, if there is one.
    pub fn rollback(&mut self) {
        self.transaction = None;
        #[cfg(not(target_family = "wasm"))]
        {
            self.savepoints.clear();
            self.attempts = None;
        }
    }
}
