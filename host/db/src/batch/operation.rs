//! What a batch asks for.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use mantis_dialect::Query;

use crate::kv::{Entry, Op};
use crate::tables::types::Value;
use crate::tables::{Interrupt, Resolution, RowBatch};

/// One operation of a batch.
#[derive(Debug, Clone)]
pub enum Operation<'o> {
    /// On keys of a bucket, with the conditions of [`Op`].
    Key {
        /// The bucket.
        bucket: Cow<'o, str>,
        /// The operation.
        op: Op,
    },
    /// On rows of a table.
    Row(Box<RowOperation<'o>>),
}

/// One operation on the rows of a table.
#[derive(Debug, Clone)]
pub struct RowOperation<'o> {
    /// The table.
    pub table: Cow<'o, str>,
    /// Which rows (a select, update, delete or check), what is shown of them, and by which key an insert meets rows that are there.
    pub query: Query,
    /// The values of `$1`, `$2`, .. in the query.
    pub arguments: Vec<Argument>,
    /// What is done.
    pub verb: RowVerb<'o>,
    /// How many rows the filter must select; any number if none. Of a select: how many are shown.
    pub matches: Option<Matches>,
    /// The version that each row must have that an update, delete or check selects; there must be one at least.
    pub if_version: Option<u64>,
    /// Whether an insert, update or delete answers the rows that it wrote or deleted, as the query's select says.
    pub returns_rows: bool,
}

/// What is done with rows.
#[derive(Debug, Clone)]
pub enum RowVerb<'o> {
    /// Reads them.
    Select,
    /// Inserts rows. What a row leaves out is the column's default.
    Insert {
        /// The rows.
        rows: RowBatch<'o>,
        /// What becomes of a row whose key is there already.
        resolution: Resolution,
        /// Columns of all rows with values that earlier operations made.
        from: Vec<(Cow<'o, str>, Reference)>,
    },
    /// Gives them the values of the batch's only row.
    Update {
        /// The values.
        set: RowBatch<'o>,
        /// Columns with values that earlier operations made.
        from: Vec<(Cow<'o, str>, Reference)>,
    },
    /// Deletes them.
    Delete,
    /// Changes nothing; its conditions must hold.
    Check,
}

/// How many rows a filter must select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matches {
    /// So many at least.
    pub min: u64,
    /// So many at most; any number more if none.
    pub max: Option<u64>,
}

/// The value of an argument of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// This one.
    Value(Value<'static>),
    /// One that an earlier operation made.
    Reference(Reference),
}

/// A column of the primary key of the one row that an earlier operation of the batch inserted, updated or deleted: an identity, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The operation's index, from 0.
    pub operation: usize,
    /// The column.
    pub column: String,
}

/// Options of a batch.
#[derive(Clone, Copy, Default)]
pub struct BatchOptions<'w> {
    /// Whether an update or delete without a filter is refused (21000).
    pub needs_filter: bool,
    /// Whether aggregates are refused (PGRST123).
    pub without_aggregates: bool,
    /// At most so many rows of each select.
    pub rows_max: Option<u64>,
    /// A query that would examine more rows is an error (57014).
    pub examined_max: Option<u64>,
    /// The bytes of an entry in the form in which the caller passes it on, for the limit of the answer; those of its value if none.
    pub weigh: Option<&'w (dyn Fn(&Entry) -> usize + Sync)>,
    /// Whether to stop (57014): asked between operations, and within those on rows.
    pub interrupt: Interrupt<'w>,
}

impl std::fmt::Debug for BatchOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchOptions").field("needs_filter", &self.needs_filter).finish_non_exhaustive()
    }
}

impl<'o> RowOperation<'o> {
    /// An operation without arguments and conditions, which answers no rows unless it is a select.
    #[must_use]
    pub fn new(table: impl Into<Cow<'o, str>>, query: Query, verb: RowVerb<'o>) -> Self {
        let table = table.into();
        Self { table, query, arguments: Vec::new(), verb, matches: None, if_version: None, returns_rows: false }
    }

    /// The values that earlier operations make for it.
    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        let from = match &self.verb {
            RowVerb::Insert { from, .. } | RowVerb::Update { from, .. } => &from[..],
            RowVerb::Select | RowVerb::Delete | RowVerb::Check => &[],
        };
        let in_arguments = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Reference(reference) => Some(reference),
            Argument::Value(_) => None,
        });
        from.iter().map(|(_, reference)| reference).chain(in_arguments)
    }

    /// Whether it writes rows.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.verb, RowVerb::Select | RowVerb::Check)
    }
}

impl Matches {
    /// Exactly so many rows.
    #[must_use]
    pub fn exactly(rows: u64) -> Self {
        Self { min: rows, max: Some(rows) }
    }

    /// Whether so many are as many as there must be.
    #[must_use]
    pub fn holds(self, rows: u64) -> bool {
        rows >= self.min && self.max.is_none_or(|max| rows <= max)
    }

    /// How many rows have to be counted to know.
    pub(super) fn rows_to_count(self) -> u64 {
        self.max.map_or(self.min, |max| max.saturating_add(1))
    }
}

impl<'o> From<RowOperation<'o>> for Operation<'o> {
    fn from(operation: RowOperation<'o>) -> Self {
        Self::Row(Box::new(operation))
    }
}

impl From<RangeInclusive<u64>> for Matches {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self { min: *range.start(), max: Some(*range.end()) }
    }
}
