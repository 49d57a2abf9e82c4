//! Who is measured at what.

use std::time::Duration;

use anyhow::Result;

use crate::rows::BATCH_ROWS;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// A key of the key-value store.
    Key,
    Row,
    RowByPath,
    Page,
    Embed,
    Insert,
    Update,
    Upsert,
    BulkAscending,
    BulkScattered,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "key-value GET",
            Self::Row => "row by primary key, as a filter",
            Self::RowByPath => "row by primary key, in the path",
            Self::Page => "page of 25 by index",
            Self::Embed => "page of 25 with the parent of each",
            Self::Insert => "insert one",
            Self::Update => "update one",
            Self::Upsert => "upsert 1,000, a row",
            Self::BulkAscending => "insert 1,000, ascending key, no index, a row",
            Self::BulkScattered => "insert 1,000, random key, one index, a row",
        }
    }

    pub(crate) fn writes(self) -> bool {
        self >= Self::Insert
    }

    /// What a request counts for: rows where it has many.
    pub(crate) fn units(self) -> u64 {
        if self >= Self::Upsert { BATCH_ROWS } else { 1 }
    }
}

/// What a run came to.
pub(crate) struct Measured {
    pub(crate) units: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) elapsed: Duration,
}

/// Runs an operation for about this long.
pub(crate) type Run = Box<dyn FnMut(Duration) -> Result<Measured>>;

/// One side at one operation.
pub(crate) struct Contestant {
    pub(crate) operation: Operation,
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}
