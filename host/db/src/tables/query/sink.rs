//! Where the rows of an answer go.

use crate::tables::TableResult;
use crate::tables::types::{Type, Value};

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type; none for embedded rows, which are JSON.
    pub r#type: Option<Type>,
}

/// One place of a row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// A value.
    Value(Value<'a>),
    /// Embedded rows as JSON text.
    Json(&'a str),
}

/// Takes the rows of an answer in order.
pub trait RowSink: Send {
    /// The columns, before the first row. Called again when a statement starts over after a conflict: what was taken before is void.
    ///
    /// # Errors
    /// Those of the sink; they end the statement.
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()>;

    /// The version of the row that comes next: the commit that wrote it, 0 for the transaction's own write. Not called for groups.
    fn version(&mut self, _version: u64) {}

    /// Whether rows are of use; without them only [`begin`](Self::begin) is called, and they are counted all the same.
    fn wants_rows(&self) -> bool {
        true
    }

    /// Whether it takes no more rows for now. Rows that are read piece by piece stop there, or a batch of rows with what belongs to them
    /// later; all others go on.
    fn is_full(&self) -> bool {
        false
    }

    /// A row: a cell for each column.
    ///
    /// # Errors
    /// Those of the sink; they end the statement.
    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()>;
}
