//! Which rows, and what is done with them.

use super::handle::returned;
use super::packed::Packed;
use super::row::{Row, Values};
use super::value::{FromValue, IntoValue};
use crate::bindings::mantis::db::tables::{self, Changed, Query, Rows, Value};
use crate::{Error, Result};

/// Rows of a table. Nothing happens before one of the functions at the end: [`rows`](Self::rows), [`update`](Self::update), ..
#[derive(Debug)]
#[must_use = "nothing happens before it is read, updated or deleted"]
pub struct Select<'t> {
    table: &'t tables::Table,
    query: Query,
    assign: Vec<(String, Value)>,
    if_version: Option<u64>,
}

impl<'t> Select<'t> {
    pub(super) fn new(table: &'t tables::Table) -> Self {
        let query = Query {
            filter: String::new(),
            arguments: Vec::new(),
            select: String::new(),
            order: String::new(),
            limit: None,
            offset: 0,
        };
        Self { table, query, assign: Vec::new(), if_version: None }
    }

    /// Conditions of the dialect, `status=eq.$1&total=gt.100`, beside those that were given before.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        if !self.query.filter.is_empty() {
            self.query.filter.push('&');
        }
        self.query.filter += &filter.into();
        self
    }

    /// The value of the next `$1`, `$2`, .. At most 100.
    pub fn bind(mut self, value: impl IntoValue) -> Self {
        self.query.arguments.push(value.into_value());
        self
    }

    /// The order: `total.desc,id`.
    pub fn order(mut self, order: impl Into<String>) -> Self {
        self.query.order = order.into();
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u32) -> Self {
        self.query.limit = Some(rows);
        self
    }

    /// Passes over so many rows.
    pub fn offset(mut self, rows: u32) -> Self {
        self.query.offset = rows;
        self
    }

    /// The rows.
    ///
    /// # Errors
    /// The code `value-mismatch` if a column has another type than the struct's field.
    pub fn rows<R: Row>(mut self) -> Result<Vec<R>> {
        R::SELECT.clone_into(&mut self.query.select);
        let mut packed = Packed::new(self.table.select_packed(&self.query)?);
        let mut rows = Vec::with_capacity(packed.rows_left());
        while packed.next_row() {
            rows.push(R::from_values(&mut Values::packed(&mut packed))?);
        }
        Ok(rows)
    }

    /// The first row.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn first<R: Row>(self) -> Result<Option<R>> {
        Ok(self.limit(1).rows()?.pop())
    }

    /// One value, which `select` names: `total.sum()`, or a column of the first row. None if there is no row.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn value<T: FromValue>(self, select: impl Into<String>) -> Result<Option<T>> {
        let rows = self.limit(1).values(select)?.rows;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next());
        value.map(T::from_value).transpose()
    }

    /// The rows as values: of any select, such as `id,client(name)` or `status,total.sum()`.
    pub fn values(mut self, select: impl Into<String>) -> Result<Rows> {
        self.query.select = select.into();
        self.table.select(&self.query)
    }

    /// The number of rows.
    pub fn count(self) -> Result<u64> {
        self.table.count(&self.query)
    }

    /// How the query would run.
    pub fn explain(self) -> Result<String> {
        self.table.explain(&self.query)
    }

    /// A value for [`update`](Self::update) to write.
    pub fn set(mut self, column: impl Into<String>, value: impl IntoValue) -> Self {
        self.assign.push((column.into(), value.into_value()));
        self
    }

    /// Writes only if the rows have this version. Otherwise the error's code is `PT412`.
    pub fn if_version(self, version: u64) -> Self {
        Self { if_version: Some(version), ..self }
    }

    /// Gives the rows the values of [`set`](Self::set).
    ///
    /// # Errors
    /// Those of constraints: nothing is written.
    pub fn update(self) -> Result<Changed> {
        self.table.update(&self.query, &self.assign, self.if_version)
    }

    /// The same, and returns the rows as they are then.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_returning<R: Row>(mut self) -> Result<Vec<R>> {
        R::SELECT.clone_into(&mut self.query.select);
        returned(self.table.update(&self.query, &self.assign, self.if_version)?)
    }

    /// Deletes the rows.
    ///
    /// # Errors
    /// `23503` if a foreign key still needs one.
    pub fn delete(self) -> Result<Changed> {
        if self.assign.is_empty() {
            return self.table.delete(&self.query, self.if_version);
        }
        Err(Error::invalid("set-without-update", "values are set, and the rows are deleted"))
    }
}
