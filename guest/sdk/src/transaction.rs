//! Transactions by hand, for worlds that import `mantis:db/transactions`. Procedures are in one already.

use crate::bindings::mantis::db::transactions;
use crate::{Bucket, Error, Result, Written};

/// An open transaction. Dropping it rolls back.
#[derive(Debug)]
pub struct Transaction(transactions::Transaction);

impl Transaction {
    /// Opens one. At most 4 may be open at once.
    pub fn begin() -> Result<Self> {
        transactions::Transaction::begin().map(Self)
    }

    /// A bucket whose operations belong to the transaction, and fail once it has ended.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        self.0.bucket(name).map(Bucket::from_handle)
    }

    /// Commits, and says which version that is and whether it is certain to survive a power cut.
    ///
    /// # Errors
    /// `conflict` when another commit changed what was read: begin again.
    pub fn commit(self) -> Result<Written> {
        transactions::Transaction::commit(self.0)
    }
}

/// Runs `work` in a transaction and commits it; runs it again when another commit came first, `attempts` times at most.
///
/// # Errors
/// What `work` returned, or the last `conflict`.
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
