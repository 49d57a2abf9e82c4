//! Options of a write, and its outcomes.

use crate::Result;
use crate::engine::Expect;
use crate::error::{Code, Error};
use crate::kv::value::{Entry, MediaType};

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// The value's media type.
    pub media_type: MediaType,
    /// Time to live in milliseconds: 1 to 100 years.
    pub ttl_ms: Option<u64>,
    /// The condition on the key's present state.
    pub expect: Expect,
}

/// A write that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The commit; 0 inside a transaction, which gets its version when it commits.
    pub version: u64,
    /// Whether the key had a value before.
    pub replaced: bool,
    /// Whether the write is certain to survive a power cut.
    pub durable: bool,
}

/// The outcome of a deletion of many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Keys that were deleted.
    pub keys: u64,
    /// The last commit, or the newest visible one where there was nothing to delete; 0 inside a transaction.
    pub version: u64,
    /// Whether that commit is certain to survive a power cut.
    pub durable: bool,
}

/// The outcome of an increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The sum.
    pub number: i64,
    /// The write.
    pub written: Written,
}

/// The outcome of a conditional write. A failed condition is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The write happened.
    Written(Written),
    /// The key was not as expected; its present entry.
    Refused(Option<Entry>),
}

impl Outcome {
    /// The write of an operation that has no condition.
    pub(crate) fn unconditional(self) -> Result<Written> {
        match self {
            Self::Written(written) => Ok(written),
            Self::Refused(_) => Err(Error::new(Code::Conflict, "a write without a condition was refused")),
        }
    }
}
