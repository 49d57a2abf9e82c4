//! Rows on their way to a guest, as many as an answer may hold.

use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::{Environment, TableError, TableResult, code};

use super::bindings::tables;
use super::values::{self, ROW_BYTES, VALUE_BYTES, row_bytes};

/// The columns of an answer, and the bytes that it has left.
struct Head {
    columns: Vec<OutputColumn>,
    environment: Environment,
    bytes: usize,
    bytes_max: usize,
}

impl Head {
    fn new(bytes_max: usize, environment: Environment) -> Self {
        Self { columns: Vec::new(), environment, bytes: 0, bytes_max }
    }

    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns = columns.to_vec();
        self.bytes = 0;
        self.take(columns.iter().map(|column| column.name.len() + VALUE_BYTES).sum())
    }

    fn take(&mut self, bytes: usize) -> TableResult<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.bytes_max {
            return Ok(());
        }
        let message = format!("the answer has more than {} bytes", self.bytes_max);
        Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint("Ask for fewer rows or columns."))
    }

    fn names(self) -> Vec<String> {
        self.columns.into_iter().map(|column| column.name).collect()
    }
}

/// Rows as `rows`.
pub(super) struct AnswerRows {
    head: Head,
    rows: Vec<Vec<tables::Value>>,
    version: u64,
}

impl AnswerRows {
    pub(super) fn new(bytes_max: usize, environment: Environment) -> Self {
        Self { head: Head::new(bytes_max, environment), rows: Vec::new(), version: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.head.bytes
    }

    pub(super) fn into_rows(self) -> tables::Rows {
        tables::Rows { columns: self.head.names(), rows: self.rows }
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
        let cells = cells.iter().zip(&self.head.columns);
        let row: Vec<_> = cells.map(|(cell, column)| values::shown(cell, column, &self.head.environment)).collect();
        self.head.take(row_bytes(&row))?;
        self.rows.push(row);
        Ok(())
    }
}

/// Rows as `packed-rows`.
pub(super) struct PackedRows {
    head: Head,
    data: Vec<u8>,
    count: u32,
}

impl PackedRows {
    pub(super) fn new(bytes_max: usize, environment: Environment) -> Self {
        Self { head: Head::new(bytes_max, environment), data: Vec::new(), count: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.head.bytes
    }

    pub(super) fn into_rows(self) -> tables::PackedRows {
        tables::PackedRows { columns: self.head.names(), data: self.data, count: self.count }
    }
}

impl RowSink for PackedRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.data.clear();
        self.count = 0;
        self.head.begin(columns)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let before = self.data.len();
        for (cell, column) in cells.iter().zip(&self.head.columns) {
            values::pack(cell, column, &self.head.environment, &mut self.data);
        }
        self.count = self.count.saturating_add(1);
        // A row counts even if it has no columns.
        self.head.take((self.data.len() - before).max(ROW_BYTES))
    }
}
