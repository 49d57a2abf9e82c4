//! Transactions from begin to commit: validation, the writers' lock, and turns for those that keep losing.

#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::sync::atomic::Ordering;

#[cfg(target_family = "wasm")]
use super::write::by_reference;
#[cfg(not(target_family = "wasm"))]
use crate::engine::{Footprint, Turn};
use crate::engine::{Inner, KeptSpans, ReadSet, Snapshot, Store, WriteSet, WriterGuard};
#[cfg(not(target_family = "wasm"))]
use crate::transactions::{Ahead, Prepared};
use crate::transactions::{Checks, Isolation, Lost, Transaction, View};
#[cfg(not(target_family = "wasm"))]
use crate::types::Budget;
use crate::types::{Error, Version};

/// Lookups and writes of a commit that takes about as long as one write.
#[cfg(not(target_family = "wasm"))]
const SHORT_COMMIT_MAX: u64 = 8;

/// Keys that are prefetched before a commit: as many as a cache of 1 MiB holds with the nodes on the way to them.
#[cfg(not(target_family = "wasm"))]
const NEAR_WRITES_MAX: usize = 4_096;

/// A commit that did not happen.
#[derive(Debug)]
pub struct Uncommitted {
    /// The reason.
    pub error: Error,
    /// The newest commit that this rests on and that is not visible yet, or 0: a transaction that starts again once that has
    /// [settled](Store::settled) does not lose to it again.
    pub seen: Version,
    /// After a conflict: the reads and writes of the attempt, to [wait for a turn](Store::turn) with.
    #[cfg(not(target_family = "wasm"))]
    pub footprint: Option<Arc<Footprint>>,
}

impl Store {
    /// Starts a serialisable transaction.
    #[must_use]
    pub fn begin(&self) -> Transaction {
        self.begin_with(Isolation::Serializable)
    }

    /// Starts a transaction.
    #[must_use]
    pub fn begin_with(&self, isolation: Isolation) -> Transaction {
        Transaction::new(self.clone(), isolation)
    }

    /// What the uncommitted writes of transactions are taken from: [`Options::in_flight`](crate::Options). Others may take from it too.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn in_flight(&self) -> &Budget {
        &self.0.in_flight
    }

    /// Queues a transaction that has lost, with the reads and writes of its last attempt, and waits for its turn: after the earlier ones
    /// that meet it, for two seconds at most. `None` at once if the clock cannot wake a waiter, or the queue is full: then it continues
    /// without a turn.
    #[cfg(not(target_family = "wasm"))]
    pub async fn turn(&self, footprint: Arc<Footprint>) -> Option<Turn> {
        self.0.turns.turn(footprint).await
    }

    /// Whether transactions queue for turns or have them: others then [wait](Self::wait_for_turns) before they commit.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn has_turns(&self) -> bool {
        self.0.turns.are_there()
    }

    /// Waits until no turn would be disturbed by a commit, for [`TURN_MS`](crate::TURN_MS) at most. `disturbs` says whether the commit
    /// changes something in a footprint. A transaction that has the turn does not call this.
    #[cfg(not(target_family = "wasm"))]
    pub async fn wait_for_turns(&self, disturbs: &(dyn Fn(&Footprint) -> bool + Sync)) {
        self.0.turns.wait_for_turns(disturbs).await;
    }

    /// Commits a transaction's writes if its reads still hold; sets `seen` to the commits that a conflict rests on, as
    /// [`newest_rival`](Inner::newest_rival).
    pub(crate) fn commit(
        &self,
        snapshot: Snapshot,
        isolation: Isolation,
        reads: &ReadSet,
        writes: &WriteSet,
        kept: &KeptSpans,
        seen: &mut Version,
    ) -> Result<Version, Error> {
        let inner = &*self.0;
        inner.check_disk()?;
        #[cfg(not(target_family = "wasm"))]
        let submission = inner.submission();
        // Under snapshot isolation only guarded reads count.
        let unwritten = (isolation == Isolation::Snapshot).then_some(writes);
        let checks = Checks { version: snapshot.version(), reads, unwritten };
        let locked = inner.lock_validated(&checks, writes);
        // Pruning needs the lock that is held now; a pin that was revoked before no longer keeps what validation reads.
        snapshot.still_pinned()?;
        // From here on, only others can keep the versions that the commit supersedes.
        drop(snapshot);
        #[cfg_attr(
            target_family = "wasm",
            allow(unused_variables, unused_mut, reason = "nothing is prepared in a page")
        )]
        // The guard is dropped first in any case: giving back unused places takes the lock again.
        let Ok((mut prepared, mut writer)) = locked else {
            inner.lock_writer().stats.conflicts += 1;
            *seen = inner.newest_rival(isolation, reads, writes);
            return Err(Error::Conflict);
        };
        #[cfg(not(target_family = "wasm"))]
        {
            writer.submission = submission;
        }
        #[cfg(not(target_family = "wasm"))]
        let version = inner.apply_prepared(&mut writer, writes, kept, &mut prepared);
        #[cfg(target_family = "wasm")]
        let version = inner.apply(&mut writer, by_reference(writes), kept);
        inner.after_commit(writer, version);
        Ok(version)
    }
}

