//! Rows on their way to a guest, as many as an answer may hold.

use mantis_db::tables::calls::AnswerHead;
use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::{Environment, TableResult};

use super::bindings::tables;
use super::values::{self, row_bytes};

/// Rows as `rows`.
pub(super) struct AnswerRows {
    head: AnswerHead,
    rows: Vec<Vec<tables::Value>>,
    version: u64,
}

impl AnswerRows {
    pub(super) fn new(bytes_max: usize, environment: Environment) -> Self {
        Self { head: AnswerHead::new(bytes_max, environment), rows: Vec::new(), version: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.head.bytes()
    }

    pub(super) fn into_rows(self) -> tables::Rows {
        tables::Rows { columns: self.head.into_names(), rows: self.rows }
    }

    /// The last row, and its version.
    pub(super) fn into_last(mut self) -> Option<(Vec<tables::Value>, u64)> {
        self.rows.pop().map(|row| (row, self.version))
    }
}

impl RowSink for AnswerRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.rows.clear();
        self.head.begin(columns)
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let cells = cells.iter().zip(self.head.columns());
        let row: Vec<_> = cells.map(|(cell, column)| values::shown(cell, column, self.head.environment())).collect();
        self.head.take(row_bytes(&row))?;
        self.rows.push(row);
        Ok(())
    }
}
