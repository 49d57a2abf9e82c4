//! Many operations, applied atomically.

use crate::bindings::mantis::db::{kv, types::Op};
use crate::{Applied, Expect, Result, SetOptions, Span};

/// Up to 10,000 operations on one bucket, applied atomically. Results are in the order of the operations.
#[derive(Debug)]
#[must_use = "nothing happens before `apply`"]
pub struct Batch<'b> {
    bucket: &'b kv::Bucket,
    operations: Vec<Op>,
}

impl<'b> Batch<'b> {
    pub(crate) fn new(bucket: &'b kv::Bucket) -> Self {
        Self { bucket, operations: Vec::new() }
    }

    fn with(mut self, operation: Op) -> Self {
        self.operations.push(operation);
        self
    }

    /// Reads a key.
    pub fn get(self, key: impl Into<Vec<u8>>) -> Self {
        self.with(Op::Get(key.into()))
    }

    /// Sets a key.
    pub fn set(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.set_with(key, value, SetOptions::default())
    }

    /// Sets a key if it is as expected, with a media type or a time to live.
    pub fn set_with(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, options: SetOptions) -> Self {
        self.with(Op::Set((key.into(), value.into(), options)))
    }

    /// Deletes a key.
    pub fn delete(self, key: impl Into<Vec<u8>>) -> Self {
        self.with(Op::Delete((key.into(), Expect::Anything)))
    }

    /// Deletes the keys in a span.
    pub fn delete_span(self, span: Span) -> Self {
        self.with(Op::DeleteSpan(span))
    }

    /// Adds to a decimal number.
    pub fn increment(self, key: impl Into<Vec<u8>>, by: i64) -> Self {
        self.with(Op::Increment((key.into(), by)))
    }

    /// Writes nothing. If the expectation does not hold, the batch writes nothing either.
    pub fn check(self, key: impl Into<Vec<u8>>, expect: Expect) -> Self {
        self.with(Op::Check((key.into(), expect)))
    }

    /// Applies the batch.
    ///
    /// # Errors
    /// Those of its operations. An expectation that does not hold is no error, but [`Applied::Refused`].
    pub fn apply(self) -> Result<Applied> {
        self.bucket.apply(&self.operations)
    }
}
