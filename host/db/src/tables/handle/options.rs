//! What a statement is told besides its query, and what it answers besides its rows.

use crate::tables::query::Count;
use crate::tables::rows::Resolution;
use crate::tables::types::Value;

/// Options of a select.
#[derive(Debug, Clone, Default)]
pub struct SelectOptions {
    /// Whether all rows are counted.
    pub count: Count,
    /// At most so many rows, whatever the query says.
    pub rows_max: Option<u64>,
    /// A query that would examine more rows, or take longer than 10 ms, is an error (57014), whatever the limits say: one to
    /// run where it holds nobody up.
    pub examined_max: Option<u64>,
    /// Values of `$1`, `$2`, .. in the query.
    pub arguments: Vec<Value<'static>>,
    /// Whether aggregates are refused (PGRST123).
    pub without_aggregates: bool,
}

/// Options of statements that write.
#[allow(clippy::struct_excessive_bools, reason = "each is a preference that clients name by itself")]
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// What an insert does about a row whose key is there already; by the primary key, or by the query's `on_conflict`.
    pub resolution: Resolution,
    /// Whether a missing value is the column's default; null otherwise. A column that no row names is always its default.
    pub missing_is_default: bool,
    /// Whether a put gives columns that the batch does not name what they would have in a new row; otherwise they stay as they are.
    pub replaces: bool,
    /// More rows than that are an error (PGRST124), and nothing is written.
    pub affected_max: Option<u64>,
    /// A query that would examine more rows to find those to change is an error (57014), and nothing is written.
    pub examined_max: Option<u64>,
    /// Whether an answer of other than one row is an error (PGRST116), and nothing is written.
    pub is_singular: bool,
    /// Whether everything is undone at the end (`tx=rollback`).
    pub is_rolled_back: bool,
    /// The rows of an update, put or delete must be there and have this version (`If-Match`); otherwise it is an error (PT412), and
    /// nothing is written.
    pub if_version: Option<u64>,
    /// Values of `$1`, `$2`, .. in the query.
    pub arguments: Vec<Value<'static>>,
    /// Whether an update or delete without a filter is refused (21000).
    pub needs_filter: bool,
    /// Whether aggregates are refused (PGRST123).
    pub without_aggregates: bool,
}

/// What a statement that writes answers besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows inserted, updated or deleted.
    pub affected: u64,
    /// Of these, inserted.
    pub inserted: u64,
    /// The primary key of the one row that was written, as filters (`id=eq.5`), for its address; none where there is another number of them,
    /// or no primary key.
    pub key: Option<Vec<(String, String)>>,
    /// The commit; 0 in an open transaction, and where nothing is kept.
    pub version: u64,
    /// Whether it is certain to survive a power cut.
    pub durable: bool,
    /// Whether the resolution was of no use: there is no key that it could be about.
    pub resolution_ignored: bool,
    /// Names that were used although an alias hides them.
    pub warnings: Vec<String>,
}
