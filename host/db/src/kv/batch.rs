//! Many operations in one commit, and the single operations that need to read before they write.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::engine::{Direction, Expect, KeyRange, StoredEntry, Transaction, Update};
use crate::keyspace::{BUCKET_PREFIX_BYTES, BucketId};
use crate::kv::operations::{SetOptions, number_text};
use crate::kv::value;
use crate::{Code, Entry, Error, Limits, Result, Span};

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Reads a key.
    Get(Vec<u8>),
    /// Gives a key a value.
    Set(Vec<u8>, Vec<u8>, SetOptions),
    /// Deletes a key.
    Delete(Vec<u8>, Expect),
    /// Deletes a span.
    DeleteSpan(Span),
    /// Adds to a number.
    Increment(Vec<u8>, i64),
    /// Writes nothing, but must hold.
    Check(Vec<u8>, Expect),
}

/// What an operation of a batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpResult {
    /// Get: what the key held at that point of the batch.
    Entry(Option<Entry>),
    /// Set and check: done.
    Done,
    /// Delete and delete-span: how many keys went.
    Deleted(u64),
    /// Increment: the new number.
    Number(i64),
}

/// An operation whose expectation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What its key holds.
    pub current: Option<Entry>,
}

/// What a batch came to.
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

/// Why a batch ended early.
pub(crate) enum Stop {
    Refused(Vec<Refusal>),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Why a single write ended early.
pub(crate) enum WriteStop {
    Refused(Option<Entry>),
    Failed(Error),
}

impl From<Error> for WriteStop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What work does to the store, at most. In growing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Reads,
    /// It only deletes: allowed when the store is full.
    Frees,
    Grows,
}

impl Op {
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

/// Checks everything that can be said without the store.
pub(crate) fn check(limits: &Limits, operations: &[Op]) -> Result<()> {
    check_count(limits, operations)?;
    for (index, operation) in operations.iter().enumerate() {
        check_one(limits, operation).map_err(|error| at(index, &error))?;
    }
    Ok(())
}

pub(crate) fn check_count(limits: &Limits, operations: &[Op]) -> Result<()> {
    if operations.len() > limits.batch_operations_max {
        let (count, max) = (operations.len(), limits.batch_operations_max);
        let message = format!("the batch has {count} operations; the limit is {max}");
        return Err(Error::new(Code::OperationsTooMany, message));
    }
    Ok(())
}

fn check_one(limits: &Limits, operation: &Op) -> Result<()> {
    if let Some(key) = operation.key() {
        limits.check_key(key)?;
    }
    if let Op::Set(_, value, options) = operation {
        limits.check_value(value)?;
        Limits::deadline_ms(options.ttl_ms, 0)?;
    }
    Ok(())
}

fn at(index: usize, error: &Error) -> Error {
    Error::new(error.code(), format!("operation {index}: {}", error.message()))
}

/// Runs the operations in order. After a failed expectation the rest is still tried, so that every failure is named.
pub(crate) fn apply(
    transaction: &mut Transaction,
    bucket: BucketId,
    operations: &[Op],
    limits: &Limits,
    weigh: &dyn Fn(&Entry) -> usize,
) -> std::result::Result<Applied, Stop> {
    let now_ms = transaction.now_ms();
    let before = transaction.savepoint();
    let walked_before = transaction.walked_count();
    let mut batch = Batch { refusals: Vec::new(), results: Vec::with_capacity(operations.len()), answer_bytes: 0 };
    let mut failure = None;
    for (index, operation) in operations.iter().enumerate() {
        // Spans over the same keys walk them again and again, those that are gone too, while other writers wait.
        let walked = usize::try_from(transaction.walked_count() - walked_before).unwrap_or(usize::MAX);
        let outcome = check_figure("walk over", walked, limits.transaction_reads_max, "keys for its spans")
            .map_err(WriteStop::from)
            .and_then(|()| apply_one(transaction, bucket, operation, now_ms, limits));
        if let Err(error) = batch.note(index, outcome, limits, weigh) {
            failure = Some(at(index, &error));
            break;
        }
    }
    // An expectation that failed is the first thing to mend: what it should have prevented may be why another operation failed.
    let stop = match failure {
        Some(error) if batch.refusals.is_empty() || error.code() == Code::AnswerTooLarge => Stop::Failed(error),
        None if batch.refusals.is_empty() => {
            transaction.release(before);
            return Ok(Applied::Committed { version: 0, durable: false, results: batch.results });
        }
        _ => Stop::Refused(batch.refusals),
    };
    transaction.rollback_to(before);
    Err(stop)
}

/// What has come of a batch so far.
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
            let stored = read(transaction, &bucket.key(key), limits)?;
            OpResult::Entry(stored.map(value::entry).transpose()?)
        }
        Op::Set(key, bytes, options) => {
            let expires_at_ms = Limits::deadline_ms(options.ttl_ms, now_ms)?;
            let value = value::encode(&options.media_type, bytes);
            if options.expect == Expect::Anything {
                // What was there is nobody's concern: it is not read.
                put(transaction, &bucket.key(key), value, expires_at_ms, limits)?;
            } else {
                let update = Update::Put { value, expires_at_ms };
                write(transaction, bucket, key, update, options.expect, limits)?;
            }
            OpResult::Done
        }
        Op::Delete(key, expect) => {
            OpResult::Deleted(u64::from(write(transaction, bucket, key, Update::Delete, *expect, limits)?))
        }
        Op::DeleteSpan(span) => OpResult::Deleted(delete_whole_span(transaction, bucket, span, limits)?),
        Op::Increment(key, by) => OpResult::Number(increment(transaction, bucket, key, *by, limits)?.0),
        Op::Check(key, expect) => {
            let stored = read(transaction, &bucket.key(key), limits)?;
            if !expect.holds(stored.as_ref().map(|stored| stored.version)) {
                return Err(WriteStop::Refused(stored.map(value::entry).transpose()?));
            }
            OpResult::Done
        }
    })
}

