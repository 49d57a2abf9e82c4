//! [`Kv`]: one bucket through one session, and how work on it becomes a commit.

#[cfg(not(target_family = "wasm"))]
use crate::Interrupt;
use crate::bucket_name::{DEFAULT_BUCKET, check_bucket_name};
#[cfg(not(target_family = "wasm"))]
use crate::engine::Footprint;
use crate::engine::{Isolation, Savepoint, Transaction, Unsettled, UnsettledError, Version, resting_on};
use crate::keyspace::{Bucket, BucketId, catalog};
use crate::kv::transaction_limits;
use crate::{Access, Error, Limits, Result, Session};

/// One bucket, through one session: its operations on keys.
///
/// Outside a transaction each operation is atomic by itself; inside one it belongs to the transaction and sees what that wrote.
#[derive(Debug)]
pub struct Kv<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) bucket: &'s str,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) interrupt: Interrupt<'s>,
}

/// The most that work does to the store. In growing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Reads,
    /// It only deletes: allowed when the store is full.
    Frees,
    Grows,
}

impl Session {
    /// The key-value operations of one bucket. They belong to the session's transaction, if one is open.
    ///
    /// # Errors
    /// `bucket-name-invalid`; `bucket-not-found` when the grants do not name it.
    pub fn kv<'s>(&'s mut self, bucket: &'s str) -> Result<Kv<'s>> {
        if bucket != DEFAULT_BUCKET {
            check_bucket_name(bucket)?;
        }
        self.grants.check(bucket, Access::Read)?;
        self.operations += 1;
        Ok(Kv {
            session: self,
            bucket,
            #[cfg(not(target_family = "wasm"))]
            interrupt: Interrupt::default(),
        })
    }
}

#[cfg(not(target_family = "wasm"))]
impl<'s> Kv<'s> {
    /// The same; batches and deletions of spans stop with `interrupted` as soon as `interrupt` says so. They ask between operations, between
    /// the commits of a span, and before a batch commits, under the writers' lock.
    #[must_use]
    pub fn interrupted(self, interrupt: Interrupt<'s>) -> Self {
        Self { interrupt, ..self }
    }
}

impl Kv<'_> {
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn database(&self) -> &crate::Database {
        &self.session.database
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.session.database.0.limits
    }

    /// The bucket, if it exists.
    pub(crate) fn existing(&mut self) -> Result<Option<Bucket>> {
        let session = &mut *self.session;
        catalog::look_up(&session.database.0.engine, session.transaction.as_deref_mut(), self.bucket)
    }

    /// Runs `work` in the open transaction, or alone in a commit of its own. If the bucket does not exist, work that grows it makes it, and
    /// other work finds it empty.
    pub(crate) fn through<T, E: From<Error>>(
        &mut self,
        effect: Effect,
        mut work: impl FnMut(&mut Transaction, BucketId) -> std::result::Result<T, E>,
    ) -> Unsettled<T, E> {
        let mut done = None;
        let run = self.run(effect, &mut |transaction, bucket| {
            let outcome = done.insert(work(transaction, bucket));
            outcome.is_ok()
        });
        match (run, done) {
            (Ok(seen), Some(Ok(value))) => Ok((value, seen)),
            (Err(UnsettledError { error: None, seen }), Some(Err(error))) => Err(UnsettledError { error, seen }),
            (Err(UnsettledError { error: Some(error), seen }), _) => Err(UnsettledError { error: error.into(), seen }),
            _ => unreachable!("without an error the work was done"),
        }
    }

    /// One copy of [`through`](Self::through) for all kinds of work. Returns the commit that the outcome rests on; the error is none if
    /// `work` failed.
    fn run(
        &mut self,
        effect: Effect,
        work: &mut Work<'_>,
    ) -> std::result::Result<Version, UnsettledError<Option<Error>>> {
        self.check_allowed(effect)?;
        let database = self.session.database.clone();
        let (bucket, limits) = (self.bucket, &database.0.limits);
        let mut run = |transaction: &mut Transaction| {
            let (id, before) = bucket_for(transaction, bucket, effect, limits)?;
            let is_done = work(transaction, id);
            // A bucket is made by its first write, and not by one that failed.
            match (before, is_done) {
                (Some(before), true) => transaction.release(before),
                (Some(before), false) => transaction.rollback_to(before),
                (None, _) => {}
            }
            if is_done { Ok(()) } else { Err(None) }
        };
        let outcome = match &mut self.session.transaction {
            Some(transaction) => {
                transaction_limits::check_reads(transaction, limits)?;
                resting_on(0, run(transaction))
            }
            None if effect == Effect::Reads => {
                let mut transaction = database.0.engine.begin(Isolation::Snapshot);
                resting_on(transaction.version(), run(&mut transaction))
            }
            None => database.0.engine.alone(|transaction| {
                run(transaction)?;
                if transaction.puts() {
                    database.check_room(transaction.written_bytes())?;
                }
                Ok(())
            }),
        };
        outcome.map(|((), seen)| seen)
    }

    pub(crate) fn check_allowed(&self, effect: Effect) -> Result<()> {
        if effect > Effect::Reads {
            self.session.grants.check(self.bucket, Access::Write)?;
            self.session.database.check_open()?;
        }
        Ok(())
    }

    pub(crate) fn check_reads(&mut self) -> Result<()> {
        match &mut self.session.transaction {
            Some(transaction) => transaction_limits::check_reads(transaction, &self.session.database.0.limits),
            None => Ok(()),
        }
    }

    /// Waits until this disturbs no transaction that has its turn, for the time of a turn at most: such a transaction commits first.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn wait_for_turns(&mut self, disturbs: &(dyn Fn(BucketId, &Footprint) -> bool + Sync)) {
        if self.session.in_transaction() || !self.session.database.0.engine.has_turns() {
            return;
        }
        let engine = self.session.database.0.engine.clone();
        match self.existing() {
            Ok(Some(bucket)) => engine.wait_for_turns(&|footprint| disturbs(bucket.id, footprint)).await,
            // Its first write makes it.
            Ok(None) => engine.wait_for_turns(&catalog::disturbs(self.bucket)).await,
            Err(_) => {}
        }
    }
}

/// Work on a bucket. Returns whether it succeeded.
type Work<'w> = dyn FnMut(&mut Transaction, BucketId) -> bool + 'w;

/// The bucket for work of this effect, and, if the bucket was made for it, the savepoint before that.
fn bucket_for(
    transaction: &mut Transaction,
    bucket: &str,
    effect: Effect,
    limits: &Limits,
) -> Result<(BucketId, Option<Savepoint>)> {
    Ok(match catalog::find(transaction, bucket)? {
        Some(found) => (found.id, None),
        None if effect < Effect::Grows => (BucketId::NONE, None),
        None => {
            let before = transaction.savepoint();
            match catalog::make(transaction, bucket, limits) {
                Ok(id) => (id, Some(before)),
                Err(error) => {
                    transaction.rollback_to(before);
                    return Err(error);
                }
            }
        }
    })
}
