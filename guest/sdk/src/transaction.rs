//! Explicit transactions, for worlds that import `mantis:db/transactions`. A procedure runs in a transaction of its own.

use crate::bindings::mantis::db::transactions;
use crate::{Bucket, Error, Result, Table, Written};

/// An open transaction. Dropping it rolls back.
#[derive(Debug)]
pub struct Transaction(transactions::Transaction);

impl Transaction {
    /// Begins a transaction. At most 4 may be open at once.
    ///
    /// # Errors
    /// `transactions-too-many`.
    pub fn begin() -> Result<Self> {
        transactions::Transaction::begin().map(Self)
    }

    /// Opens a bucket whose operations belong to the transaction. They fail once it has ended.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        self.0.bucket(name).map(Bucket::from_handle)
    }

    /// Opens a table whose operations belong to the transaction. They fail once it has ended.
    pub fn table(&self, name: &str) -> Result<Table> {
        self.0.table(name).map(Table::from_handle)
    }

    /// Commits. Returns the version of the commit, and whether it is certain to survive a power cut.
    ///
    /// # Errors
    /// `conflict` if another commit changed a key that was read: begin again.
    pub fn commit(self) -> Result<Written> {
        transactions::Transaction::commit(self.0)
    }
}

/// Runs `work` in a transaction and commits it. Runs it again after a conflict, up to `attempts` times in all.
///
/// # Errors
/// The error of `work`, or the last `conflict`.
pub fn run<T>(attempts: u32, mut work: impl FnMut(&Transaction) -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        let transaction = Transaction::begin()?;
        let outcome = work(&transaction).and_then(|value| transaction.commit().map(|_| value));
        match outcome {
            Err(Error::Conflict(_)) if attempt < attempts => attempt += 1,
            outcome => return outcome,
        }
    }
}
