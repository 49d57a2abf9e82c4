//! The savepoints of a transaction, by numbers that a session gives.

use crate::engine::Savepoint;
use crate::{Code, Error, Result};

/// Savepoints of a transaction at once.
const SAVEPOINTS_MAX: usize = 1_000;

/// A savepoint that can be returned to.
#[derive(Debug)]
struct Kept {
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

impl Savepoints {
    /// # Errors
    /// `transaction-too-large` beyond 1,000 savepoints.
    pub(crate) fn check_room(&self) -> Result<()> {
        if self.kept.len() < SAVEPOINTS_MAX {
            return Ok(());
        }
        let message = format!("a transaction has at most {SAVEPOINTS_MAX} savepoints");
        Err(Error::new(Code::TransactionTooLarge, message))
    }

    /// Keeps a savepoint under a new number.
    pub(crate) fn add(&mut self, savepoint: Savepoint) -> u64 {
        self.given += 1;
        self.kept.push(Kept { number: self.given, savepoint });
        self.given
    }

    /// Keeps a savepoint under the number of one that was taken out.
    pub(crate) fn put_back(&mut self, number: u64, savepoint: Savepoint) {
        self.kept.push(Kept { number, savepoint });
    }

    /// Takes a savepoint out, and those after it.
    pub(crate) fn take(&mut self, number: u64) -> Option<Savepoint> {
        let place = self.kept.binary_search_by_key(&number, |kept| kept.number).ok()?;
        self.kept.drain(place..).next().map(|kept| kept.savepoint)
    }

    /// Forgets all: their transaction has ended.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}