/// Writes one key if it is as expected; whether it had a value before.
pub(crate) fn write(
    transaction: &mut Transaction,
    bucket: BucketId,
    key: &[u8],
    update: Update,
    expect: Expect,
    limits: &Limits,
) -> std::result::Result<bool, WriteStop> {
    let place = bucket.key(key);
    let stored = read(transaction, &place, limits)?;
    if !expect.holds(stored.as_ref().map(|stored| stored.version)) {
        return Err(WriteStop::Refused(stored.map(value::entry).transpose()?));
    }
    match update {
        Update::Put { value, expires_at_ms } => put(transaction, &place, value, expires_at_ms, limits)?,
        Update::Delete if stored.is_some() => {
            check_writes(transaction.size_with(&place, 0), limits)?;
            transaction.delete(&place);
        }
        Update::Delete => {}
    }
    Ok(stored.is_some())
}

/// Reads a key, and fails before anything is done with it when that was one read too many.
fn read(transaction: &mut Transaction, place: &[u8], limits: &Limits) -> Result<Option<StoredEntry>> {
    let stored = transaction.get(place)?;
    check_reads(transaction, limits)?;
    Ok(stored)
}

fn put(
    transaction: &mut Transaction,
    place: &[u8],
    value: Bytes,
    expires_at_ms: Option<u64>,
    limits: &Limits,
) -> Result<()> {
    // Far from the limits nobody needs to know whether the key is written again.
    let most = (transaction.write_count() + 1, transaction.written_bytes() + place.len() + value.len());
    if check_writes(most, limits).is_err() {
        check_writes(transaction.size_with(place, value.len()), limits)?;
    }
    transaction.put(place, value, expires_at_ms);
    Ok(())
}

