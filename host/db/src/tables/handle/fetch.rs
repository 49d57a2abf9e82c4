//! Rows as values, for programs: all of a select, or one after the other; and inserting such rows.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::options::{SelectOptions, WriteOptions, Written};
use super::rows::Rows;
use super::stream::RowStream;
use crate::tables::query::{Cell, OutputColumn, QueryText, RowSink};
use crate::tables::types::Value;
use crate::tables::{Input, Interrupt, Query, RowBatch, TableResult};

/// Rows that are read at once.
const PIECE_ROWS: usize = 100;

/// A row of an answer. Embedded rows are a value too: JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value<'static>>,
}

impl Row {
    /// The names of its columns, in the order of the values.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Its values.
    #[must_use]
    pub fn values(&self) -> &[Value<'static>] {
        &self.values
    }

    /// The value of a column; none where the answer has no such column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value<'static>> {
        let place = self.columns.iter().position(|name| name == column)?;
        self.values.get(place)
    }
}

/// Takes rows as values.
#[derive(Debug, Default)]
struct Collected {
    columns: Arc<[String]>,
    rows: VecDeque<Row>,
    /// After so many rows it is full.
    rows_max: usize,
}

impl RowSink for Collected {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns = columns.iter().map(|column| column.name.clone()).collect();
        self.rows.clear();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let owned = |cell: &Cell<'_>| match cell {
            Cell::Value(value) => value.clone().into_owned(),
            Cell::Json(text) => Value::Json(Cow::Owned((*text).to_owned())),
        };
        let values = cells.iter().map(owned).collect();
        self.rows.push_back(Row { columns: Arc::clone(&self.columns), values });
        Ok(())
    }
}

/// The rows of a select, read piece by piece as they are taken, all at one commit: a [`Stream`], and [`try_next`](Self::try_next) where no
/// stream is wanted. Who takes longer from one piece to the next than
/// [`Limits::transaction_age_ms_max`](crate::Limits::transaction_age_ms_max) gets an error. It ends after an error.
#[derive(Debug)]
#[must_use = "nothing is read before a row is asked for"]
pub struct EachRow {
    stream: Option<RowStream>,
    piece: Collected,
}

impl EachRow {
    /// The next row; none at the end.
    ///
    /// # Errors
    /// Those of [`RowStream::next`].
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn try_next(&mut self) -> TableResult<Option<Row>> {
        self.next_now()
    }

    pub(crate) fn next_now(&mut self) -> TableResult<Option<Row>> {
        loop {
            if let Some(row) = self.piece.rows.pop_front() {
                return Ok(Some(row));
            }
            let Some(mut stream) = self.stream.take() else { return Ok(None) };
            if stream.next(&mut self.piece, Interrupt::default())?.is_none() {
                self.stream = Some(stream);
            }
        }
    }
}

impl Stream for EachRow {
    type Item = TableResult<Row>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next_now().transpose())
    }
}

impl Rows<'_> {
    /// The rows that a query selects, all at once. `arguments` are the values of `$1`, `$2`, .. in its texts.
    ///
    /// # Errors
    /// Those of the query's text, and of [`select`](Self::select).
    pub async fn fetch(&mut self, query: &QueryText<'_>, arguments: Vec<Value<'static>>) -> TableResult<Vec<Row>> {
        let query = query.parse()?;
        let options = SelectOptions { arguments, ..SelectOptions::default() };
        let mut collected = Collected { rows_max: usize::MAX, ..Collected::default() };
        self.select(&query, &options, &mut collected).await?;
        Ok(collected.rows.into())
    }

    /// The rows that a query selects, one after the other, at the newest commit: for more than memory should hold.
    ///
    /// # Errors
    /// Those of the query's text, and of [`stream`](Self::stream): 25001 in a transaction.
    pub fn each(&self, query: &QueryText<'_>, arguments: Vec<Value<'static>>) -> TableResult<EachRow> {
        let options = SelectOptions { arguments, ..SelectOptions::default() };
        let stream = self.stream(&query.parse()?, options)?;
        Ok(EachRow { stream: Some(stream), piece: Collected { rows_max: PIECE_ROWS, ..Collected::default() } })
    }

    /// Inserts rows of values, one for each of `columns`; other columns have their defaults.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); 42701 where a column is named twice, 42601 where a row has more or fewer values.
    pub async fn insert_values<'v, const COLUMNS: usize>(
        &mut self,
        columns: [&'v str; COLUMNS],
        rows: impl IntoIterator<Item = [Value<'v>; COLUMNS]>,
    ) -> TableResult<Written> {
        let columns = columns.into_iter().map(Cow::Borrowed).collect();
        let rows = rows.into_iter().map(|row| row.map(Input::Value));
        let batch = RowBatch::of_rows(columns, rows)?;
        self.insert(&Query::default(), &batch, &WriteOptions::default(), None).await
    }
}
