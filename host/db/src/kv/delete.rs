//! Deletion of spans: all at once in a transaction, otherwise in commits of [`DELETED_KEYS_PER_COMMIT`] keys.

use std::ops::ControlFlow;

use crate::engine::{Direction, KeyRange, Transaction, Unsettled, Version};
use crate::keyspace::{BUCKET_PREFIX_BYTES, BucketId, Span};
use crate::kv::handle::{Effect, Kv};
use crate::kv::outcome::Deleted;
use crate::kv::transaction_limits::{check_reads, check_writes, reserve};
use crate::limits::DELETED_KEYS_PER_COMMIT;
use crate::{Error, Limits, Result};

/// What is left of a span that is being deleted, and in which bucket.
pub(crate) type Left = (BucketId, KeyRange);

/// What a commit of a deletion has deleted, and what may be left.
pub(crate) type Step = (u64, Option<Left>);

/// A deletion of a span that is under way: [`Kv::delete_next`] does one commit of it.
#[derive(Debug)]
pub struct SpanDeletion<'a> {
    span: &'a Span,
    left: Option<Left>,
    /// Version 0 before the first commit.
    deleted: Deleted,
}

impl<'a> SpanDeletion<'a> {
    /// A deletion that has not begun.
    #[must_use]
    pub fn of(span: &'a Span) -> Self {
        Self { span, left: None, deleted: Deleted { keys: 0, version: 0, durable: false } }
    }

    /// What is deleted so far.
    #[must_use]
    pub fn deleted(&self) -> Deleted {
        self.deleted
    }
}

impl Kv<'_> {
    /// Deletes the keys of a span: inside a transaction all at once; outside in commits of 1,000 keys, so that other writers are not
    /// delayed. Keys written meanwhile may or may not be among them.
    ///
    /// # Errors
    /// `access-denied`, `read-only`, `disk-full`, `storage-failed`, `interrupted`: outside a transaction [`Error::deleted`] counts the keys
    /// that are gone all the same; in a transaction `transaction-too-large`, `transaction-too-old`.
    pub async fn delete_span(&mut self, span: &Span) -> Result<Deleted> {
        #[cfg(not(target_family = "wasm"))]
        self.wait_for_turns(&|bucket, footprint| footprint.names_some_of(&bucket.range(span))).await;
        // A page downloads this loop, which is smaller than one over a `SpanDeletion`.
        let (mut keys, mut left) = (0, None);
        loop {
            #[cfg(not(target_family = "wasm"))]
            self.interrupt.check_keys().map_err(|error| error.after_deleting(keys))?;
            let step = self.delete_step(span, left.as_ref());
            let settled = self.settle_step(step).await;
            #[cfg(not(target_family = "wasm"))]
            let settled = settled.map_err(|error| error.after_deleting(keys));
            let ((gone, rest), version, durable) = settled?;
            keys += gone;
            if rest.is_none() {
                return Ok(Deleted { keys, version, durable });
            }
            left = rest;
        }
    }

    /// One commit of [`delete_span`](Self::delete_span), for callers that let others run in between. Returns whether keys may be left.
    ///
    /// # Errors
    /// Those of [`delete_span`](Self::delete_span).
    pub async fn delete_next(&mut self, deletion: &mut SpanDeletion<'_>) -> Result<bool> {
        #[cfg(not(target_family = "wasm"))]
        if deletion.deleted.version == 0 {
            let span = deletion.span;
            self.wait_for_turns(&|bucket, footprint| footprint.names_some_of(&bucket.range(span))).await;
        }
        #[cfg(not(target_family = "wasm"))]
        self.interrupt.check_keys().map_err(|error| error.after_deleting(deletion.deleted.keys))?;
        let left = deletion.left.take();
        let step = self.delete_step(deletion.span, left.as_ref());
        let settled = self.settle_step(step).await;
        #[cfg(not(target_family = "wasm"))]
        let settled = settled.map_err(|error| error.after_deleting(deletion.deleted.keys));
        let ((gone, left), version, durable) = settled?;
        deletion.deleted = Deleted { keys: deletion.deleted.keys + gone, version, durable };
        deletion.left = left;
        Ok(deletion.left.is_some())
    }

    /// Waits until a step is final: the last one may be deferred, those before it are not.
    #[cfg(not(target_family = "wasm"))]
    async fn settle_step(&mut self, step: Unsettled<Step>) -> Result<(Step, Version, bool)> {
        match step {
            Ok(((_, None), _)) => self.session.settle(step).await,
            _ => self.session.database.0.engine.settle(step).await,
        }
    }

    #[cfg(target_family = "wasm")]
    fn settle_step(&self, step: Unsettled<Step>) -> std::future::Ready<Result<(Step, Version, bool)>> {
        self.session.database.0.engine.settle(step)
    }

    /// Deletes the next keys of a span in one commit, or all of them in the open transaction. Returns how many, and what may be left.
    pub(crate) fn delete_step(&mut self, span: &Span, left: Option<&Left>) -> Unsettled<Step> {
        let limits = self.limits().clone();
        if self.session.in_transaction() {
            return self.through(Effect::Frees, |transaction, bucket| {
                Ok::<_, Error>((delete_whole_span(transaction, bucket, span, &limits)?, None))
            });
        }
        self.through(Effect::Frees, |transaction, bucket| {
            // From where the last commit ended: a snapshot may keep what is deleted, and a walk would pass over all of it again.
            let range = match left {
                Some((id, rest)) if *id == bucket => rest,
                _ => &bucket.range(span),
            };
            let (gone, rest) = delete_some(transaction, range, DELETED_KEYS_PER_COMMIT)?;
            Ok::<_, Error>((gone, rest.map(|rest| (bucket, rest))))
        })
    }
}

