//! Tables, and statements on them as HTTP clients write them.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::tz::TimeZone;
use mantis_db::tables::query::{JsonForm, JsonRows};
use mantis_db::tables::rows::invariants::{check_table_invariants, former_schema_count};
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{
    Environment, Input, Resolution, RowBatch, SelectOptions, TableError, TableResult, WriteOptions, Written,
};
use mantis_db::{Database, Isolation, Limits, Session};
use mantis_dialect::{Parser, Query};
use serde_json::value::RawValue;

use crate::support::{Stage, now};

/// What a statement answers: its figures, and its rows as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) written: Written,
    pub(crate) rows: String,
}

/// A session, and short ways to use its tables.
pub(crate) struct Tables {
    pub(crate) stage: Stage,
    pub(crate) session: Session,
    pub(crate) options: WriteOptions,
}

impl Tables {
    /// A database with these tables: name and definition.
    #[track_caller]
    pub(crate) fn new(tables: &[(&str, &str)]) -> Self {
        Self::with_limits(tables, |_| ())
    }

    #[track_caller]
    pub(crate) fn with_limits(tables: &[(&str, &str)], change: impl FnOnce(&mut Limits)) -> Self {
        let stage = Stage::with(change);
        let session = stage.session();
        let mut tables_here = Self { stage, session, options: WriteOptions::default() };
        for (name, document) in tables {
            tables_here.create(name, document);
        }
        tables_here
    }

    #[track_caller]
    pub(crate) fn create(&mut self, name: &str, document: &str) {
        create(&mut self.session, name, document);
    }

    #[track_caller]
    pub(crate) fn session_begin(&mut self) {
        now(self.session.begin(Isolation::Serializable)).unwrap();
    }

    #[track_caller]
    pub(crate) fn session_commit(&mut self) {
        now(self.session.commit()).unwrap();
    }

    /// Inserts.
    pub(crate) fn post(&mut self, target: &str, body: &str) -> TableResult<Answer> {
        now(post(&mut self.session, target, body, &self.options))
    }

    /// Inserts with another resolution.
    pub(crate) fn upsert(&mut self, resolution: Resolution, target: &str, body: &str) -> TableResult<Answer> {
        let options = WriteOptions { resolution, ..self.options.clone() };
        now(post(&mut self.session, target, body, &options))
    }

    /// Updates.
    pub(crate) fn patch(&mut self, target: &str, body: &str) -> TableResult<Answer> {
        now(patch(&mut self.session, target, body, &self.options))
    }

    /// Updates rows by their primary keys.
    pub(crate) fn patch_many(&mut self, target: &str, body: &str) -> TableResult<Answer> {
        let (table, query) = parsed(target);
        let (environment, mut sink) = surroundings(&self.session);
        let rows = raw_rows(body);
        let mut handle = self.session.rows(table, environment);
        let written = now(handle.update_many(&query, &batch(&rows), &self.options, Some(&mut sink)))?;
        Ok(Answer { written, rows: text(sink) })
    }

    pub(crate) fn put(&mut self, target: &str, body: &str) -> TableResult<Answer> {
        let (table, query) = parsed(target);
        let (environment, mut sink) = surroundings(&self.session);
        let rows = raw_rows(body);
        let mut handle = self.session.rows(table, environment);
        let written = now(handle.put(&query, &batch(&rows), &self.options, Some(&mut sink)))?;
        Ok(Answer { written, rows: text(sink) })
    }

    pub(crate) fn delete(&mut self, target: &str) -> TableResult<Answer> {
        now(delete(&mut self.session, target, &self.options))
    }

    /// What a select answers, as JSON.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> String {
        get(&mut self.session, target)
    }

    #[track_caller]
    pub(crate) fn check(&self) -> u64 {
        check_tables(&self.stage.database)
    }
}

/// What a select answers, as JSON.
#[track_caller]
pub(crate) fn get(session: &mut Session, target: &str) -> String {
    let (table, query) = parsed(target);
    let (environment, mut sink) = surroundings(session);
    let options = SelectOptions::default();
    now(session.rows(table, environment).select(&query, &options, &mut sink)).unwrap();
    text(sink)
}

