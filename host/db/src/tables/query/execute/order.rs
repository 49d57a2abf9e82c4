//! The order of rows: terms as bytes whose order is the one asked for, and sorting by them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::context::QueryContext;
use super::evaluate::Values;
use super::stored::StoredRow;
use crate::tables::TableResult;
use crate::tables::codec;
use crate::tables::query::bound::{Order, OrderBy};
use crate::tables::sort::sort_by;

/// What comes before a term that is null where nulls come first, that has a value, that is null where nulls come last.
const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// Writes a row's terms to `out`: the order of these bytes is that of the rows.
pub(super) fn write_terms<V: Values>(order: &[Order], row: &V, out: &mut Vec<u8>) -> TableResult<()> {
    out.clear();
    for term in order {
        let (value, r#type) = match &term.by {
            OrderBy::Expression(expression) => (row.value(expression)?, expression.r#type()),
            OrderBy::Aggregate(call) => (row.aggregate(call)?, call.cast.unwrap_or(call.source_type)),
            OrderBy::EmbedAggregate { embed, call } => {
                (row.aggregate_of(*embed, call)?, call.cast.unwrap_or(call.source_type))
            }
        };
        if value.is_null() {
            out.push(if term.nulls_first { NULL_FIRST } else { NULL_LAST });
        } else {
            out.push(VALUE);
            codec::push(out, &value, r#type, term.is_descending);
        }
    }
    Ok(())
}

/// Sorts rows by their terms; rows with the same terms stay as they came. Holds no more rows than are asked for.
pub(super) struct Sorter<'c> {
    context: &'c QueryContext<'c>,
    rows_max: Option<usize>,
    /// A heap, the last one first, when it is bounded.
    heap: BinaryHeap<SortedRow>,
    rows: Vec<SortedRow>,
    count: u64,
    held_bytes: usize,
}

/// A row with its terms.
pub(super) struct SortedRow {
    /// The terms, and behind them the row's key and bytes.
    bytes: Box<[u8]>,
    terms_bytes: usize,
    key_bytes: usize,
    version: u64,
    /// Its place among the rows that came.
    came: u64,
}

impl SortedRow {
    fn new(terms: &[u8], row: StoredRow<'_>, came: u64) -> Self {
        let bytes = [terms, row.key, row.bytes].concat().into();
        Self { bytes, terms_bytes: terms.len(), key_bytes: row.key.len(), version: row.version, came }
    }

    fn held_bytes(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    fn terms(&self) -> &[u8] {
        &self.bytes[..self.terms_bytes]
    }

    pub(super) fn row(&self) -> StoredRow<'_> {
        let (key, bytes) = self.bytes[self.terms_bytes..].split_at(self.key_bytes);
        StoredRow { key, version: self.version, bytes }
    }
}

impl Ord for SortedRow {
    fn cmp(&self, other: &Self) -> Ordering {
        self.terms().cmp(other.terms()).then(self.came.cmp(&other.came))
    }
}

impl PartialOrd for SortedRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortedRow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortedRow {}

impl<'c> Sorter<'c> {
    /// Keeps the first `rows_max` rows; all where none.
    pub(super) fn new(context: &'c QueryContext<'c>, rows_max: Option<u64>) -> Self {
        let rows_max = rows_max.and_then(|max| usize::try_from(max).ok());
        Self { context, rows_max, heap: BinaryHeap::new(), rows: Vec::new(), count: 0, held_bytes: 0 }
    }

    /// Takes a row, which may turn out not to be among the first.
    pub(super) fn push(&mut self, terms: &[u8], row: StoredRow<'_>) -> TableResult<()> {
        let came = self.count;
        self.count += 1;
        let Some(rows_max) = self.rows_max else {
            let row = SortedRow::new(terms, row, came);
            self.hold(row.held_bytes())?;
            self.rows.push(row);
            return Ok(());
        };
        if self.heap.len() >= rows_max {
            // A row that came later is behind those with the same terms.
            if self.heap.peek().is_none_or(|last| terms >= last.terms()) {
                return Ok(());
            }
            if let Some(last) = self.heap.pop() {
                self.held_bytes -= last.held_bytes();
                self.context.release(last.held_bytes());
            }
        }
        let row = SortedRow::new(terms, row, came);
        self.hold(row.held_bytes())?;
        self.heap.push(row);
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> TableResult<()> {
        self.context.hold(bytes)?;
        self.held_bytes += bytes;
        Ok(())
    }

    /// How many rows came.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The rows in order. They count as held as long as the sorter is there.
    pub(super) fn sort(&mut self) -> Vec<SortedRow> {
        if self.rows_max.is_some() {
            return std::mem::take(&mut self.heap).into_sorted_vec();
        }
        let mut rows = std::mem::take(&mut self.rows);
        sort_by(&mut rows, Ord::cmp);
        rows
    }
}

impl Drop for Sorter<'_> {
    fn drop(&mut self) {
        self.context.release(self.held_bytes);
    }
}
