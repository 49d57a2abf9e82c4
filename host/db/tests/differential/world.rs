//! Random tables, with the same rows here and in SQLite.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::tz::TimeZone;
use mantis_db::tables::query::{JsonForm, JsonRows};
use mantis_db::tables::rows::invariants::check_table_invariants;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{Count, Input, RowBatch, SelectOptions, Selected, TableResult, WriteOptions};
use mantis_db::{Database, Limits, ManualClock, SeededRandom, Session};
use mantis_dialect::{Parser, Query};
use serde_json::Value as Json;

/// Our side: a session of a database in memory.
pub(crate) struct Ours {
    database: Database,
    session: Session,
}

/// Parameters of a query, decoded.
pub(crate) type Parameters = Vec<(String, String)>;

pub(crate) fn shown(parameters: &Parameters) -> String {
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What the future is ready with when it is first polled.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the embedded engine made a caller wait"),
    }
}

impl Ours {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(1_000_000));
        let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(3))).unwrap();
        Self { session: database.session(), database }
    }

    #[track_caller]
    pub(crate) fn create(&mut self, name: &str, document: &str) {
        let read = TableDocument::read(document.as_bytes()).unwrap_or_else(|error| panic!("{document}: {error:?}"));
        now(self.session.create_table(name, &read)).unwrap_or_else(|error| panic!("{document}: {error:?}"));
    }

    /// Inserts rows of columns in this order.
    #[track_caller]
    pub(crate) fn insert(&mut self, table: &str, columns: &[&str], rows: &[Vec<Json>]) {
        let texts: Vec<String> = rows.iter().flatten().map(ToString::to_string).collect();
        let batch = batch(columns, &texts, rows.len());
        let environment = self.database.environment(TimeZone::UTC);
        let mut handle = self.session.rows(table, environment);
        now(handle.insert(&Query::default(), &batch, &WriteOptions::default(), None)).unwrap();
    }

    /// The rows that a query selects, and how many there are.
    pub(crate) fn select(&mut self, table: &str, query: &Parameters) -> TableResult<(Json, Selected)> {
        let query = parsed(query)?;
        let environment = self.database.environment(TimeZone::UTC);
        let mut sink = JsonRows::new(JsonForm::Array, false, 1 << 26, environment.clone());
        let options = SelectOptions { count: Count::Exact, ..SelectOptions::default() };
        let selected = now(self.session.rows(table, environment).select(&query, &options, &mut sink))?;
        Ok((serde_json::from_slice(&sink.into_bytes()).unwrap(), selected))
    }

    /// Gives the rows that a query selects these values; how many rows that were.
    pub(crate) fn update(&mut self, table: &str, query: &Parameters, values: &[(&str, Json)]) -> TableResult<u64> {
        let query = parsed(query)?;
        let columns: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let texts: Vec<String> = values.iter().map(|(_, value)| value.to_string()).collect();
        let batch = batch(&columns, &texts, 1);
        let environment = self.database.environment(TimeZone::UTC);
        let mut handle = self.session.rows(table, environment);
        Ok(now(handle.update(&query, &batch, &WriteOptions::default(), None))?.affected)
    }

    /// Deletes the rows that a query selects; how many that were.
    pub(crate) fn delete(&mut self, table: &str, query: &Parameters) -> TableResult<u64> {
        let query = parsed(query)?;
        let environment = self.database.environment(TimeZone::UTC);
        let mut handle = self.session.rows(table, environment);
        Ok(now(handle.delete(&query, &WriteOptions::default(), None))?.affected)
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        check_table_invariants(&self.database).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

fn parsed(query: &Parameters) -> TableResult<Query> {
    let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Parser::default().query(pairs)?)
}

fn batch<'a>(columns: &[&'a str], texts: &'a [String], rows: usize) -> RowBatch<'a> {
    RowBatch {
        columns: columns.iter().map(|column| Cow::Borrowed(*column)).collect(),
        values: texts.iter().map(|text| Input::Json(text)).collect(),
        rows,
    }
}