#[track_caller]
pub(crate) fn check_tables(database: &Database) -> u64 {
    check_table_invariants(database).unwrap_or_else(|broken| panic!("{broken}"))
}

/// Entries of the store, without the definitions that are kept for the feed.
pub(crate) fn key_count(database: &Database) -> u64 {
    database.store().stats().entries - former_schema_count(database)
}

#[track_caller]
pub(crate) fn create(session: &mut Session, name: &str, document: &str) {
    let document: TableDocument = TableDocument::read(document.as_bytes()).unwrap();
    now(session.create_table(name, &document)).unwrap();
}

pub(crate) async fn post(
    session: &mut Session,
    target: &str,
    body: &str,
    options: &WriteOptions,
) -> TableResult<Answer> {
    let (table, query) = parsed(target);
    let (environment, mut sink) = surroundings(session);
    let rows = raw_rows(body);
    let written = session.rows(table, environment).insert(&query, &batch(&rows), options, Some(&mut sink)).await?;
    Ok(Answer { written, rows: text(sink) })
}

pub(crate) async fn patch(
    session: &mut Session,
    target: &str,
    body: &str,
    options: &WriteOptions,
) -> TableResult<Answer> {
    let (table, query) = parsed(target);
    let (environment, mut sink) = surroundings(session);
    let rows = raw_rows(body);
    let written = session.rows(table, environment).update(&query, &batch(&rows), options, Some(&mut sink)).await?;
    Ok(Answer { written, rows: text(sink) })
}

pub(crate) async fn delete(session: &mut Session, target: &str, options: &WriteOptions) -> TableResult<Answer> {
    let (table, query) = parsed(target);
    let (environment, mut sink) = surroundings(session);
    let written = session.rows(table, environment).delete(&query, options, Some(&mut sink)).await?;
    Ok(Answer { written, rows: text(sink) })
}

fn surroundings(session: &Session) -> (Environment, JsonRows) {
    let environment = session.database().environment(TimeZone::UTC);
    (environment.clone(), JsonRows::new(JsonForm::Array, false, 1 << 20, environment))
}

fn text(sink: JsonRows) -> String {
    String::from_utf8(sink.into_bytes()).unwrap()
}

/// The table and the query of `table?a=b&c=d`.
#[track_caller]
fn parsed(target: &str) -> (&str, Query) {
    let (table, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    (table, Parser::default().query(pairs).unwrap())
}

type RawRow = HashMap<String, Box<RawValue>>;

#[track_caller]
fn raw_rows(body: &str) -> Vec<RawRow> {
    if body.starts_with('[') { serde_json::from_str(body).unwrap() } else { vec![serde_json::from_str(body).unwrap()] }
}

/// The rows as a batch: all columns that any of them has.
fn batch(rows: &[RawRow]) -> RowBatch<'_> {
    let mut columns: Vec<_> = rows.iter().flat_map(RawRow::keys).collect();
    columns.sort_unstable();
    columns.dedup();
    let values = rows
        .iter()
        .flat_map(|row| {
            columns.iter().map(|column| row.get(*column).map_or(Input::Missing, |raw| Input::Json(raw.get())))
        })
        .collect();
    RowBatch {
        columns: columns.iter().map(|column| Cow::Borrowed(column.as_str())).collect(),
        values,
        rows: rows.len(),
    }
}

/// An error in one line: `CODE message | details`.
pub(crate) fn line(error: &TableError) -> String {
    match &error.details {
        None => format!("{} {}", error.code, error.message),
        Some(details) => format!("{} {} | {details}", error.code, error.message),
    }
}

/// What a statement answers in one line: its rows, or its error.
pub(crate) fn outcome(answer: TableResult<Answer>) -> String {
    match answer {
        Ok(answer) => answer.rows,
        Err(error) => line(&error),
    }
}
