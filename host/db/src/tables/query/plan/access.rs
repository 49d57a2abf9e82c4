//! A plan: what is read, and in which order.

use smallvec::SmallVec;

use crate::engine::{Direction, KeyRange};
use crate::keyspace::EncodedKey;

/// How a select is to be read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) access: Access,
    /// The direction in which the keys and ranges of `access`, and what is in them, are read.
    pub(crate) direction: Direction,
    /// Whether rows come in the order that the select asks for.
    pub(crate) is_ordered: bool,
    /// Whether every row that is read passes the filter.
    pub(crate) is_covered: bool,
    pub(crate) estimate: Estimate,
}

impl Plan {
    /// How many rows are expected to pass the filter.
    pub(crate) fn rows_estimate(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let rows = self.estimate.rows.round() as u64;
        rows
    }
}

/// What is read. Keys and ranges are in the order of keys and do not overlap.
#[derive(Debug)]
pub(crate) enum Access {
    /// No row can pass.
    Nothing,
    /// The rows of these keys.
    Keys(SmallVec<[EncodedKey; 1]>),
    /// The rows in these ranges.
    Rows(Vec<KeyRange>),
    /// The rows that the entries of an index in these ranges lead to.
    Index { index: usize, ranges: Vec<KeyRange> },
    /// The rows that these entries of a unique index lead to.
    Entries { index: usize, keys: SmallVec<[EncodedKey; 1]> },
}

/// What a plan is expected to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Estimate {
    /// Rows that pass the filter.
    pub(crate) rows: f64,
    /// In units of a row read in order.
    pub(crate) cost: f64,
}
