//! Rows on their way to a plugin, as many as an answer may hold.

use super::packed::pack;
use crate::tables::query::{Cell, OutputColumn, RowSink};
use crate::tables::{Environment, TableError, TableResult, code};

/// Bytes of a value in a plugin's memory, without those that it points to. A value of `rows` counts as these and what it points to.
pub const VALUE_BYTES: usize = 24;
/// Bytes of a row in a plugin's memory, without its values.
pub const ROW_BYTES: usize = 8;

/// The columns of an answer, and the bytes that it has left.
#[derive(Debug)]
pub struct AnswerHead {
    columns: Vec<OutputColumn>,
    environment: Environment,
    bytes: usize,
    bytes_max: usize,
}

impl AnswerHead {
    /// An answer of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize, environment: Environment) -> Self {
        Self { columns: Vec::new(), environment, bytes: 0, bytes_max }
    }

    /// Begins with these columns, again if a statement runs again.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns = columns.to_vec();
        self.bytes = 0;
        self.take(columns.iter().map(|column| column.name.len() + VALUE_BYTES).sum())
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// 54000 beyond the most that the answer may have.
    pub fn take(&mut self, bytes: usize) -> TableResult<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.bytes_max {
            return Ok(());
        }
        let message = format!("the answer has more than {} bytes", self.bytes_max);
        Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint("Ask for fewer rows or columns."))
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }

    /// The statement's surroundings.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The bytes counted so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The names of the columns.
    #[must_use]
    pub fn into_names(self) -> Vec<String> {
        self.columns.into_iter().map(|column| column.name).collect()
    }
}

/// What the rows of an answer count as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// As packed.
    Packed,
    /// As values in the plugin's memory.
    Values,
}

/// Rows as `packed-rows`, and the version of the last one.
#[derive(Debug)]
pub struct PackedRows {
    head: AnswerHead,
    weight: Weight,
    /// Their values, back to back.
    pub data: Vec<u8>,
    /// How many they are.
    pub count: u32,
    /// The version of the last one.
    pub version: u64,
}

impl PackedRows {
    /// None yet, of an answer of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize, environment: Environment, weight: Weight) -> Self {
        Self { head: AnswerHead::new(bytes_max, environment), weight, data: Vec::new(), count: 0, version: 0 }
    }

    /// The columns, and the bytes counted so far.
    #[must_use]
    pub fn head(&self) -> &AnswerHead {
        &self.head
    }

    /// The names of the columns, and the rows' values.
    #[must_use]
    pub fn into_parts(self) -> (Vec<String>, Vec<u8>) {
        (self.head.into_names(), self.data)
    }
}

impl RowSink for PackedRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.data.clear();
        self.count = 0;
        self.head.begin(columns)
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let before = self.data.len();
        let mut pointed_to = 0;
        for (cell, column) in cells.iter().zip(&self.head.columns) {
            let at = self.data.len();
            pack(cell, column, &self.head.environment, &mut self.data);
            pointed_to += pointed_bytes(&self.data[at..]);
        }
        self.count = self.count.saturating_add(1);
        self.head.take(match self.weight {
            // A row counts even if it has no columns.
            Weight::Packed => (self.data.len() - before).max(ROW_BYTES),
            Weight::Values => ROW_BYTES + cells.len() * VALUE_BYTES + pointed_to,
        })
    }
}

/// The bytes that a value points to: those of texts and bytes, whose tags are 6 to 10.
fn pointed_bytes(packed: &[u8]) -> usize {
    const HEAD_BYTES: usize = 5;
    match packed.first() {
        Some(6..=10) => packed.len() - HEAD_BYTES,
        _ => 0,
    }
}
