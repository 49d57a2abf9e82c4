//! Many operations, all or nothing.

use crate::bindings::mantis::db::{kv, types::Op};
use crate::{Applied, Expect, Result, SetOptions, Span};

/// Operations on one bucket that happen together or not at all, at most 10,000. Results stand in the order of the operations.
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

    /// Gives a key a value.
    pub fn set(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.set_with(key, value, SetOptions::default())
    }

    /// Gives a key a value if it is as expected, with a media type or a time to live.
    pub fn set_with(self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, options: SetOptions) -> Self {
        self.with(Op::Set((key.into(), value.into(), options)))
    }

    /// Deletes a key.
    pub fn delete(self, key: impl Into<Vec<u8>>) -> Self {
        self.with(Op::Delete((key.into(), Expect::Anything)))
    }

    /// Deletes the keys of a span.
    pub fn delete_span(self, span: Span) -> Self {
        self.with(Op::DeleteSpan(span))
    }

    /// Adds to a decimal number.
    pub fn increment(self, key: impl Into<Vec<u8>>, by: i64) -> Self {
        self.with(Op::Increment((key.into(), by)))
    }

    /// Writes nothing, but must hold, or nothing is written.
    pub fn check(self, key: impl Into<Vec<u8>>, expect: Expect) -> Self {
        self.with(Op::Check((key.into(), expect)))
    }

    /// Does it all.
    pub fn apply(self) -> Result<Applied> {
        self.bucket.apply(&self.operations)
    }
}
