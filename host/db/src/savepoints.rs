//! Savepoints of a session's open transaction: numbers that say how far it was.

use crate::engine::Savepoint;
use crate::{Code, Error, Result, Session};

impl Session {
    /// Remembers how far the open transaction is. Returns a number for [`rollback_to`](Self::rollback_to).
    ///
    /// # Errors
    /// `transaction-not-open`; `transaction-too-large` beyond 1,000 savepoints.
    pub fn savepoint(&mut self) -> Result<u64> {
        let transaction = self.transaction.as_mut().ok_or(Code::TransactionNotOpen)?;
        self.savepoints.check_room()?;
        Ok(self.savepoints.add(transaction.savepoint()))
    }

    /// Undoes what the transaction has written since the savepoint. What it has read stays. The savepoint stays too, those after it are gone.
    ///
    /// # Errors
    /// `transaction-not-open`, also where it has no such savepoint.
    pub fn rollback_to(&mut self, savepoint: u64) -> Result<()> {
        let taken = self.take_savepoint(savepoint)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.rollback_to(taken);
            self.savepoints.put_back(savepoint, transaction.savepoint());
        }
        Ok(())
    }

    /// Forgets a savepoint, and those after it. What was written stays.
    ///
    /// # Errors
    /// As [`rollback_to`](Self::rollback_to).
    pub fn release_savepoint(&mut self, savepoint: u64) -> Result<()> {
        let taken = self.take_savepoint(savepoint)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.release(taken);
        }
        Ok(())
    }

    fn take_savepoint(&mut self, number: u64) -> Result<Savepoint> {
        let none = || Error::new(Code::TransactionNotOpen, "the open transaction has no such savepoint");
        if self.transaction.is_none() {
            return Err(none());
        }
        self.savepoints.take(number).ok_or_else(none)
    }
}
