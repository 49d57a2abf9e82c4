//! Transactions that run again after a conflict, in the end with a turn of their own.

use std::sync::Arc;

use crate::engine::{Isolation, Turn};
use crate::limits::{CONFLICTS_BEFORE_TURN, TRANSACT_ATTEMPTS_MAX};
use crate::retry::{Attempts, Retry};
use crate::session::Committed;
use crate::{Code, Database, Error, Result, Session};

impl Session {
    /// Opens the next attempt of a transaction that ended in a conflict. After three conflicts in a row it waits for its turn first
    /// ([`Database::wait_for_turn`]). During the turn, for 100 ms, commits of others that would make it conflict again wait.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_again(&mut self, isolation: Isolation, retry: Retry) -> Result<()> {
        if self.in_transaction() {
            return Err(Code::TransactionOpen.into());
        }
        let database = self.database().clone();
        let Retry { conflicts, footprint, turn } = database.wait_for_turn(retry).await;
        self.begin(isolation).await?;
        self.attempts = Some(Box::new(Attempts { conflicts, footprint: Some(footprint), turn, retry: None }));
        Ok(())
    }

    /// If the last commit was a conflict, what [`begin_again`](Self::begin_again) takes. None a second time, after
    /// [`begin`](Self::begin) and after [`rollback`](Self::rollback).
    pub fn take_retry(&mut self) -> Option<Retry> {
        self.attempts.as_mut()?.retry.take()
    }

    /// Rolls the open transaction back, and returns what [`begin_again`](Self::begin_again) takes, with its turn if it has one.
    pub fn restart(&mut self) -> Option<Retry> {
        let attempts = self.attempts.take();
        self.rollback();
        let Attempts { conflicts, turn, footprint, .. } = *attempts?;
        footprint.map(|footprint| Retry { conflicts, footprint, turn })
    }

    /// Runs `work` in a transaction and commits it, again and again while other commits change what it has read. Effects of `work`
    /// outside the session may happen several times.
    ///
    /// Where `work` panics, or the future is dropped while it runs, its transaction is rolled back and the session stays usable. Where the
    /// future is dropped during the commit, the outcome is unknown: read to find out.
    ///
    /// # Errors
    /// Those of `work`, and then nothing is written; those of [`begin`](Self::begin) and [`commit`](Self::commit), `conflict` only after
    /// 64 attempts: if `work` takes longer than the 100 ms of a turn.
    pub async fn transact<T>(
        &mut self,
        isolation: Isolation,
        work: impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<(T, Committed)> {
        self.try_transact(isolation, work).await
    }

    /// As [`transact`](Self::transact), where `work` has errors of its own: those of tables, or of a program.
    ///
    /// # Errors
    /// As [`transact`](Self::transact).
    pub async fn try_transact<T, E: From<Error>>(
        &mut self,
        isolation: Isolation,
        mut work: impl AsyncFnMut(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, Committed), E> {
        let mut retry = None;
        for _ in 0..TRANSACT_ATTEMPTS_MAX {
            match retry.take() {
                Some(retry) => self.begin_again(isolation, retry).await?,
                None => self.begin(isolation).await?,
            }
            let attempt = Attempt(self);
            let value = work(attempt.0).await?;
            std::mem::forget(attempt);
            match self.commit().await {
                Ok(committed) => return Ok((value, committed)),
                Err(error) if error.code() == Code::Conflict => retry = self.take_retry(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(Code::Conflict, "the transaction conflicted again and again, also with turns of its own").into())
    }
}

/// A transaction's work. Where it ends early, by an error, by a panic or because its future is dropped, nothing stays open.
struct Attempt<'s>(&'s mut Session);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.rollback();
    }
}

impl Database {
    /// Waits for the turn of a transaction that has ended in a conflict three times in a row: until transactions that queued before and
    /// use the same keys have had theirs, 100 ms each, two seconds in all at most. Then its turn begins. For callers that must not hold a
    /// session while they wait: [`Session::begin_again`] does not wait again.
    pub async fn wait_for_turn(&self, mut retry: Retry) -> Retry {
        retry.turn = retry.turn.filter(Turn::goes_on);
        if retry.turn.is_none() && retry.conflicts >= CONFLICTS_BEFORE_TURN {
            retry.turn = self.0.engine.turn(Arc::clone(&retry.footprint)).await;
        }
        retry
    }

    /// Runs `work` in a transaction of a session that may do everything: [`Session::transact`], serialisable.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    /// # let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)));
    /// # let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
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
    /// The closure may run several times: it returns what it has learnt, and leaves effects outside the session to its caller. Programs
    /// without a runtime call [`blocking::Session::transact`](crate::blocking::Session::transact).
    ///
    /// # Errors
    /// As [`Session::transact`].
    pub async fn transact<T>(&self, work: impl AsyncFnMut(&mut Session) -> Result<T>) -> Result<(T, Committed)> {
        self.session().transact(Isolation::Serializable, work).await
    }
}
