//! The statements that write.

use std::sync::Arc;

use mantis_dialect::Query;

use super::options::{WriteOptions, Written};
use super::rows::Rows;
use super::run::Request;
use crate::tables::query::RowSink;
use crate::tables::query::bind::Bound;
use crate::tables::rows::{self, Conflict, NewRows, RowBatch, Statement, Target, Values};
use crate::tables::{TableError, TableResult, code};

/// What was read and drawn for a version of a table, and is used again when the statement starts over.
struct Prepared<T>(Option<(Arc<Target>, T)>);

impl<T> Prepared<T> {
    /// What is prepared for this target; made anew where it was another.
    fn get(&mut self, target: &Arc<Target>, make: impl FnOnce() -> TableResult<T>) -> TableResult<&mut T> {
        if self.0.as_ref().is_none_or(|(made_for, _)| !Arc::ptr_eq(made_for, target)) {
            self.0 = Some((Arc::clone(target), make()?));
        }
        match &mut self.0 {
            Some((_, made)) => Ok(made),
            None => unreachable!("it was just made"),
        }
    }
}

impl Rows<'_> {
    /// Inserts rows, and shows `returning` those that were written, as the query's select and order say.
    ///
    /// # Errors
    /// 23502, 23503, 23505, 23514, those of the types, PGRST204, 42P10, 21000, 54000; nothing is written then.
    pub async fn insert(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let environment = self.environment.clone();
        let mut prepared = Prepared(None);
        let request = Request { query, options, matches_rows: false };
        self.write(&request, returning, &mut |statement, target, _| {
            let conflict = Conflict::new(target, query.on_conflict.as_deref(), options.resolution)?;
            let rows = prepared.get(target, || {
                let values = Values::read(target, query.columns.as_deref(), batch, &environment)?;
                NewRows::new(statement, target, &values, options.missing_is_default)
            })?;
            statement.ignore_resolution(conflict.is_none() && options.resolution != rows::Resolution::Fail);
            statement.insert(target, rows, conflict)
        })
        .await
    }

    /// Gives every row that the query selects the values of the batch's only row. A batch without columns changes nothing.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); 21000 without a filter where one is needed.
    pub async fn update(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let environment = self.environment.clone();
        let mut prepared = Prepared(None);
        let request = Request { query, options, matches_rows: true };
        self.write(&request, returning, &mut |statement, target, bound| {
            check_filter("UPDATE", query, options)?;
            let values =
                prepared.get(target, || Values::read(target, query.columns.as_deref(), batch, &environment))?;
            let rows = matching(statement, bound, options)?;
            statement.update(target, &rows, values, options.missing_is_default)
        })
        .await
    }

    /// Gives each row that the batch names by its primary key the values beside it; what is missing stays. The query's filters leave rows
    /// out.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); PGRST102 where a row has no whole primary key, 21000 where two have the same.
    pub async fn update_many(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let environment = self.environment.clone();
        let mut prepared = Prepared(None);
        let request = Request { query, options, matches_rows: true };
        self.write(&request, returning, &mut |statement, target, bound| {
            let values =
                prepared.get(target, || Values::read(target, query.columns.as_deref(), batch, &environment))?;
            let mut wanted = None;
            if !query.root.filter.is_empty() {
                let rows = matching(statement, bound, &WriteOptions::default())?;
                wanted = Some(rows.into_iter().map(|row| row.key).collect::<std::collections::HashSet<_>>());
            }
            statement.update_many(target, values, options.if_version, &|row| {
                wanted.as_ref().is_none_or(|wanted| wanted.contains(&row.key))
            })
        })
        .await
    }

    /// Inserts the one row of the batch whose primary key the query's filters name, or gives the row that is there its values.
    ///
    /// # Errors
    /// PGRST105, PGRST115, and as [`insert`](Self::insert).
    pub async fn put(
        &mut self,
        query: &Query,
        batch: &RowBatch<'_>,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let environment = self.environment.clone();
        let mut prepared = Prepared(None);
        let request = Request { query, options, matches_rows: false };
        self.write(&request, returning, &mut |statement, target, _| {
            let rows = prepared.get(target, || {
                let key = rows::put_key(target, query, &options.arguments, &environment)?;
                let mut values = Values::read(target, query.columns.as_deref(), batch, &environment)?;
                values.only_with_key(target, &key)?;
                NewRows::new(statement, target, &values, options.missing_is_default)
            })?;
            let conflict = Conflict::of_put(target, options.replaces, options.if_version);
            statement.insert(target, rows, Some(conflict))
        })
        .await
    }

    /// Deletes the rows that the query selects.
    ///
    /// # Errors
    /// 23503, those of binding and limits; 21000 without a filter where one is needed.
    pub async fn delete(
        &mut self,
        query: &Query,
        options: &WriteOptions,
        returning: Option<&mut dyn RowSink>,
    ) -> TableResult<Written> {
        let request = Request { query, options, matches_rows: true };
        self.write(&request, returning, &mut |statement, target, bound| {
            check_filter("DELETE", query, options)?;
            let rows = matching(statement, bound, options)?;
            statement.delete(target, rows)
        })
        .await
    }
}

/// The rows that the query selects, all of which have the version asked for.
fn matching(
    statement: &mut Statement<'_>,
    bound: Option<&Bound>,
    options: &WriteOptions,
) -> TableResult<Vec<rows::ChangedRow>> {
    let Some(bound) = bound else {
        return Err(TableError::new(code::INTERNAL, "the statement's query was not bound"));
    };
    let rows = statement.matching(&bound.select)?;
    if let Some(version) = options.if_version {
        rows::check_versions(&rows, version)?;
    }
    Ok(rows)
}

fn check_filter(verb: &str, query: &Query, options: &WriteOptions) -> TableResult<()> {
    if !options.needs_filter || !query.root.filter.is_empty() {
        return Ok(());
    }
    Err(TableError::new(code::CARDINALITY_VIOLATION, format!("{verb} requires a WHERE clause"))
        .with_hint("Name the rows by a filter; one that holds for all of them names them all."))
}
