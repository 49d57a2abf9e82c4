//! Batches: many operations in one commit.

#[cfg(not(target_family = "wasm"))]
use crate::Interrupt;
#[cfg(not(target_family = "wasm"))]
use crate::engine::{Engine, Footprint, Places};
use crate::engine::{Expect, Transaction, Update};
use crate::keyspace::{BucketId, Span};
use crate::kv::delete::delete_whole_span;
use crate::kv::handle::{Effect, Kv};
use crate::kv::outcome::SetOptions;
use crate::kv::transaction_limits::check_count;
use crate::kv::value::{self, Entry};
use crate::kv::write::{self, WriteStop};
use crate::{Code, Error, Limits, Result};

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Reads a key.
    Get(Vec<u8>),
    /// Sets a key.
    Set(Vec<u8>, Vec<u8>, SetOptions),
    /// Deletes a key.
    Delete(Vec<u8>, Expect),
    /// Deletes a span.
    DeleteSpan(Span),
    /// Adds to a number.
    Increment(Vec<u8>, i64),
    /// Writes nothing; its expectation must hold.
    Check(Vec<u8>, Expect),
}

/// The result of one operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpResult {
    /// Get: the key's entry at that point of the batch.
    Entry(Option<Entry>),
    /// Set and check: done.
    Done,
    /// Delete and delete-span: how many keys were deleted.
    Deleted(u64),
    /// Increment: the new number.
    Number(i64),
}

/// An operation whose expectation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its index in the batch, from 0.
    pub index: usize,
    /// The present entry of its key.
    pub current: Option<Entry>,
}

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Everything was done.
    Committed {
        /// The commit; 0 inside a transaction.
        version: u64,
        /// Whether it is certain to survive a power cut.
        durable: bool,
        /// In the operations' order.
        results: Vec<OpResult>,
    },
    /// Nothing was written. Names every operation whose expectation failed.
    Refused(Vec<Refusal>),
}

/// Why a batch did not happen.
enum Stop {
    Refused(Vec<Refusal>),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Op {
    /// Checks what needs no read.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        if let Some(key) = self.key() {
            limits.check_key(key)?;
        }
        if let Self::Set(_, value, options) = self {
            limits.check_value(value)?;
            Limits::deadline_ms(options.ttl_ms, 0)?;
        }
        Ok(())
    }

    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Get(_) | Self::Check(..) => Effect::Reads,
            Self::Delete(..) | Self::DeleteSpan(_) => Effect::Frees,
            Self::Set(..) | Self::Increment(..) => Effect::Grows,
        }
    }

    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Get(key)
            | Self::Set(key, ..)
            | Self::Delete(key, _)
            | Self::Increment(key, _)
            | Self::Check(key, _) => Some(key),
            Self::DeleteSpan(_) => None,
        }
    }
}

