//! Transactions that are run again when they lose, and in the end with a turn of their own.

use std::sync::Arc;

use crate::engine::{Isolation, Turn};
use crate::limits::{CONFLICTS_BEFORE_TURN, TRANSACT_ATTEMPTS_MAX};
use crate::retry::{Loss, Losses};
use crate::session::Committed;
use crate::{Code, Database, Error, Result, Session};

impl Session {
    /// Opens a transaction that does the work of one that has lost. After three losses in a row it waits for its turn first
    /// ([`Database::wait_for_turn`]). While it has the turn, for 100 ms, commits of others that would disturb it wait.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_again(&mut self, isolation: Isolation, loss: Loss) -> Result<()> {
        if self.in_transaction() {
            return Err(Code::TransactionOpen.into());
        }
        let database = self.database().clone();
        let Loss { losses, footprint, turn } = database.wait_for_turn(loss).await;
        self.begin(isolation).await?;
        self.losses = Some(Box::new(Losses { before: losses, footprint: Some(footprint), turn, last: None }));
        Ok(())
    }

    /// What the last commit lost, if it was a conflict, for [`begin_again`](Self::begin_again). None a second time, after
    /// [`begin`](Self::begin) and after [`rollback`](Self::rollback).
    pub fn take_loss(&mut self) -> Option<Loss> {
        self.losses.as_mut()?.last.take()
    }

    /// Rolls the open transaction back, and returns what it takes to [begin it again](Self::begin_again) in the same turn, if it has one.
    pub fn restart(&mut self) -> Option<Loss> {
        let losses = self.losses.take();
        self.rollback();
        let Losses { before, turn, footprint, .. } = *losses?;
        footprint.map(|footprint| Loss { losses: before, footprint, turn })
    }

    /// Runs `work` in a transaction and commits it; again when another commit changed what it had read, as often as it takes. Its
    /// effects outside the session may so happen several times.
    ///
    /// # Errors
    /// Those of `work`, and then nothing is written; those of [`begin`](Self::begin) and [`commit`](Self::commit), `conflict` only after
    /// 64 attempts: where `work` takes longer than the 100 ms of a turn.
    pub async fn transact<T>(
        &mut self,
        isolation: Isolation,
        mut work: impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<(T, Committed)> {
        let mut loss = None;
        for _ in 0..TRANSACT_ATTEMPTS_MAX {
            match loss.take() {
                Some(loss) => self.begin_again(isolation, loss).await?,
                None => self.begin(isolation).await?,
            }
            let done = work(self).await;
            let value = match done {
                Ok(value) => value,
                Err(error) => {
                    self.rollback();
                    return Err(error);
                }
            };
            match self.commit().await {
                Ok(committed) => return Ok((value, committed)),
                Err(error) if error.code() == Code::Conflict => loss = self.take_loss(),
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Code::Conflict, "the transaction lost again and again, also with turns of its own"))
    }
}

impl Database {
    /// Waits for the turn of a transaction that has lost three times in a row: until others that have lost over the same keys before have
    /// had theirs, 100 ms each and two seconds in all at most. Its time begins then. For who has to come by a session
    /// first: [`Session::begin_again`] waits no more.
    pub async fn wait_for_turn(&self, mut loss: Loss) -> Loss {
        loss.turn = loss.turn.filter(Turn::goes_on);
        if loss.turn.is_none() && loss.losses >= CONFLICTS_BEFORE_TURN {
            loss.turn = self.0.engine.turn(Arc::clone(&loss.footprint)).await;
        }
        loss
    }

    /// Runs `work` in a transaction of a session that may do everything: [`Session::transact`], serialisable.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    /// # let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)));
    /// # let database = Database::in_memory(Limits::default(), clock, random).unwrap();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (before, committed) = database
    ///     .transact(async |session| {
    ///         let mut stock = session.kv("stock")?;
    ///         let before = stock.get(b"apples").await?;
    ///         stock.set(b"apples", b"7").await?;
    ///         Ok(before)
    ///     })
    ///     .await?;
    /// assert!(before.is_none() && committed.version == 1);
    /// # Ok::<(), mantis_db::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Session::transact`].
    pub async fn transact<T>(&self, work: impl AsyncFnMut(&mut Session) -> Result<T>) -> Result<(T, Committed)> {
        self.session().transact(Isolation::Serializable, work).await
    }
}
