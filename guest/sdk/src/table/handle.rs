//! One table: single rows, and inserts.

use super::row::{IntoKey, Row, Values};
use super::select::Select;
use crate::Result;
use crate::bindings::mantis::db::tables::{self, Changed, OnConflict, Value};

/// A table of typed rows.
#[derive(Debug)]
pub struct Table(tables::Table);

impl Table {
    /// Opens the table `name`.
    ///
    /// # Errors
    /// `PGRST205` if there is none or the plugin's grants do not name it, `handles-too-many`.
    pub fn open(name: &str) -> Result<Self> {
        tables::Table::open(name).map(Self)
    }

    pub(crate) fn from_handle(handle: tables::Table) -> Self {
        Self(handle)
    }

    /// The row of a primary key, which is a value, or a tuple if it has several columns.
    pub fn get<R: Row>(&self, key: impl IntoKey) -> Result<Option<R>> {
        Ok(self.get_versioned(key)?.map(|(row, _)| row))
    }

    /// The same with its version, for [`Select::if_version`].
    pub fn get_versioned<R: Row>(&self, key: impl IntoKey) -> Result<Option<(R, u64)>> {
        match self.0.get(&key.into_key(), R::SELECT)? {
            Some((values, version)) => Ok(Some((R::from_values(&mut Values::list(values))?, version))),
            None => Ok(None),
        }
    }

    /// All rows, to be narrowed.
    pub fn all(&self) -> Select<'_> {
        Select::new(&self.0)
    }

    /// The rows that a filter of the dialect selects: `status=eq.$1&total=gt.100`. [`Select::bind`] gives `$1` its value.
    pub fn filter(&self, filter: impl Into<String>) -> Select<'_> {
        self.all().filter(filter)
    }

    /// Inserts a row. Columns that the struct does not have get their defaults.
    ///
    /// # Errors
    /// `23505` if its key exists, and those of other constraints: nothing is written.
    pub fn insert<R: Row>(&self, row: R) -> Result<Changed> {
        self.insert_all([row]).run()
    }

    /// Rows to insert, all or none: [`Insert::run`].
    pub fn insert_all<R: Row>(&self, rows: impl IntoIterator<Item = R>) -> Insert<'_> {
        Insert {
            table: &self.0,
            columns: R::COLUMNS.iter().map(|&name| name.to_owned()).collect(),
            rows: rows.into_iter().map(R::into_values).collect(),
            on_conflict: OnConflict::Fail,
            conflict_columns: Vec::new(),
        }
    }

    /// Gives each row that is named by its primary key, which the struct includes, the values of its other fields, in one commit.
    pub fn update_many<R: Row>(&self, rows: impl IntoIterator<Item = R>) -> Result<Changed> {
        let columns: Vec<_> = R::COLUMNS.iter().map(|&name| name.to_owned()).collect();
        self.0.update_many(&columns, &rows.into_iter().map(R::into_values).collect::<Vec<_>>())
    }
}

/// Rows to insert.
#[derive(Debug)]
#[must_use = "nothing happens before `run` or `returning`"]
pub struct Insert<'t> {
    table: &'t tables::Table,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    on_conflict: OnConflict,
    conflict_columns: Vec<String>,
}

impl Insert<'_> {
    /// Leaves a row out if its key exists.
    pub fn or_ignore(self) -> Self {
        Self { on_conflict: OnConflict::Ignore, ..self }
    }

    /// Gives a row whose key exists the new values.
    pub fn or_merge(self) -> Self {
        Self { on_conflict: OnConflict::Merge, ..self }
    }

    /// The unique key that decides whether a row exists; the primary key otherwise.
    pub fn on(self, columns: &[&str]) -> Self {
        Self { conflict_columns: columns.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    /// Inserts.
    ///
    /// # Errors
    /// Those of constraints: nothing is written.
    pub fn run(self) -> Result<Changed> {
        self.table.insert(&self.columns, &self.rows, self.on_conflict, &self.conflict_columns, None)
    }

    /// Inserts, and returns the rows as they were written, with their defaults.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn returning<R: Row>(self) -> Result<Vec<R>> {
        let changed =
            self.table.insert(&self.columns, &self.rows, self.on_conflict, &self.conflict_columns, Some(R::SELECT))?;
        returned(changed)
    }
}

/// The rows that a write returned.
pub(super) fn returned<R: Row>(changed: Changed) -> Result<Vec<R>> {
    let rows = changed.returned.map(|returned| returned.rows).unwrap_or_default();
    rows.into_iter().map(|values| R::from_values(&mut Values::list(values))).collect()
}