impl Kv<'_> {
    /// Does many operations in one commit: all of them, or none if an expectation fails.
    ///
    /// # Errors
    /// `operations-too-many`, `answer-too-large`, `interrupted`, and those of the single operations, naming the operation by its index
    /// from 0.
    pub async fn apply(&mut self, operations: &[Op]) -> Result<Applied> {
        self.apply_weighed(operations, &|entry| entry.value.len()).await
    }

    /// As [`apply`](Self::apply), where `weigh` returns the bytes of an entry in the form in which the caller passes it on. They count for
    /// the limit of the answer.
    ///
    /// # Errors
    /// Those of [`apply`](Self::apply).
    pub async fn apply_weighed(
        &mut self,
        operations: &[Op],
        weigh: &(dyn Fn(&Entry) -> usize + Sync),
    ) -> Result<Applied> {
        let limits = self.limits().clone();
        check(&limits, operations)?;
        #[cfg(not(target_family = "wasm"))]
        self.wait_for_turns_of(operations).await;
        let effect = operations.iter().map(Op::effect).max().unwrap_or(Effect::Reads);
        #[cfg(not(target_family = "wasm"))]
        let engine = self.session.database.0.engine.clone();
        #[cfg(not(target_family = "wasm"))]
        let inserted = self.insert_ahead(&engine, operations)?;
        let work = Work {
            operations,
            limits: &limits,
            weigh,
            #[cfg(not(target_family = "wasm"))]
            interrupt: self.interrupt,
        };
        let result = self.through(effect, |transaction, bucket| work.apply(transaction, bucket));
        #[cfg(not(target_family = "wasm"))]
        drop(inserted);
        match self.session.settle(result).await {
            Ok((Applied::Committed { results, .. }, version, durable)) => {
                Ok(Applied::Committed { version, durable, results })
            }
            Ok((refused, ..)) => Ok(refused),
            Err(Stop::Refused(refusals)) => Ok(Applied::Refused(refusals)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Does one operation that was [checked](Op::check), in the open transaction. Whoever opened that undoes what is written by one that
    /// fails.
    #[cfg(feature = "tables")]
    pub(crate) fn apply_to_open(&mut self, operation: &Op) -> std::result::Result<OpResult, WriteStop> {
        let limits = self.limits().clone();
        let result = self.through(operation.effect(), |transaction, bucket| {
            let now_ms = transaction.now_ms();
            apply_one(transaction, bucket, operation, now_ms, &limits)
        });
        result.map(|(result, _)| result).map_err(|unsettled| unsettled.error)
    }

    /// Waits for turns once for all operations.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn wait_for_turns_of(&mut self, operations: &[Op]) {
        let disturbs = |operation: &Op, bucket: BucketId, footprint: &Footprint| match operation {
            Op::Get(_) | Op::Check(..) => false,
            Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) => footprint.names(&bucket.key(key)),
            Op::DeleteSpan(span) => footprint.names_some_of(&bucket.range(span)),
        };
        self.wait_for_turns(&|bucket, footprint| {
            operations.iter().any(|operation| disturbs(operation, bucket, footprint))
        })
        .await;
    }

    /// Inserts the new keys of a large batch before it takes the writers' lock.
    #[cfg(not(target_family = "wasm"))]
    fn insert_ahead<'p>(&mut self, engine: &'p Engine, operations: &[Op]) -> Result<Option<Places<'p>>> {
        if self.session.in_transaction() || self.check_allowed(Effect::Grows).is_err() {
            return Ok(None);
        }
        let Some(bucket) = self.existing()? else { return Ok(None) };
        let set = operations.iter().filter_map(|operation| match operation {
            Op::Set(key, ..) => Some(bucket.id.key(key)),
            _ => None,
        });
        let keys: Vec<_> = set.collect();
        Ok(Some(engine.insert_ahead(keys.iter().map(|key| &key[..]))))
    }
}

/// Checks what needs no read.
fn check(limits: &Limits, operations: &[Op]) -> Result<()> {
    check_operations(limits, operations.len())?;
    for (index, operation) in operations.iter().enumerate() {
        operation.check(limits).map_err(|error| at(index, &error))?;
    }
    Ok(())
}

pub(crate) fn check_operations(limits: &Limits, count: usize) -> Result<()> {
    let max = limits.batch_operations_max;
    if count > max {
        let message = format!("the batch has {count} operations; the limit is {max}");
        return Err(Error::new(Code::OperationsTooMany, message));
    }
    Ok(())
}

fn at(index: usize, error: &Error) -> Error {
    Error::new(error.code(), format!("operation {index}: {}", error.message()))
}

/// What a batch does, and within which bounds.
struct Work<'w> {
    operations: &'w [Op],
    limits: &'w Limits,
    weigh: &'w (dyn Fn(&Entry) -> usize + Sync),
    #[cfg(not(target_family = "wasm"))]
    interrupt: Interrupt<'w>,
}

