//! What became of a batch.

use std::fmt;

use crate::kv::OpResult;
use crate::tables::TableError;
use crate::{Code, Error};

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Everything was done.
    Committed {
        /// The commit, or the newest one that was seen where nothing was written; 0 inside a transaction.
        version: u64,
        /// Whether it is certain to survive a power cut.
        durable: bool,
        /// In the operations' order.
        results: Vec<Done>,
    },
    /// Nothing was written. Names every operation whose condition did not hold, up to the first that failed for another reason.
    Refused(Vec<Refusal>),
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Of an operation on keys.
    Key(OpResult),
    /// Of a check: its conditions hold.
    Checked,
    /// Of a select: the rows, as the text of a JSON array of objects.
    Selected(Vec<u8>),
    /// Of an insert, update or delete.
    Written {
        /// Rows inserted, updated or deleted.
        affected: u64,
        /// Of these, inserted.
        inserted: u64,
        /// The rows, where they were asked for, as the text of a JSON array of objects.
        rows: Option<Vec<u8>>,
    },
}

/// An operation whose condition did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its index in the batch, from 0.
    pub index: usize,
    /// What was found in place of what its condition expects.
    pub found: Found,
}

/// What was found in place of what a condition expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The version of the key; none where it is missing, 0 for a write of the batch's own transaction.
    Key {
        /// The version.
        version: Option<u64>,
    },
    /// Rows that the filter selects.
    Rows {
        /// How many, counted up to one more than `matches` allows.
        count: u64,
        /// The version of the first that has another than the one expected; 0 for a write of the batch's own transaction.
        version: Option<u64>,
    },
}

/// Why a batch failed; nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchError {
    /// The index of the operation that failed, from 0; none where it was the batch or its commit.
    pub index: Option<usize>,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// With keys, limits or the commit.
    Db(Error),
    /// With rows.
    Table(TableError),
}

impl Cause {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Db(error) => error.code().as_str(),
            Self::Table(error) => error.code,
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Db(error) => error.message(),
            Self::Table(error) => &error.message,
        }
    }

    /// The error of this operation.
    pub(super) fn at(self, index: usize) -> BatchError {
        BatchError { index: Some(index), cause: self }
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

impl From<TableError> for Cause {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<Error> for BatchError {
    fn from(error: Error) -> Self {
        Self { index: None, cause: error.into() }
    }
}

impl From<Code> for BatchError {
    fn from(code: Code) -> Self {
        Error::from(code).into()
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "operation {index}: ")?;
        }
        write!(f, "{}: {}", self.cause.code(), self.cause.message())
    }
}

impl std::error::Error for BatchError {}
