//! What the feed shows.

use bytes::Bytes;

use crate::tables::TableError;
use crate::tables::schema::TableDocument;
use crate::{Change, Error};

/// A page of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPage {
    /// The changes, in order.
    pub events: Vec<FeedEvent>,
    /// The cursor of the next page.
    pub cursor: String,
    /// Whether this page ends at the end of the feed. If not, ask again at once, even if it is empty: one call examines a bounded part.
    pub at_end: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FeedEvent {
    /// Of a key.
    Key(Box<Change>),
    /// Of a row.
    Row(Box<RowChange>),
    /// Of a table's definition.
    Table(Box<TableEvent>),
}

impl FeedEvent {
    /// The cursor after this change.
    #[must_use]
    pub fn cursor(&self) -> &str {
        match self {
            Self::Key(change) => &change.cursor,
            Self::Row(change) => &change.cursor,
            Self::Table(event) => &event.cursor,
        }
    }

    /// Bytes of what it shows, about.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Key(change) => change.key.len() + change.value.as_ref().map_or(0, |(_, value)| value.len()),
            Self::Row(change) => {
                let parts = [&change.key, &change.row, &change.old];
                change.table.len() + parts.into_iter().flatten().map(Bytes::len).sum::<usize>()
            }
            Self::Table(event) => event.table.len(),
        }
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChangeKind {
    /// It is new.
    Insert,
    /// It has other values.
    Update,
    /// It is gone.
    Delete,
}

/// Which of the two rows the filter selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matches {
    /// The row before the change; none where that is not known: the table keeps no old rows, and the filter asks for more than the key.
    pub old: Option<bool>,
    /// The row after it.
    pub new: bool,
}

/// One row that a commit changed. An update of its primary key is a delete and an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// What happened.
    pub kind: RowChangeKind,
    /// The table.
    pub table: String,
    /// The number of the definition by which it is shown: the one of its time.
    pub schema_version: u32,
    /// The primary key, as a JSON object; none where the table has none.
    pub key: Option<Bytes>,
    /// What is selected of the row after the change, as a JSON object; none where it is gone.
    pub row: Option<Bytes>,
    /// The same of the row before it; none where it is new, or where the table keeps no old rows.
    pub old: Option<Bytes>,
    /// Which of the two the filter selects.
    pub matches: Matches,
    /// The commit.
    pub version: u64,
    /// The commit that had written the row before, if there was one.
    pub previous_version: Option<u64>,
    /// When the commit was made, in milliseconds since the epoch.
    pub time_ms: u64,
    /// The cursor after this change.
    pub cursor: String,
}

/// What happened to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableEventKind {
    /// The table is new.
    Create,
    /// Its definition is another one.
    Alter,
    /// The table is gone, with all its rows: they have no changes of their own.
    Drop,
}

/// A table that a commit created, altered or dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct TableEvent {
    /// What happened.
    pub kind: TableEventKind,
    /// The table.
    pub table: String,
    /// The number of the definition, from 1; of a table that is gone: of its last one.
    pub schema_version: u32,
    /// The definition; none where the table is gone.
    pub schema: Option<TableDocument>,
    /// The commit.
    pub version: u64,
    /// The commit that had written the definition before, if there was one.
    pub previous_version: Option<u64>,
    /// When the commit was made, in milliseconds since the epoch.
    pub time_ms: u64,
    /// The cursor after this change.
    pub cursor: String,
}

/// Why there is no page.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// Of the feed itself: the cursor, the limit, the bucket.
    #[error(transparent)]
    Feed(#[from] Error),
    /// Of a table: its name, the filter, the select.
    #[error(transparent)]
    Table(#[from] TableError),
}