/// Deletes at most `keys_max` keys of a range, from its start. Returns how many, and the rest of the range if there may be more.
pub(crate) fn delete_some(
    transaction: &mut Transaction,
    range: &KeyRange,
    keys_max: usize,
) -> Result<(u64, Option<KeyRange>)> {
    let keys = encoded_keys(transaction, range, keys_max)?;
    for key in &keys {
        transaction.delete(key);
    }
    let last = keys.last().filter(|_| keys.len() >= keys_max);
    Ok((keys.len() as u64, last.map(|last| range.after(last, Direction::Forward))))
}

/// Deletes all keys of a span, or none if they exceed the limits of a transaction. Returns how many.
pub(crate) fn delete_whole_span(
    transaction: &mut Transaction,
    bucket: BucketId,
    span: &Span,
    limits: &Limits,
) -> Result<u64> {
    // One more than the limit: too many are noticed, and never all collected.
    let keys = encoded_keys(transaction, &bucket.range(span), limits.transaction_writes_max.saturating_add(1))?;
    check_reads(transaction, limits)?;
    let (writes_before, bytes_before) = (transaction.write_count(), transaction.written_bytes());
    let (mut writes, mut bytes) = (writes_before, bytes_before);
    for key in &keys {
        let (writes_with, bytes_with) = transaction.size_with(key, 0);
        writes += writes_with - writes_before;
        bytes = bytes + bytes_with - bytes_before;
    }
    check_writes((writes, bytes), limits)?;
    reserve(transaction, bytes.saturating_sub(bytes_before))?;
    for key in &keys {
        transaction.delete(key);
    }
    Ok(keys.len() as u64)
}

fn encoded_keys(transaction: &mut Transaction, range: &KeyRange, keys_max: usize) -> Result<Vec<Box<[u8]>>> {
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    transaction.visit(range, Direction::Forward, |key, _, _| {
        debug_assert!(key.len() > BUCKET_PREFIX_BYTES, "a key is never empty");
        keys.push(key.into());
        if keys.len() < keys_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(keys)
}