impl Transaction {
    /// Makes the writes one commit, and returns its version.
    ///
    /// Without writes there is nothing to validate: everything was read at one moment, whose version is returned.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another commit changed what was read, [`Error::SnapshotTooOld`].
    pub fn commit(self) -> Result<Version, Error> {
        self.commit_seen().map_err(|uncommitted| uncommitted.error)
    }

    /// As [`commit`](Self::commit), with an error that helps to start again.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    #[cfg_attr(target_family = "wasm", expect(unused_mut, reason = "only merging changes the reads"))]
    pub fn commit_seen(self) -> Result<Version, Uncommitted> {
        let Self { store, view, isolation, mut reads, writes, kept, .. } = self;
        match view {
            View::Pinned(snapshot) if !writes.is_empty() => {
                #[cfg(not(target_family = "wasm"))]
                reads.merge_ranges();
                let mut seen = 0;
                let committed = store.commit(snapshot, isolation, &reads, &writes, &kept, &mut seen);
                committed.map_err(|error| Uncommitted {
                    error,
                    seen,
                    #[cfg(not(target_family = "wasm"))]
                    footprint: (error == Error::Conflict).then(|| Arc::new(Footprint::new(reads, writes))),
                })
            }
            View::Pinned(snapshot) => Ok(snapshot.version()),
            View::Exclusive(version) => Ok(version),
        }
    }
}

impl Inner {
    /// Takes the writers' lock for the commit of `writes` if `checks` hold.
    #[cfg(not(target_family = "wasm"))]
    fn lock_validated(&self, checks: &Checks<'_>, writes: &WriteSet) -> Result<(Prepared<'_>, WriterGuard<'_>), Lost> {
        let few = self.validated_under_lock_max;
        let mut ahead = if checks.lookups() > few { Some(Ahead::new(checks, self)?) } else { None };
        let prepared = self.prepare(writes);
        self.bring_near(writes);
        if ahead.is_none() {
            let is_short = checks.lookups() + writes.len() as u64 <= SHORT_COMMIT_MAX;
            let writer = if is_short { self.lock_writer() } else { self.lock_writer_for_long() };
            if self.validate(&writer, checks, few.saturating_mul(4))? {
                return Ok((prepared, writer));
            }
            drop(writer);
            ahead = Some(Ahead::new(checks, self)?);
        }
        match ahead {
            Some(ahead) => Ok((prepared, ahead.lock()?)),
            None => Err(Lost),
        }
    }

    /// Takes the writers' lock for the commit of `writes` if `checks` hold.
    #[cfg(target_family = "wasm")]
    fn lock_validated(&self, checks: &Checks<'_>, _: &WriteSet) -> Result<((), WriterGuard<'_>), Lost> {
        let writer = self.lock_writer_for_long();
        self.validate(&writer, checks, u64::MAX)?;
        Ok(((), writer))
    }

    /// The newest commit that is not visible yet and changed something that a transaction read, or, if its writes are validated, wrote.
    /// `None` in a page, where every commit is visible at once.
    #[cfg_attr(
        target_family = "wasm",
        allow(unused_variables, clippy::unused_self, reason = "nothing is waited for in a page")
    )]
    fn newest_rival(&self, isolation: Isolation, reads: &ReadSet, writes: &WriteSet) -> Version {
        #[cfg(not(target_family = "wasm"))]
        if self.durable().is_some() {
            let validates_writes = isolation == Isolation::Snapshot;
            return self.feed.newest_after(self.visible.load(Ordering::Acquire), |key| {
                reads.touches(key) || validates_writes && writes.contains_key(key)
            });
        }
        0
    }

    /// Looks up the keys of a commit together, so that the writer does not wait for memory at each in turn.
    #[cfg_attr(
        target_family = "wasm",
        allow(unused_variables, clippy::unused_self, reason = "a page has no hash index")
    )]
    pub(super) fn bring_near(&self, writes: &WriteSet) {
        #[cfg(not(target_family = "wasm"))]
        if writes.len() > 1 {
            self.map.bring_near(writes.keys().take(NEAR_WRITES_MAX).map(|key| &key[..]));
        }
    }
}
