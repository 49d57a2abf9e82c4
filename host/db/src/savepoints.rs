//! Savepoints of a session's open transaction: numbers that say how far it was.

use crate::engine::Savepoint;
use crate::{Code, Error, Result, Session};

/// Savepoints of a transaction at once.
const SAVEPOINTS_MAX: usize = 1_000;

/// A savepoint that can be returned to.
#[derive(Debug)]
pub(crate) struct Kept {
    number: u64,
    savepoint: Savepoint,
}

/// The savepoints of a transaction, outermost first.
#[derive(Debug, Default)]
pub(crate) struct Savepoints {
    /// Numbers that were given; they are not given again, also not in the session's next transaction.
    given: u64,
    kept: Vec<Kept>,
}

impl Session {
    /// Remembers how far the open transaction is. Returns a number for [`rollback_to`](Self::rollback_to).
    ///
    /// # Errors
    /// `transaction-not-open`; `transaction-too-large` beyond 1,000 savepoints.
    pub fn savepoint(&mut self) -> Result<u64> {
        let transaction = self.transaction.as_mut().ok_or(Code::TransactionNotOpen)?;
        let savepoints = &mut self.savepoints;
        if savepoints.kept.len() >= SAVEPOINTS_MAX {
            let message = format!("a transaction has at most {SAVEPOINTS_MAX} savepoints");
            return Err(Error::new(Code::TransactionTooLarge, message));
        }
        savepoints.given += 1;
        savepoints.kept.push(Kept { number: savepoints.given, savepoint: transaction.savepoint() });
        Ok(savepoints.given)
    }

    /// Undoes what the transaction has written since the savepoint. What it has read stays. The savepoint stays too, those after it are gone.
    ///
    /// # Errors
    /// `transaction-not-open`, also where it has no such savepoint.
    pub fn rollback_to(&mut self, savepoint: u64) -> Result<()> {
        let Kept { number, savepoint } = self.take_savepoint(savepoint)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.rollback_to(savepoint);
            self.savepoints.kept.push(Kept { number, savepoint: transaction.savepoint() });
        }
        Ok(())
    }

    /// Forgets a savepoint, and those after it. What was written stays.
    ///
    /// # Errors
    /// As [`rollback_to`](Self::rollback_to).
    pub fn release_savepoint(&mut self, savepoint: u64) -> Result<()> {
        let Kept { savepoint, .. } = self.take_savepoint(savepoint)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.release(savepoint);
        }
        Ok(())
    }

    /// Takes a savepoint out, and those after it.
    fn take_savepoint(&mut self, number: u64) -> Result<Kept> {
        let kept = &mut self.savepoints.kept;
        let place = kept.binary_search_by_key(&number, |kept| kept.number);
        let (true, Ok(place)) = (self.transaction.is_some(), place) else {
            return Err(Error::new(Code::TransactionNotOpen, "the open transaction has no such savepoint"));
        };
        let found = kept.drain(place..).next();
        found.ok_or_else(|| Code::TransactionNotOpen.into())
    }

    /// Forgets all savepoints: their transaction has ended.
    pub(crate) fn forget_savepoints(&mut self) {
        self.savepoints.kept.clear();
    }
}