/// Adds to a number; the sum, and whether the key had a value before.
pub(crate) fn increment(
    transaction: &mut Transaction,
    bucket: BucketId,
    key: &[u8],
    by: i64,
    limits: &Limits,
) -> Result<(i64, bool)> {
    let place = bucket.key(key);
    let stored = read(transaction, &place, limits)?;
    let expires_at_ms = stored.as_ref().and_then(|stored| stored.expires_at_ms);
    let replaced = stored.is_some();
    let number = stored.map_or(Ok(0), |stored| {
        let (_, bytes) = value::decode(stored.value)?;
        parse_number(&bytes)
    })?;
    let sum = number
        .checked_add(by)
        .ok_or_else(|| Error::new(Code::IntegerOverflow, format!("{number} + {by} does not fit into 64 bits")))?;
    put(transaction, &place, number_text(sum), expires_at_ms, limits)?;
    Ok((sum, replaced))
}

/// A decimal number of 64 bits as `-?[0-9]+`, without spaces or a plus sign.
fn parse_number(bytes: &[u8]) -> Result<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|_| digits.first().is_some_and(u8::is_ascii_digit));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Code::NotAnInteger.into())
}

/// Deletes at most `keys_max` keys of a range, from its start: how many, and what is left of the range if there may be more.
pub(crate) fn delete_some(
    transaction: &mut Transaction,
    range: &KeyRange,
    keys_max: usize,
) -> Result<(u64, Option<KeyRange>)> {
    let places = places(transaction, range, keys_max)?;
    for place in &places {
        transaction.delete(place);
    }
    let last = places.last().filter(|_| places.len() >= keys_max);
    Ok((places.len() as u64, last.map(|last| range.after(last, Direction::Forward))))
}

/// Deletes all keys of a span, or none when they are more than a transaction may write; how many.
pub(crate) fn delete_whole_span(
    transaction: &mut Transaction,
    bucket: BucketId,
    span: &Span,
    limits: &Limits,
) -> Result<u64> {
    // One more than can be right, so that too many are noticed and never all collected.
    let places = places(transaction, &bucket.range(span), limits.transaction_writes_max.saturating_add(1))?;
    check_reads(transaction, limits)?;
    let (writes_before, bytes_before) = (transaction.write_count(), transaction.written_bytes());
    let (mut writes, mut bytes) = (writes_before, bytes_before);
    for place in &places {
        let (writes_with, bytes_with) = transaction.size_with(place, 0);
        writes += writes_with - writes_before;
        bytes = bytes + bytes_with - bytes_before;
    }
    check_writes((writes, bytes), limits)?;
    for place in &places {
        transaction.delete(place);
    }
    Ok(places.len() as u64)
}

fn places(transaction: &mut Transaction, range: &KeyRange, keys_max: usize) -> Result<Vec<Box<[u8]>>> {
    let mut places: Vec<Box<[u8]>> = Vec::new();
    transaction.visit(range, Direction::Forward, |place, _| {
        debug_assert!(place.len() > BUCKET_PREFIX_BYTES, "a key is never empty");
        places.push(place.into());
        if places.len() < keys_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(places)
}

/// Whether a transaction may grow to so many keys and bytes. Asked before it does: a refused write must not stay in it.
fn check_writes((keys, bytes): (usize, usize), limits: &Limits) -> Result<()> {
    check_figure("write", keys, limits.transaction_writes_max, "keys")?;
    check_figure("write", bytes, limits.transaction_bytes_max, "bytes")
}

/// Whether a transaction has read no more than it may.
pub(crate) fn check_reads(transaction: &Transaction, limits: &Limits) -> Result<()> {
    check_figure("read", transaction.read_count(), limits.transaction_reads_max, "keys and stretches")
}

fn check_figure(verb: &str, count: usize, max: usize, unit: &str) -> Result<()> {
    if count > max {
        let message = format!("the transaction would {verb} {count} {unit}; the limit is {max}");
        return Err(Error::new(Code::TransactionTooLarge, message));
    }
    Ok(())
}
