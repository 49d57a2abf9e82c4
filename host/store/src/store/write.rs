//! Writes of one key, and work under the writers' lock.

use crate::engine::{KeptSpans, Store, WriteSet, WriterGuard};
use crate::mutants::mutant;
use crate::transactions::Transaction;
use crate::types::{Error, Expect, Refused, Update, Version, Written};

impl Store {
    /// Writes one key in a commit of its own if it is as expected and every key of `unchanged` still has the given version.
    ///
    /// # Errors
    /// [`Refused`] with the key's value, if it is not as expected. [`Error::Conflict`], inside, if a key of `unchanged` differs.
    pub fn write(
        &self,
        key: &[u8],
        update: Update,
        expect: Expect,
        unchanged: Option<(&[u8], Version)>,
    ) -> Result<Result<Written, Refused>, Error> {
        Ok(self.write_seen(key, update, expect, unchanged)?.0)
    }

    /// As [`write`](Self::write), and also returns the version that the result rests on, which must be settled before anybody learns of the
    /// result: the commit; if there was nothing to do, the newest visible commit, or a later one that left nothing to do; if the key was
    /// not as expected, the commit that last changed it, 0 for a key that never existed.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[allow(clippy::needless_pass_by_value, reason = "an engine behind a network would keep it")]
    pub fn write_seen(
        &self,
        key: &[u8],
        update: Update,
        expect: Expect,
        unchanged: Option<(&[u8], Version)>,
    ) -> Result<(Result<Written, Refused>, Version), Error> {
        let inner = &*self.0;
        inner.check_disk()?;
        #[cfg(not(target_family = "wasm"))]
        let submission = inner.submission();
        let mut writer = inner.lock_writer();
        if let Some((key, version)) = unchanged
            && inner.newest_live_version(key) != Some(version)
        {
            writer.stats.conflicts += 1;
            return Err(Error::Conflict);
        }
        let mut seen = 0;
        let newest = inner.get_newest(key, &mut seen);
        let previous = mutant!("stale-expectation" => self.get(key), or newest);
        if !expect.holds(previous.as_ref().map(|entry| entry.version)) {
            return Ok((Err(Refused { current: previous, seen: writer.last }), seen));
        }
        let before = writer.last;
        #[cfg(not(target_family = "wasm"))]
        {
            writer.submission = submission;
        }
        let version = inner.apply(&mut writer, std::iter::once((key, &update)), &KeptSpans::default());
        let seen = if version > before { version } else { seen.max(self.version()) };
        inner.after_commit(writer, version);
        Ok((Ok(Written { version, previous }), seen))
    }

    /// Runs `work` while no other commit can happen, and commits its writes if it succeeds.
    ///
    /// For short, bounded work that must not lose a race (a counter, a batch): it delays all other writers. `work` sees commits that are
    /// not visible yet: before anybody learns of its outcome, wait for the version that is returned or, after an error, for
    /// [`newest`](Self::newest), or only for what it rests on ([`exclusively_seen`](Self::exclusively_seen)). It must not call
    /// [`write`](Self::write), [`stats`](Self::stats), [`space`](Self::space) or [`maintain`](Self::maintain): they wait for the lock that
    /// it holds.
    ///
    /// # Errors
    /// The error of `work`; then nothing is written.
    pub fn exclusively<T, E>(&self, work: impl FnOnce(&mut Transaction) -> Result<T, E>) -> Result<(T, Version), E> {
        let (outcome, newest, _) = self.run_exclusively(work);
        outcome.map(|value| (value, newest))
    }

    /// As [`exclusively`](Self::exclusively), and also returns the version that the outcome rests on, which must be settled before anybody
    /// learns of the outcome: the commit; if nothing was written, the newest visible commit, or a later one that `work` read; after an
    /// error the newest one that it read, or 0.
    pub fn exclusively_seen<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> (Result<T, E>, Version) {
        let (outcome, _, seen) = self.run_exclusively(work);
        (outcome, seen)
    }

    /// Lets those go first who wait to write, for some milliseconds at most: between two steps of work that takes
    /// [`exclusively`](Self::exclusively) or housekeeping several times in a row. Does nothing in a page, which has one thread.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "nobody waits in a page"))]
    pub fn yield_to_writers(&self) {
        #[cfg(not(target_family = "wasm"))]
        self.0.writer.yield_to_writers();
    }

    /// Also returns the newest commit, and the version that the outcome rests on.
    fn run_exclusively<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> (Result<T, E>, Version, Version) {
        #[cfg(not(target_family = "wasm"))]
        let submission = self.0.submission();
        #[cfg_attr(target_family = "wasm", allow(unused_mut, reason = "nothing is measured in a page"))]
        let mut writer = self.0.lock_writer_for_long();
        let mut transaction = Transaction::under_writer_lock(self.clone(), writer.last);
        let outcome = work(&mut transaction);
        #[cfg(not(target_family = "wasm"))]
        {
            writer.submission = submission.filter(|_| outcome.is_ok());
        }
        let (newest, seen) = self.end_exclusive(writer, transaction, outcome.is_ok());
        (outcome, newest, seen)
    }

    /// Not generic over `work`: there is one copy of the code.
    fn end_exclusive(&self, mut writer: WriterGuard<'_>, transaction: Transaction, keep: bool) -> (Version, Version) {
        let (inner, before, seen) = (&*self.0, writer.last, transaction.seen());
        if !keep {
            return (before, seen);
        }
        let (writes, kept) = transaction.into_writes();
        inner.bring_near(&writes);
        let version = inner.apply(&mut writer, by_reference(&writes), &kept);
        let seen = if version > before { version } else { seen.max(self.version()) };
        inner.after_commit(writer, version);
        (version, seen)
    }
}

/// A set of writes in the form that [`apply`](crate::engine::Inner::apply) takes.
pub(super) fn by_reference(writes: &WriteSet) -> impl Iterator<Item = (&[u8], &Update)> {
    writes.iter().map(|(key, update)| (&key[..], update))
}
