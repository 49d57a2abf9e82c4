//! [`Rows`].

use super::wait;
use crate::tables;
use crate::tables::query::{RowSink, Selected};
use crate::tables::types::Value;
use crate::tables::{Query, QueryText, Row, RowBatch, SelectOptions, TableResult, WriteOptions, Written};

/// The rows of one table, through one session: as [`crate::tables::Rows`], without futures.
#[derive(Debug)]
pub struct Rows<'s>(pub(super) tables::Rows<'s>);

impl Rows<'_> {
    /// The rows that a query selects, all at once. `arguments` are the values of `$1`, `$2`, .. in its texts.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::fetch`].
    pub fn fetch(&mut self, query: &QueryText<'_>, arguments: Vec<Value<'static>>) -> TableResult<Vec<Row>> {
        wait(self.0.fetch(query, arguments))
    }

    /// The rows that a query selects, one after the other, at the newest commit.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::each`].
    pub fn each(&self, query: &QueryText<'_>, arguments: Vec<Value<'static>>) -> TableResult<EachRow> {
        self.0.each(query, arguments).map(EachRow)
    }

    /// Inserts rows of values, one for each of `columns`.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::insert_values`].
    pub fn insert_values<'v, const COLUMNS: usize>(
        &mut self,
        columns: [&'v str; COLUMNS],
        rows: impl IntoIterator<Item = [Value<'v>; COLUMNS]>,
    ) -> TableResult<Written> {
        wait(self.0.insert_values(columns, rows))
    }

    /// The row with this primary key: a value for each column, in the order of the schema.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::get`].
    pub fn get(&mut self, key: &[Value<'_>]) -> TableResult<Option<Vec<Value<'static>>>> {
        wait(self.0.get(key))
    }

    /// How many rows the query selects.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::count`].
    pub fn count(&mut self, query: &QueryText<'_>, arguments: Vec<Value<'static>>) -> TableResult<u64> {
        wait(self.0.count(&query.parse()?, arguments))
    }

    /// Shows `sink` the rows that the query selects.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::select`].
    pub fn select(&mut self, query: &Query, options: &SelectOptions, sink: &mut dyn RowSink) -> TableResult<Selected> {
        wait(self.0.select(query, options, sink))
    }

    /// Inserts rows, and shows `returning` those that were written.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::insert`].
    pub fn insert(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        wait(self.0.insert(query, batch, options, returning))
    }

    /// Gives every row that the query selects the values of the batch's only row.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::update`].
    pub fn update(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        wait(self.0.update(query, batch, options, returning))
    }

    /// Gives each row that the batch names by its primary key the values beside it.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::update_many`].
    pub fn update_many(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        wait(self.0.update_many(query, batch, options, returning))
    }

    /// Deletes the rows that the query selects.
    ///
    /// # Errors
    /// As [`crate::tables::Rows::delete`].
    pub fn delete(
        &mut self,
        query: &Query,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        wait(self.0.delete(query, options, returning))
    }
}

/// The rows of a select, read piece by piece as they are taken: as [`crate::tables::EachRow`].
#[derive(Debug)]
#[must_use = "nothing is read before a row is asked for"]
pub struct EachRow(tables::EachRow);

impl Iterator for EachRow {
    type Item = TableResult<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_now().transpose()
    }
}