impl Work<'_> {
    /// Runs the operations in order. After a failed expectation the rest is still tried, so that every failure is named.
    fn apply(&self, transaction: &mut Transaction, bucket: BucketId) -> std::result::Result<Applied, Stop> {
        let before = transaction.savepoint();
        let mut batch =
            Batch { refusals: Vec::new(), results: Vec::with_capacity(self.operations.len()), answer_bytes: 0 };
        let ended = self.apply_all(transaction, bucket, &mut batch);
        // A failed expectation is reported first: what it should have prevented may be why another operation failed.
        let stop = match ended {
            Err(error) if batch.refusals.is_empty() || is_first(error.code()) => Stop::Failed(error),
            Ok(()) if batch.refusals.is_empty() => {
                transaction.release(before);
                return Ok(Applied::Committed { version: 0, durable: false, results: batch.results });
            }
            _ => Stop::Refused(batch.refusals),
        };
        transaction.rollback_to(before);
        Err(stop)
    }

    fn apply_all(&self, transaction: &mut Transaction, bucket: BucketId, batch: &mut Batch) -> Result<()> {
        let Self { limits, weigh, .. } = *self;
        let now_ms = transaction.now_ms();
        let walked_before = transaction.walked_count();
        for (index, operation) in self.operations.iter().enumerate() {
            self.check_interrupt()?;
            // Spans over the same keys walk them again and again, deleted ones too, while other writers wait.
            let walked = usize::try_from(transaction.walked_count() - walked_before).unwrap_or(usize::MAX);
            let outcome = check_count("walk over", walked, limits.transaction_reads_max, "keys for its spans")
                .map_err(WriteStop::from)
                .and_then(|()| apply_one(transaction, bucket, operation, now_ms, limits));
            batch.note(index, outcome, limits, weigh).map_err(|error| at(index, &error))?;
        }
        // The last operation may have been long.
        self.check_interrupt()
    }

    #[cfg(not(target_family = "wasm"))]
    fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check_keys()
    }

    #[cfg(target_family = "wasm")]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "a page interrupts nothing")]
    fn check_interrupt(&self) -> Result<()> {
        Ok(())
    }
}

/// Whether an error of this code is reported before failed expectations: the others were not all found.
fn is_first(code: Code) -> bool {
    matches!(code, Code::AnswerTooLarge | Code::Interrupted)
}

/// The outcome of a batch so far.
struct Batch {
    refusals: Vec<Refusal>,
    results: Vec<OpResult>,
    answer_bytes: usize,
}

impl Batch {
    fn note(
        &mut self,
        index: usize,
        outcome: std::result::Result<OpResult, WriteStop>,
        limits: &Limits,
        weigh: &dyn Fn(&Entry) -> usize,
    ) -> Result<()> {
        let weight = |entry: Option<&Entry>| entry.map_or(0, weigh);
        match outcome {
            Ok(result) => {
                if let OpResult::Entry(entry) = &result {
                    limits.check_answer(&mut self.answer_bytes, weight(entry.as_ref()))?;
                }
                self.results.push(result);
            }
            Err(WriteStop::Refused(current)) => {
                limits.check_answer(&mut self.answer_bytes, weight(current.as_ref()))?;
                self.refusals.push(Refusal { index, current });
            }
            Err(WriteStop::Failed(error)) => return Err(error),
        }
        Ok(())
    }
}

fn apply_one(
    transaction: &mut Transaction,
    bucket: BucketId,
    operation: &Op,
    now_ms: u64,
    limits: &Limits,
) -> std::result::Result<OpResult, WriteStop> {
    Ok(match operation {
        Op::Get(key) => {
            let stored = write::read(transaction, &bucket.key(key), limits)?;
            OpResult::Entry(stored.map(value::entry).transpose()?)
        }
        Op::Set(key, bytes, options) => {
            let expires_at_ms = Limits::deadline_ms(options.ttl_ms, now_ms)?;
            let value = value::encode(&options.media_type, bytes);
            if options.expect == Expect::Anything {
                // The present value does not matter: it is not read.
                write::put(transaction, &bucket.key(key), value, expires_at_ms, limits)?;
            } else {
                let update = Update::Put { value, expires_at_ms };
                write::write(transaction, bucket, key, update, options.expect, limits)?;
            }
            OpResult::Done
        }
        Op::Delete(key, expect) => {
            OpResult::Deleted(u64::from(write::write(transaction, bucket, key, Update::Delete, *expect, limits)?))
        }
        Op::DeleteSpan(span) => OpResult::Deleted(delete_whole_span(transaction, bucket, span, limits)?),
        Op::Increment(key, by) => OpResult::Number(write::increment(transaction, bucket, key, *by, limits)?.0),
        Op::Check(key, expect) => {
            let stored = write::read(transaction, &bucket.key(key), limits)?;
            if !expect.holds(stored.as_ref().map(|stored| stored.version)) {
                return Err(WriteStop::Refused(stored.map(value::entry).transpose()?));
            }
            OpResult::Done
        }
    })
}
